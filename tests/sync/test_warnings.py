"""Warnings of a connector: each text once, and no more kept than a record of a sync should hold."""

from __future__ import annotations

from typing import Any

from headwater import Connector
from headwater import Operations as op
from headwater.sync import KEPT_WARNING_CHARACTERS
from headwater.testing.run import run_connector


def test_each_text_is_kept_once() -> None:
    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        for text in ("a", "b", "a"):
            op.warning(text)
        op.upsert("t", {"id": 1})

    assert run_connector(Connector(update)).result.warnings == ["a", "b"]


def test_a_connector_that_warns_of_every_row_fills_no_memory() -> None:
    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        for number in range(3000):
            op.warning(f"{number:04}" + "x" * 996)
        op.upsert("t", {"id": 1})

    kept = run_connector(Connector(update)).result.warnings

    assert sum(map(len, kept[:-1])) == KEPT_WARNING_CHARACTERS
    assert kept[-1] == "and 2,000 more, which only the log has"
