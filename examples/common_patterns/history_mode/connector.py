"""Every version of a record kept: the time of change is part of the primary key.

An upsert replaces the row with its key. With the time of change in the key, a changed record is a new row, and the
older versions stay. A version that comes again, after a crash or from a page read twice, is still one row.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import Watermark, instant
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "product_history",
            "primary_key": ["id", "updated_at"],
            "columns": {
                "id": "LONG",
                "updated_at": "UTC_DATETIME",
                "name": "STRING",
                "price": {"type": "DECIMAL", "precision": 10, "scale": 2},
                "is_deleted": "BOOLEAN",  # a deletion is a version, too: the last one
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    mark = Watermark(state)
    with ApiClient(configuration["base_url"]) as client:
        for product in client.get_json("products", params={"updated_since": mark.since}):
            op.upsert(table="product_history", data=product)
            mark.see(instant(product["updated_at"]))
    op.checkpoint(state=mark.finish())


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
