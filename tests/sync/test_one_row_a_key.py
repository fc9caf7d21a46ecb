"""A key has one row in DuckDB, in whatever order keys come: headwater finds out which of them are new."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.batch import Batch, TypedOperations, net_effect
from headwater.destinations.duckdb import DuckDB
from headwater.schema import Table
from headwater.types.columns import Column, Range
from headwater.types.names import LONG, UTC_DATETIME, ColumnType

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = {"id": ColumnType(LONG), "v": ColumnType(LONG), "_fivetran_synced": ColumnType(UTC_DATETIME)}
ORDERS = Table("tester", "orders", ("id",), COLUMNS, "live")

KEYS = st.one_of(st.integers(0, 40), st.integers(-5, 5), st.sampled_from([0, 10**6, -(10**12), 2**63 - 1, -(2**63)]))
BATCHES = st.lists(st.lists(KEYS, min_size=1, max_size=20), min_size=1, max_size=8)


def upserts(keys: list[int], value: int) -> Batch:
    """Give a batch as a sync makes it, whose column knows its range."""
    ends = Range(min(keys), max(keys), rises=all(a < b for a, b in pairwise(keys)))
    columns = {
        "id": Column(pa.array(keys, pa.int64()), ColumnType(LONG), ends),
        "v": Column(pa.array([value] * len(keys), pa.int64()), ColumnType(LONG)),
    }
    return net_effect(TypedOperations(columns, len(keys)), ORDERS, NOW)


@settings(max_examples=40, deadline=None)
@given(syncs=st.lists(BATCHES, min_size=1, max_size=3))
def test_a_key_has_one_row_and_it_is_the_last(
    kind_of_cells: str, tmp_path_factory: pytest.TempPathFactory, syncs: list[list[list[int]]]
) -> None:
    path: Path = tmp_path_factory.mktemp("keys") / "warehouse.db"
    expected: dict[int, int] = {}
    value = 0
    for batches in syncs:
        destination = DuckDB(path, connection="tester")
        destination.open()
        if destination.describe_table("tester", "orders") is None:
            destination.create_table(ORDERS)
        for keys in batches:
            value += 1
            destination.write(ORDERS, upserts(keys, value))
            destination.commit("{}")
            expected |= dict.fromkeys(keys, value)
        stored = destination._select("SELECT id, v FROM tester.orders ORDER BY id").to_pylist()
        destination.close()
        assert stored == [{"id": key, "v": last} for key, last in sorted(expected.items())]
