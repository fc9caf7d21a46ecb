"""What waits for a slow destination is loaded together, and is the same as if each batch had come by itself."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from headwater import Connector
from headwater import Operations as op
from headwater.batch import Batch
from headwater.destinations.memory import MemoryDestination
from headwater.options import Options
from headwater.outbox import Outbox
from headwater.schema import Table
from headwater.sync import JOINED_ROWS, Quiet, Sync

CHUNKS = 4
CHUNK_ROWS = 20_480


class Slow(MemoryDestination):
    """Writes its first batch only when everything else is on its way."""

    def __init__(self, emitted: threading.Event) -> None:
        super().__init__("tester")
        self._emitted = emitted
        self.writes: list[int] = []

    def write(self, table: Table, batch: Batch) -> None:
        assert self._emitted.wait(60)
        self.writes.append(sum(part.num_rows for part in batch.parts))
        super().write(table, batch)


def loaded_slowly(emit: Any) -> tuple[Slow, list[dict[str, Any]]]:
    """Run a connector whose rows all wait but for the first chunk; give the rows of its table `t`."""
    emitted = threading.Event()

    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        emit()
        emitted.set()
        op.checkpoint({})

    destination = Slow(emitted)
    destination.open()
    schema = [{"table": "t", "primary_key": ["id"]}]
    sync = Sync(Connector(update, lambda configuration: schema), {}, destination, Options(), Quiet())
    result = sync.run()
    assert result.error is None
    return destination, sorted(destination.rows("t"), key=lambda row: row["id"])


def test_chunks_that_wait_are_written_as_one_batch() -> None:
    def emit() -> None:
        for n in range(CHUNKS * CHUNK_ROWS):
            op.upsert("t", {"id": n, "v": f"{n}"})

    destination, rows = loaded_slowly(emit)

    assert len(destination.writes) < 3
    assert [(row["id"], row["v"]) for row in rows] == [(n, f"{n}") for n in range(CHUNKS * CHUNK_ROWS)]


def test_the_last_of_two_chunks_with_the_same_keys_counts() -> None:
    def emit() -> None:
        for turn in range(CHUNKS):
            for n in range(CHUNK_ROWS):
                op.upsert("t", {"id": n, "v": turn})

    destination, rows = loaded_slowly(emit)

    assert len(destination.writes) < 3
    assert [(row["id"], row["v"]) for row in rows] == [(n, CHUNKS - 1) for n in range(CHUNK_ROWS)]


@pytest.mark.parametrize("last", [2**60, "text", 0.5, None])
def test_a_chunk_of_another_type_goes_by_itself(last: object) -> None:
    def emit() -> None:
        for n in range(3 * CHUNK_ROWS):
            op.upsert("t", {"id": n, "v": n if n < 2 * CHUNK_ROWS else last})

    destination, rows = loaded_slowly(emit)

    assert sum(destination.writes) == 3 * CHUNK_ROWS
    text = isinstance(last, str)
    expected = [(str(n) if text else n) for n in range(2 * CHUNK_ROWS)] + [last] * CHUNK_ROWS
    assert [row["v"] for row in rows] == expected


def test_updates_and_deletes_between_upserts_keep_their_place() -> None:
    def emit() -> None:
        for n in range(2 * CHUNK_ROWS):
            op.upsert("t", {"id": n, "v": "first"})
        op.update("t", {"id": 1, "v": "updated"})
        op.delete("t", {"id": 2})
        for n in range(CHUNK_ROWS, 3 * CHUNK_ROWS):
            op.upsert("t", {"id": n, "v": "second"})

    _, rows = loaded_slowly(emit)

    values = [row["v"] for row in rows]
    assert values[:3] == ["first", "updated", "first"]
    assert rows[2]["_fivetran_deleted"]
    assert values[CHUNK_ROWS:] == ["second"] * 2 * CHUNK_ROWS


def test_no_more_than_a_bounded_number_of_rows_is_joined() -> None:
    def emit() -> None:
        for n in range(3 * JOINED_ROWS):
            op.upsert("t", {"id": n})

    destination, rows = loaded_slowly(emit)

    assert len(rows) == 3 * JOINED_ROWS
    assert max(destination.writes) <= JOINED_ROWS


class Waiting:
    def __init__(self, name: str) -> None:
        self.name = name
        self.nbytes = 10


def test_the_queue_gives_what_is_wanted_up_to_the_first_that_is_not() -> None:
    outbox: Outbox[Waiting] = Outbox()
    for name in "aaba":
        outbox.put(Waiting(name))

    taken = outbox.get_while(lambda item: item.name == "a")
    then = outbox.get()

    assert [item.name for item in taken] == ["a", "a"]
    assert then is not None
    assert then.name == "b"


def test_taking_what_waits_lets_an_author_go_on_who_waited_for_room() -> None:
    outbox: Outbox[Waiting] = Outbox(limit=20)
    outbox.put(Waiting("a"))
    outbox.put(Waiting("a"))
    waiting = threading.Thread(target=outbox.put, args=(Waiting("b"),), daemon=True)
    waiting.start()

    outbox.get_while(lambda item: item.name == "a")
    waiting.join(10)

    assert not waiting.is_alive()
