"""A connector that a script serves over gRPC."""

from typing import Any

from headwater import Connector
from headwater import Operations as op


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "hello", "primary_key": ["id"], "columns": {"id": "INT", "at": "UTC_DATETIME"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    op.upsert("hello", {"id": 1, "at": "2024-02-29T01:02:03Z", "place": configuration["place"]})
    op.checkpoint({"cursor": 1})


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.run(port=50049)
