"""Offers every value to a column of every type, and records what the op call raises."""

from typing import Any

from fivetran_connector_sdk import Connector  # type: ignore[import-not-found,unused-ignore]  # only in .venvs/mit_sdk
from fivetran_connector_sdk import Operations as op
from values import all_values  # type: ignore[import-not-found]  # beside this file, as an author has it

TYPES = (
    "BOOLEAN", "SHORT", "INT", "LONG", "DECIMAL", "FLOAT", "DOUBLE",
    "NAIVE_DATE", "NAIVE_DATETIME", "UTC_DATETIME", "BINARY", "XML", "STRING", "JSON",
)  # fmt: skip
UNDECLARED = "UNDECLARED"


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    decimal = {"type": "DECIMAL", "precision": 38, "scale": 10}
    return [{"table": t, "columns": {"value": decimal if t == "DECIMAL" else t}} for t in TYPES]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    for table in (*TYPES, UNDECLARED):
        for name, value in all_values().items():
            offer(table, name, value)
    op.checkpoint({})


def offer(table: str, name: str, value: object) -> None:
    try:
        op.upsert(table, {"name": name, "value": value})
    except Exception as error:  # noqa: BLE001 whatever it is, it is the answer
        # ascii(): a message may hold half a surrogate pair, which no text on the wire can
        message = ascii(str(error))
        op.upsert("raised", {"table": table, "name": name, "error": type(error).__name__, "message": message})


connector = Connector(update=update, schema=schema)
