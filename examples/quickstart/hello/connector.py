"""The shortest connector: one table, one row, one checkpoint."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "hello", "primary_key": ["message"]}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    log.info("Saying hello")
    op.upsert(table="hello", data={"message": "hello, world!"})
    op.checkpoint(state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
