"""Pages by offset, with an overlap: rows that come and go at the source while you read are noticed.

When a row of an earlier page is deleted, all others move up by one, and the next page skips one. So each page begins
one row before the end of the page before it: is that row still there, nothing has moved too far.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient
from sdk_helpers.paging import Offset, paginate


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "user", "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    by = Offset(size=int(configuration["page_size"]), overlap=1, key="id")
    with ApiClient(configuration["base_url"]) as client:
        # Sorted by a column that does not change, for no row should move by itself.
        for page in paginate(
            client, "users", by, records="users", params={"sort": "id"}, resume_from=state.get("next_page")
        ):
            for user in page.records:
                op.upsert(table="user", data=user)
            op.checkpoint(state={"next_page": page.resume_from})


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
