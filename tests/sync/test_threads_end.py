"""However a sync ends, no thread of headwater's still uses the destination."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from headwater import Connector
from headwater import Operations as op
from headwater.batch import Batch
from headwater.options import Options
from headwater.schema import Table
from headwater.sync import Interrupted, Progress, Quiet, Sync
from headwater.testing import MemoryDestination


class Slow(MemoryDestination):
    """Takes its time to write; `busy` while it does."""

    busy = False

    def write(self, table: Table, batch: Batch) -> None:
        self.busy = True
        time.sleep(0.5)
        super().write(table, batch)
        self.busy = False


class Failing(Quiet):
    """Fails while a batch is being written."""

    def __init__(self, error: BaseException, destination: Slow) -> None:
        self.error = error
        self.destination = destination

    def progress(self, progress: Progress) -> None:
        if self.destination.busy:
            raise self.error


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    op.upsert("orders", {"id": 1})
    op.checkpoint({"id": 1})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(24, "Too many open files"), "failed"),
        (RuntimeError("a defect of a reporter"), "failed"),
        (Interrupted("SIGTERM"), "interrupted"),
        (KeyboardInterrupt(), "interrupted"),
    ],
    ids=repr,
)
def test_a_sync_has_ended_only_when_its_loading_thread_has(error: BaseException, status: str) -> None:
    destination = Slow()
    destination.open()
    sync = Sync(Connector(update=update), {}, destination, Options(), Failing(error, destination))

    result = sync.run()

    assert (result.status, result.error) == (status, error)
    assert not destination.busy
    assert [each.name for each in threading.enumerate() if each.name == "headwater-load"] == []
