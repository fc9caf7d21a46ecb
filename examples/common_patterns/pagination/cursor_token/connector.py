"""Pages by a token that the API gives, kept from sync to sync: a feed of changes that is never finished.

At its end the feed gives an empty page and the same token again. That token is saved: the next sync asks with it, and
is given what has changed since.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient
from sdk_helpers.paging import Cursor, paginate


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "user", "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    by = Cursor("cursor", at="meta.next_cursor", size=int(configuration["page_size"]))
    with ApiClient(configuration["base_url"]) as client:
        for page in paginate(client, "user_changes", by, records="changes", resume_from=state.get("cursor")):
            for change in page.records:
                if change["kind"] == "deleted":
                    op.delete(table="user", keys={"id": change["user"]["id"]})
                else:
                    op.upsert(table="user", data=change["user"])
            op.checkpoint(state={"cursor": page.resume_from})


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
