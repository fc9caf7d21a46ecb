"""A table without a time of change, read whole each time: truncate, send all rows, checkpoint once.

Rows that are gone from the source are marked as deleted, as they are not sent again. Because truncate and rows are
committed together, at the one checkpoint, no reader ever sees the table empty, and a sync that fails in the middle
leaves it as it was.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "tariff",
            "primary_key": ["country"],
            "columns": {"country": "STRING", "percent": {"type": "DECIMAL", "precision": 5, "scale": 2}},
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    with ApiClient(configuration["base_url"]) as client:
        tariffs = client.get_json("tariffs")
    if not tariffs:
        # Far more often a failure of the source than a table that was emptied.
        raise ValueError("The source gave no tariffs at all: nothing is deleted")

    op.truncate(table="tariff")  # before the rows, which it must not touch
    for tariff in tariffs:
        op.upsert(table="tariff", data=tariff)
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
