"""tap-shop: the orders of a CSV file, those first that changed first; made with singer-sdk."""

import csv
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from singer_sdk import Stream, Tap  # type: ignore[import-not-found,unused-ignore]  # only where the tap runs


class Orders(Stream):  # type: ignore[misc,unused-ignore]  # typed only where singer-sdk is installed
    name = "orders"
    primary_keys: ClassVar[list[str]] = ["id"]
    replication_key = "changed_at"
    is_sorted = True
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "customer": {"type": ["string", "null"]},
            "total": {"type": ["number", "null"], "multipleOf": 0.01},
            "changed_at": {"type": "string", "format": "date-time"},
        },
    }

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:
        since = self.get_starting_replication_key_value(context) or ""
        with Path(self.config["file"]).open(newline="") as file:
            for row in csv.DictReader(file):
                if row["changed_at"] >= since:
                    yield row | {"id": int(row["id"]), "total": Decimal(row["total"])}


class TapShop(Tap):  # type: ignore[misc,unused-ignore]  # typed only where singer-sdk is installed
    name = "tap-shop"
    config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {"file": {"type": "string"}}, "required": ["file"]}

    def discover_streams(self) -> list[Stream]:
        return [Orders(self)]


if __name__ == "__main__":
    TapShop.cli()
