"""Pages by keyset: "those changed since this time, the oldest first", which is also the cursor of the next sync.

Two users may have changed in the same second, one on this page and one on the next. So the API is asked for "at or
after", and what comes twice is told apart by `ties`, the id.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import instant
from sdk_helpers.http import ApiClient
from sdk_helpers.paging import Keyset, paginate


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "user",
            "primary_key": ["id"],
            "columns": {"id": "LONG", "name": "STRING", "updated_at": "UTC_DATETIME"},
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    by = Keyset(
        "updated_since",
        "updated_at",
        ties="id",
        start=state.get("updated_since", configuration["start"]),
        order=instant,  # a page that is not in this order is an error: users would be skipped
        size=int(configuration["page_size"]),
    )
    with ApiClient(configuration["base_url"]) as client:
        for page in paginate(client, "users", by, records="users"):
            for user in page.records:
                op.upsert(table="user", data=user)
                state["updated_since"] = user["updated_at"]
            op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
