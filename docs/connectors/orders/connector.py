"""The same operations for three tables, which headwater.toml keeps in three modes."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

TABLES = ("orders_soft", "orders_live", "orders_history")


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": table, "primary_key": ["id"]} for table in TABLES]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    for table in TABLES:
        if not state:
            op.upsert(table, {"id": 1, "status": "open"})
            op.upsert(table, {"id": 2, "status": "open"})
        else:
            op.update(table, {"id": 1, "status": "paid"})
            op.delete(table, {"id": 2})
    op.checkpoint({"syncs": state.get("syncs", 0) + 1})


connector = Connector(update=update, schema=schema)
