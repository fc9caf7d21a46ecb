"""A source that is slow, busy and sometimes gone: wait, ask again, and stay below its limit.

The client does all of it. It is told how fast it may ask, and how patient it shall be.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient
from sdk_helpers.paging import PageNumber, paginate
from sdk_helpers.retry import Backoff, RateLimit

# What the API's documentation allows, and a little less: others use the same account.
RATE_LIMIT = RateLimit(8, per_seconds=1)
# At most 6 attempts and 15 minutes for one call; between them 0.2 s, 0.4 s, ... 30 s, or what the server asks for.
BACKOFF = Backoff(attempts=6, first_wait_seconds=0.2, longest_wait_seconds=30, total_seconds=900)


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "orders", "primary_key": ["id"], "columns": {"id": "LONG", "item": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    by = PageNumber(total_pages="pages")
    with ApiClient(configuration["base_url"], rate_limit=RATE_LIMIT, backoff=BACKOFF) as client:
        pages = paginate(client, "orders", by, records="orders", resume_from=state.get("next_page"))
        for page in pages:
            for order in page.records:
                op.upsert(table="orders", data=order)
            op.checkpoint(state={"next_page": page.resume_from})
        log.info(f"orders: {pages.stopped_because}")


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
