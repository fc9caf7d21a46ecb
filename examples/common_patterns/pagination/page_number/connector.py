"""Pages by number: 1, 2, 3, until the page that the API says is the last one."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient
from sdk_helpers.paging import PageNumber, paginate


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "user", "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    by = PageNumber(size=int(configuration["page_size"]), size_param="per_page", total_pages="total_pages")
    with ApiClient(configuration["base_url"]) as client:
        # New users go to the end of this order, so that they do not move those before them to other pages.
        for page in paginate(
            client, "users", by, records="users", params={"sort": "created_at"}, resume_from=state.get("next_page")
        ):
            for user in page.records:
                op.upsert(table="user", data=user)
            op.checkpoint(state={"next_page": page.resume_from})


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
