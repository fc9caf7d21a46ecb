"""Several requests at a time, and checkpoints that are still true.

Worker threads fetch and emit nothing; this thread emits, in the order of the companies. So `finished_through` names the
last company before which nothing is missing, and a state that says "done up to here" is true.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient
from sdk_helpers.retry import RateLimit
from sdk_helpers.threads import fetch_in_threads


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "orders",
            "primary_key": ["company_id", "id"],
            "columns": {"company_id": "LONG", "id": "LONG", "item": "STRING"},
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    with ApiClient(configuration["base_url"], rate_limit=RateLimit(20)) as client:  # shared by all threads

        def orders_of(company_id: int) -> list[dict[str, Any]]:
            orders: list[dict[str, Any]] = client.get_json(f"companies/{company_id}/orders")
            return orders

        company_ids = sorted(company["id"] for company in client.get_json("companies"))
        left = [company_id for company_id in company_ids if company_id > state.get("finished_through", 0)]
        log.info(f"Reading the orders of {len(left)} companies")
        for fetched in fetch_in_threads(orders_of, left, threads=int(configuration["threads"])):
            for order in fetched.value:
                op.upsert(table="orders", data={"company_id": fetched.item, **order})
            op.checkpoint(state={"finished_through": fetched.finished_through})
    op.checkpoint(state={})  # the next sync begins with the first company again


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
