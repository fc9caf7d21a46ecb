"""Pages by the `Link` header of RFC 8288, as GitHub, GitLab and Shopify have it."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient
from sdk_helpers.paging import LinkHeader, paginate


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "user", "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    by = LinkHeader(size=int(configuration["page_size"]), size_param="per_page")
    with ApiClient(configuration["base_url"]) as client:
        # The body is the list itself: all about the pages is in the header.
        for page in paginate(client, "users", by, resume_from=state.get("next_page")):
            for user in page.records:
                op.upsert(table="user", data=user)
            op.checkpoint(state={"next_page": page.resume_from})


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
