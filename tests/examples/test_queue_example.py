"""The queue example: what a kill between two steps, and entries that come meanwhile, must not change."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from tests.examples.command import Interpreters, debug, write_configuration
from tests.examples.example import EXAMPLES, read_example
from tests.examples.rehearsal import Rehearsal, not_required
from tests.examples.stand_ins import StandIn, StandIns
from tests.examples.warehouse import read_warehouse

EXAMPLE = read_example(EXAMPLES / "common_patterns" / "queue_acknowledge_after_checkpoint")


@pytest.fixture
def queue(stand_ins: StandIns) -> Iterator[StandIn]:
    [stand_in] = stand_ins.of(["redis"])
    bring_back = stand_in.remembered()
    yield stand_in
    bring_back()


@pytest.fixture
def client(queue: StandIn) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(queue.places["{redis}"])) as client:
        yield client
        client.execute_command("ACL SETUSER default +xack")  # type: ignore[no-untyped-call]  # so in redis-py


@pytest.fixture
def project(tmp_path: Path, queue: StandIn) -> Path:
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE.folder, project)
    write_configuration(project, {**EXAMPLE.configuration, "redis_url": queue.places["{redis}"]})
    return project


def test_rows_are_in_the_destination_when_their_entries_are_acknowledged(
    project: Path, queue: StandIn, client: redis.Redis, interpreters: Interpreters
) -> None:
    start = interpreters.without(not_required(EXAMPLE)).warm(EXAMPLE.required_modules())
    queue.hold([EXAMPLE.folder / "seed_more.json"])
    queue.hold([EXAMPLE.folder / "seed.json"])  # anew, whatever was read of it before
    client.execute_command("ACL SETUSER default -xack")  # type: ignore[no-untyped-call]  # so in redis-py
    refused = debug(project, start)
    pending = client.xpending("events", "warehouse")["pending"]
    rows_when_refused = event_ids(project)
    client.execute_command("ACL SETUSER default +xack")  # type: ignore[no-untyped-call]  # so in redis-py
    again = debug(project, start)

    assert "xack" in refused.text.lower(), refused.text
    assert (refused.exit_code, pending, rows_when_refused) == (1, 2, ["1709285400123-0", "1709285401000-0"])
    assert (again.exit_code, len(event_ids(project))) == (0, 5), again.text
    assert client.xpending("events", "warehouse")["pending"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("rehearsal", [EXAMPLE], ids=[EXAMPLE.name], indirect=True)
def test_entries_added_between_a_kill_and_the_next_sync_come_with_the_pending_ones(rehearsal: Rehearsal) -> None:
    checkpoints = len(rehearsal.played[0].output.checkpoints)
    left = [rehearsal.killed(1, checkpoint, then=2)[2].left for checkpoint in range(1, checkpoints + 1)]

    assert checkpoints == 3
    assert left == [rehearsal.played[1].left] * checkpoints


def event_ids(project: Path) -> list[str]:
    return [row["entry_id"] for row in read_warehouse(project)["tables"]["tester.event"]["rows"]]
