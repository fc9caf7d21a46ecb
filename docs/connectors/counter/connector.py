"""Counts to six with a checkpoint after every second row; fails where the configuration says so."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "number", "primary_key": ["id"]}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    fail_at = int(configuration.get("fail_at", "0"))
    for number in range(state.get("last", 0) + 1, 7):
        if number == fail_at:
            raise ConnectionError("the source has gone away")
        op.upsert("number", {"id": number})
        if number % 2 == 0:
            op.checkpoint({"last": number})


connector = Connector(update=update, schema=schema)
