"""The rows that every measurement and every peer moves: ten columns of mixed types, cheap to make."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "orders"
KEY = "id"

# One year of days, so that a timestamp costs one concatenation and the loop stays the smallest part of the floor.
_DAYS = tuple(str(date(2025, 1, 1) + timedelta(days=n)) for n in range(365))
_CITIES = ("Accra", "Hanoi", "Lima", "Lisbon", "Oslo", "Quito", "Turku")


def rows(count: int, start: int = 0, step: int = 1) -> Iterator[dict[str, Any]]:
    """Make `count` rows with the keys start, start + step, start + 2 * step, …

    >>> next(rows(1, start=7))["id"], [row["id"] for row in rows(3, step=10)]
    (7, [0, 10, 20])
    """
    for n in range(start, start + count * step, step):
        yield {
            "id": n,
            "customer_id": n * 7919 % 100_003,
            "quantity": n % 97,
            "price": n % 10_000 / 100,
            "weight": n * 0.001,
            "sku": f"SKU-{n}",
            "city": _CITIES[n % 7],
            "paid": n % 3 == 0,
            "ordered_at": _DAYS[n % 365] + "T12:30:00Z",
            "note": None if n % 5 else "a gift",
        }


# The same columns for the tools that want to be told.
JSON_TYPES = {
    "id": "integer",
    "customer_id": "integer",
    "quantity": "integer",
    "price": "number",
    "weight": "number",
    "sku": "string",
    "city": "string",
    "paid": "boolean",
    "ordered_at": "string",
    "note": "string",
}


def arrow_table(count: int) -> pa.Table:
    """Give `rows(count)` as one Arrow table, in record batches of 100,000 rows."""
    import pyarrow as pa

    types = {"integer": pa.int64(), "number": pa.float64(), "string": pa.string(), "boolean": pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in JSON_TYPES.items()])
    batches = []
    for start in range(0, count, 100_000):
        block = list(rows(min(100_000, count - start), start))
        batches.append(pa.RecordBatch.from_pylist(block, schema=schema))
    return pa.Table.from_batches(batches, schema=schema)


def write_arrow(path: Path, count: int) -> None:
    """Write `rows(count)` as an Arrow file, so that who reads it need not make them."""
    import pyarrow as pa

    table = arrow_table(count)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read_arrow(path: Path) -> pa.Table:
    """Read an Arrow file into memory, whole, so that no later step waits for the disk."""
    import pyarrow as pa

    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).read_all()
