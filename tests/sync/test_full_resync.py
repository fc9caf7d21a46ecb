"""A full re-sync: everything is sent again, and what the source no longer has is marked (rule B-68)."""

from __future__ import annotations

import json
import os
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
        # pyarrow imports pandas where it is installed, which costs each process two seconds.
        (folder / "pandas.py").write_text("raise ImportError('these tests do without pandas')")

    def sync(self, ids: list[int], *flags: str, key: tuple[str, ...] = ("id",)) -> subprocess.CompletedProcess[str]:
        rows = [{"id": id, "region": "eu", "total": id * 10} for id in ids]
        (self.folder / "source.json").write_text(json.dumps({"key": key, "rows": rows}))
        command = [sys.executable, "-m", "headwater", "debug", str(self.folder), *flags]
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)

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


def test_a_destination_that_was_removed_is_refused_however_often_until_it_is_accepted(orders: Orders) -> None:
    orders.sync([1, 2])
    orders.sync([1, 2, 3])
    for name in ("warehouse.db", "warehouse.db.wal"):
        (orders.folder / "files" / name).unlink(missing_ok=True)

    refused = [orders.sync([1, 2, 3]) for _ in range(4)]
    accepted = orders.sync([1, 2, 3], "--accept-older", "--full-resync")

    assert [result.returncode for result in refused] == [1, 1, 1, 1]
    assert "the destination is older than the last sync left it" in refused[-1].stdout
    assert accepted.returncode == 0, accepted.stdout
    assert [row[0] for row in orders.select("id")] == [1, 2, 3]


def test_memory_can_be_the_destination_any_number_of_times(orders: Orders) -> None:
    results = [orders.sync([1, 2], "--destination", "memory:") for _ in range(3)]

    assert [result.returncode for result in results] == [0, 0, 0]
    assert all("Upserts       | 2" in result.stdout for result in results)
