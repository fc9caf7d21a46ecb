"""Nested JSON as flat tables: objects become columns, lists become child tables.

    {"id": 7, "buyer": {"name": "Ada"}, "items": [{"sku": "a"}, {"sku": "b"}]}

is one row of `orders` with the column `buyer_name`, and two rows of `orders_items`, with the id of the order and their
position in the list as primary key.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.flatten import Flattener
from sdk_helpers.http import ApiClient

# One order with all that an order can have: from it, schema() learns the tables and their keys.
SAMPLE = {
    "id": 0,
    "buyer": {"name": "", "address": {"city": ""}},
    "tags": [""],
    "items": [{"sku": "", "discounts": [{"percent": 0}]}],
}


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return flattener().schema([SAMPLE])


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    orders = flattener()
    with ApiClient(configuration["base_url"]) as client:
        for order in client.get_json("orders"):
            for table, row in orders.rows(order):
                op.upsert(table=table, data=row)
    op.checkpoint(state=state)


def flattener() -> Flattener:
    return Flattener("orders", primary_key=["id"])


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
