"""A full re-sync: everything is sent again, and what the source no longer has is marked (rule B-68)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

CONNECTOR = """
import json
from pathlib import Path
from fivetran_connector_sdk import Connector, Operations as op

SOURCE = json.loads((Path(__file__).parent / "source.json").read_text())

def schema(configuration):
    return [{"table": "orders", "primary_key": SOURCE["key"]}]

def update(configuration, state):
    for row in SOURCE["rows"]:
        if row["id"] > state.get("id", 0):
            op.upsert("orders", row)
    op.checkpoint({"id": max(row["id"] for row in SOURCE["rows"])})

connector = Connector(update=update, schema=schema)
"""


class Orders:
    """A project whose source is a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "connector.py").write_text(CONNECTOR)
        (folder / "configuration.json").write_text("{}")

    def sync(self, ids: list[int], *flags: str, key: tuple[str, ...] = ("id",)) -> subprocess.CompletedProcess[str]:
        rows = [{"id": id, "region": "eu", "total": id * 10} for id in ids]
        (self.folder / "source.json").write_text(json.dumps({"key": key, "rows": rows}))
        command = [sys.executable, "-m", "headwater", "debug", str(self.folder), *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def select(self, columns: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "files" / "warehouse.db"), read_only=True) as db:
            return db.sql(f"SELECT {columns} FROM tester.orders ORDER BY id").fetchall()


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    return Orders(tmp_path)


def test_rows_that_are_not_sent_again_are_marked_deleted_and_keep_their_time(orders: Orders) -> None:
    orders.sync([1, 2, 3])
    before = dict(orders.select("id, epoch_us(_fivetran_synced)"))

    result = orders.sync([1, 3, 4], "--full-resync")

    assert result.returncode == 0, result.stdout
    rows = orders.select("id, total, _fivetran_deleted, epoch_us(_fivetran_synced)")
    assert [row[:3] for row in rows] == [(1, 10, False), (2, 20, True), (3, 30, False), (4, 40, False)]
    assert rows[1][3] == before[2]
    assert all(after > before[id] for id, _, deleted, after in rows if not deleted and id in before)


def test_a_full_resync_starts_from_an_empty_state(orders: Orders) -> None:
    orders.sync([1, 2])

    assert "Upserts       | 0" in orders.sync([1, 2]).stdout
    assert "Upserts       | 2" in orders.sync([1, 2], "--full-resync").stdout


def test_a_changed_primary_key_is_refused_and_a_full_resync_takes_it(orders: Orders) -> None:
    orders.sync([1, 2])

    refused = orders.sync([1, 2, 3], key=("region", "id"))
    rows_after_refusal = orders.select("id, total")
    taken = orders.sync([1, 2, 3], "--full-resync", key=("region", "id"))

    assert refused.returncode == 1
    assert "the primary key is now region, id, but the table was loaded with id" in refused.stdout
    assert rows_after_refusal == [(1, 10), (2, 20)]
    assert taken.returncode == 0, taken.stdout
    assert orders.select("id, total, _fivetran_deleted") == [(1, 10, False), (2, 20, False), (3, 30, False)]


def test_the_copy_of_the_state_counts_only_for_the_destination_it_was_written_for(orders: Orders) -> None:
    orders.sync([1, 2])
    orders.sync([1, 2, 3, 4], "--destination", "duckdb:files/other.db")

    result = orders.sync([1, 2, 3, 4])

    assert "was edited" not in result.stdout
    assert [row[0] for row in orders.select("id")] == [1, 2, 3, 4]
