"""A source that changes its mind: each sync sends the next price, of another type."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

PRICES: list[dict[str, Any]] = [
    {"id": 1, "price": 42},
    {"id": 2, "price": 42.42},
    {"id": 3, "price": "on request", "currency": "EUR"},
]


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "price", "primary_key": ["id"]}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    sent = state.get("sent", 0)
    op.upsert("price", PRICES[sent])
    op.checkpoint({"sent": sent + 1})


connector = Connector(update=update, schema=schema)
