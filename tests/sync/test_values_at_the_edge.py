"""Text that no encoding has, and the calendar's ends: rules A-74 and A-75, with `--strict` and without."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from headwater import Connector
from headwater import Operations as op
from headwater.options import Options
from headwater.sync import Quiet, Result, Sync
from headwater.testing import MemoryDestination

pytestmark = pytest.mark.usefixtures("kind_of_cells")

both = pytest.mark.parametrize("strict", [False, True], ids=["default", "strict"])


def stored(kind: str, values: list[Any], *, strict: bool) -> tuple[Result, list[Any]]:
    """Sync values into one declared column; give what it holds."""

    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        for n, value in enumerate(values):
            op.upsert("t", {"id": n, "v": value})

    schema = [{"table": "t", "primary_key": ["id"], "columns": {"id": "LONG", "v": kind}}]
    destination = MemoryDestination("tester")
    destination.open()
    connector = Connector(update, lambda configuration: schema)
    result = Sync(connector, {}, destination, Options(strict=strict), Quiet()).run()
    if result.error is not None:
        return result, []
    return result, [row["v"] for row in sorted(destination.rows("t"), key=lambda row: row["id"])]


@both
@pytest.mark.parametrize("surrogate", ["\ud800", "\udfff", "\ud83d"])
def test_a_74_a_lone_surrogate_in_text_is_refused_and_named(surrogate: str, strict: bool) -> None:
    result, _ = stored("STRING", ["before", f"a{surrogate}b"], strict=strict)

    assert result.status == "failed"
    assert ascii(surrogate)[1:-1] in str(result.error)
    assert result.progress.commits == 0


@both
def test_a_74_json_escapes_a_lone_surrogate_and_text_may_hold_nul(strict: bool) -> None:
    _, documents = stored("JSON", [{"a": "\ud800"}], strict=strict)
    _, texts = stored("STRING", ["a\x00b", "\x00"], strict=strict)

    assert documents == ['{"a": "\\ud800"}']
    assert texts == ["a\x00b", "\x00"]


@both
def test_a_75_days_and_times_from_the_first_of_the_calendar_and_before_1970_are_stored_as_they_are(
    strict: bool,
) -> None:
    days = ["0001-01-01", "1582-10-15", "1969-12-31", "1970-01-01", "9999-12-31"]
    times = [f"{day}T23:59:59.999999" for day in days]
    _, dates = stored("NAIVE_DATE", days, strict=strict)
    _, naive = stored("NAIVE_DATETIME", times, strict=strict)
    _, instants = stored("UTC_DATETIME", [f"{time}Z" for time in times], strict=strict)

    assert dates == [date.fromisoformat(day) for day in days]
    assert naive == [datetime.fromisoformat(time) for time in times]
    assert instants == [datetime.fromisoformat(time).replace(tzinfo=UTC) for time in times]
