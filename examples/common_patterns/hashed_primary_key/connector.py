"""A primary key for records that have none: the hash of the fields that tell them apart.

The key is the same in every sync, so a record that comes again replaces its row. Python's own `hash` would not do: it
differs from process to process.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient
from sdk_helpers.keys import hash_fields

# Which shop sells which article, on which day. Not the price: when it is corrected, the row is still the same one.
IDENTITY = ["shop", "article", "day"]


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "price",
            "primary_key": ["id"],
            "columns": {
                "id": "STRING",
                "shop": "STRING",
                "article": "STRING",
                "day": "NAIVE_DATE",
                "price": {"type": "DECIMAL", "precision": 10, "scale": 2},
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    with ApiClient(configuration["base_url"]) as client:
        for record in client.get_json("prices"):
            op.upsert(table="price", data={"id": hash_fields(record, IDENTITY), **record})
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
