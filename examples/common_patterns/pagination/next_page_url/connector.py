"""Pages by the address of the next one, which the API gives in the body.

The address is saved with the rows of its page. A sync that was interrupted goes on there; one that came to the end
saves null, and the next one begins at the first page.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient
from sdk_helpers.paging import NextUrl, paginate


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "user", "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    with ApiClient(configuration["base_url"]) as client:
        by = NextUrl("next_page_url", size=int(configuration["page_size"]), size_param="per_page")
        # An address on another host is refused: credentials must not follow it there.
        for page in paginate(client, "users", by, records="data", resume_from=state.get("next_page")):
            for user in page.records:
                op.upsert(table="user", data=user)
            op.checkpoint(state={"next_page": page.resume_from})


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
