"""What a test of a connector looks like: it runs whole, against recorded answers, into memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.testing import ReplayServer, run_connector

PROJECT = Path(__file__).parent


@pytest.fixture
def api() -> Iterator[ReplayServer]:
    with ReplayServer(PROJECT / "replay") as server:
        yield server
        assert server.refused == []


def test_every_page_is_read_and_committed_by_itself(api: ReplayServer) -> None:
    run = run_connector(PROJECT, {"api": api.url, "api_key": "any"})

    assert run.result.error is None
    assert [row["id"] for row in run.rows("orders")] == [1, 2, 3, 4]
    assert run.states == [{"next": 2}, {"next": 3}, {}]


def test_a_second_sync_changes_nothing(api: ReplayServer) -> None:
    first = run_connector(PROJECT, {"api": api.url, "api_key": "any"})
    before = first.rows("orders")
    second = run_connector(PROJECT, {"api": api.url, "api_key": "any"}, after=first)

    assert second.rows("orders") == before
