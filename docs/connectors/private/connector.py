"""Customers whose address is nobody's business: headwater.toml keeps it out of the warehouse."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"table": "customer", "primary_key": ["id"]},
        {"table": "password_reset", "primary_key": ["id"]},
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    op.upsert("customer", {"id": 1, "email": "ada@example.com", "name": "Ada", "birthDate": "1815-12-10"})
    op.upsert("password_reset", {"id": 1, "token": "a-token"})
    op.checkpoint(state)


connector = Connector(update=update, schema=schema)
