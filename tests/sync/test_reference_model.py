"""The engine against the reference model: random operations, chunk sizes, checkpoints and crashes.

HEADWATER_EXAMPLES   how many random sequences go through the memory destination (default 700);
                     DuckDB gets a twentieth of them
"""

from __future__ import annotations

import itertools
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headwater import Connector, buffer
from headwater import Operations as op
from headwater.destinations import duckdb
from headwater.history import END_OF_TIME
from headwater.options import Options
from headwater.schema import ACTIVE, END, MODES, START, SYNCED, Mode, Table, TableOptions
from headwater.state import Commit
from headwater.sync import Progress, Sync
from headwater.testing.contract import Driver
from headwater.types.names import (
    BINARY,
    BOOLEAN,
    DOUBLE,
    FLOAT,
    INT,
    JSON,
    LONG,
    NAIVE_DATE,
    NAIVE_DATETIME,
    SHORT,
    STRING,
    UTC_DATETIME,
    XML,
    ColumnType,
    decimal_type,
)
from tests.contract.duckdb_driver import DuckDBDriver
from tests.contract.memory_driver import MemoryDriver
from tests.sync import reference_model as model

pytestmark = pytest.mark.usefixtures("kind_of_cells")

EXAMPLES = int(os.environ.get("HEADWATER_EXAMPLES", "700"))


# --- what happens in a scenario


@dataclass(frozen=True)
class Step:
    """One thing a connector does.

    verb    upsert, update, delete, truncate, checkpoint; `crash` raises in update(); `end` returns from it
    again   after a crash: whether the source sends again what was lost (else it goes on after the crash)
    """

    verb: str
    table: str = ""
    data: Mapping[str, Any] | None = None
    again: bool = True

    def __repr__(self) -> str:
        rest = [repr(self.table), repr(self.data)] if self.table else [] if self.again else ["again=False"]
        return f"{self.verb}({', '.join(rest)})"


@dataclass(frozen=True)
class Scenario:
    """A connector's life: `declared` says for each sync which variant of schema() it has."""

    steps: tuple[Step, ...]
    declared: tuple[int, ...] = (0,)
    modes: Mapping[str, Mode] = field(default_factory=dict)

    def schema(self, sync: int) -> dict[str, dict[str, ColumnType]]:
        return VARIANTS[self.declared[sync % len(self.declared)]]


# The tables and their keys; `met` is never in schema().
KEYS: dict[str, tuple[str, ...]] = {
    "orders": ("id",),
    "lines": ("order_id", "line"),
    "typed": ("id",),
    "events": (),
    "met": (),
}

# What schema() declares: the first variant, and what its author may change it to.
_NARROW: dict[str, ColumnType] = {
    "id": ColumnType(LONG),
    "n": ColumnType(SHORT),
    "amount": decimal_type(9, 2),
    "ratio": ColumnType(FLOAT),
    "day": ColumnType(NAIVE_DATE),
    "at": ColumnType(UTC_DATETIME),
    "ok": ColumnType(BOOLEAN),
    "raw": ColumnType(BINARY),
    "xml": ColumnType(XML),
    "doc": ColumnType(JSON),
    "text": ColumnType(STRING),
}
_WIDE = {
    **_NARROW,
    "n": ColumnType(LONG),
    "amount": decimal_type(12, 4),
    "ratio": ColumnType(DOUBLE),
    "day": ColumnType(NAIVE_DATETIME),
    "at": ColumnType(STRING),
    "ok": ColumnType(STRING),
    "new": ColumnType(INT),
}
_TEXT = {**_NARROW, **dict.fromkeys(("n", "amount", "ratio", "day"), ColumnType(STRING))}
VARIANTS: list[dict[str, dict[str, ColumnType]]] = [
    {"orders": {}, "lines": {"order_id": ColumnType(INT)}, "typed": columns, "events": {"at": ColumnType(UTC_DATETIME)}}
    for columns in (_NARROW, _WIDE, _TEXT)
]

INDIA = timezone(timedelta(hours=5, minutes=30))

_ANY = st.sampled_from(
    [None, True, 1, 2, -7, 2**53, 2**53 + 1, 0.5, 1.0, -0.0, 1e16, math.nan, math.inf, "1", "x", "", "\x00", b"\x00x",
     {"a": 1}, [1, "é"], Decimal("1.50"), date(2024, 2, 29), (1, 2)]
)  # fmt: skip
_NO_FLOAT = st.sampled_from([None, False, 7, 2**53 + 1, 10**17, -(2**63), 2**63, 10**38, "10", b"\xff", {"b": None}])
_NUMBERS = st.sampled_from([None, 0, 1, 2**31, 0.1, 1e300, -(2**53), -(2**53) - 1])
_KEYS = st.one_of(st.integers(1, 4), st.sampled_from([1, 2, "1", "x", True, 2.0, 0.0, -0.0, math.nan]))
_TYPED: dict[str, list[Any]] = {
    "n": [None, 0, -(2**15), 2**15, 2**40, 7.0, "12", Decimal("3.00")],
    "amount": ["1.50", Decimal("-0.25"), 1234567, None, "1E+2"],
    "ratio": [0.1, 1, 1e39, math.nan, -math.inf, "0.25", None, 16777217],
    "day": [date(1, 1, 1), date(2024, 2, 29), date(9999, 12, 31), None],
    "at": [datetime(2024, 2, 29, 1, 2, 3, 4), datetime(2024, 2, 29, tzinfo=INDIA), datetime(9999, 12, 31), None],
    "ok": [True, False, 1, 0, None],
    "raw": [b"", b"\x00\xff", bytearray(b"ab"), None],
    "xml": ["<a/>", b"<b/>", None],
    "doc": [{"a": [1]}, [], "text", 1, None],
    "text": ["", "é\U0001f600", 1, True, 2.5, None, "a" * 300],
    "new": [None, 5, 2**31],
}  # fmt: skip
_FREE = {"a": _ANY, "b": _NO_FLOAT, "c": _NUMBERS, "userName": _ANY, "user_name": _ANY, "user-name": _NUMBERS}


def _columns(values: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw rows that hold some of the columns, in any order."""
    names = st.lists(st.sampled_from(sorted(values)), unique=True, max_size=5)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: values[name] for name in chosen}))


_KEY_VALUES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "orders": st.fixed_dictionaries({"id": _KEYS}),
    "lines": st.fixed_dictionaries({"order_id": st.integers(1, 2), "line": st.sampled_from([1, 2, "a", True])}),
    "typed": st.fixed_dictionaries({"id": st.integers(1, 3)}),
}
_VALUES = {
    "orders": _columns(_FREE),
    "lines": _columns(_FREE),
    "typed": _columns({name: st.sampled_from(values) for name, values in _TYPED.items()}),
    "events": _columns({"at": st.sampled_from(_TYPED["at"]), "a": st.sampled_from([1, 2, 1.0, "x", None])}),
    "met": _columns({"a": st.sampled_from([1, "x", None]), "b": st.sampled_from([0.5, None])}),
}


@st.composite
def _row_operations(draw: st.DrawFn) -> Step:
    table = draw(st.sampled_from(sorted(KEYS)))
    values = draw(_VALUES[table])
    if not KEYS[table]:
        return Step(draw(st.sampled_from(["upsert", "upsert", "delete"])), table, values)
    keys = draw(_KEY_VALUES[table])
    verb = draw(st.sampled_from(["upsert", "upsert", "upsert", "update", "update", "delete"]))
    return Step(verb, table, keys if verb == "delete" else {**keys, **values} if draw(st.booleans()) else values | keys)


_OTHERS = st.one_of(
    st.sampled_from(sorted(KEYS)).map(lambda table: Step("truncate", table)),
    st.just(Step("checkpoint")),
    st.just(Step("checkpoint")),
    st.booleans().map(lambda again: Step("crash", again=again)),
    st.just(Step("end")),
)
SCENARIOS = st.builds(
    Scenario,
    st.lists(st.one_of(*[_row_operations()] * 5, _OTHERS), max_size=40).map(tuple),
    st.lists(st.integers(0, len(VARIANTS) - 1), min_size=1, max_size=3).map(tuple),
    st.fixed_dictionaries(dict.fromkeys(KEYS, st.sampled_from(MODES))),
)
CHUNK_ROWS = st.sampled_from([1, 2, 3, 5, 20_480])


# --- the syncs of a scenario


@dataclass(frozen=True)
class Plan:
    """One sync: from which state it starts, what update() does, whether it then fails, and the state that stays."""

    steps: tuple[tuple[int, Step], ...]
    fails: bool
    start: int
    committed: int | None


def plans(scenario: Scenario) -> Iterator[Plan]:
    start, committed = 0, None
    behind: set[int] = set()
    while True:
        steps: list[tuple[int, Step]] = []
        reached: int | None = None
        stop, fails = len(scenario.steps), False
        for position in range(start, len(scenario.steps)):
            step = scenario.steps[position]
            if step.verb in ("crash", "end"):
                if position in behind:
                    continue
                behind.add(position)
                stop, fails = position, step.verb == "crash"
                break
            steps.append((position, step))
            if step.verb == "checkpoint":
                reached = position + 1
        if reached is not None or not fails:
            committed = start if reached is None else reached
        yield Plan(tuple(steps), fails, start, committed)
        if stop == len(scenario.steps):
            return
        sends_again = fails and scenario.steps[stop].again
        start = (start if reached is None else reached) if sends_again else stop + 1


# --- what a reader sees after each sync: by the model, and by the engine

Seen = dict[str, tuple[dict[str, str], list[str]]]


def by_the_model(scenario: Scenario) -> list[Seen]:
    tables = model.ReferenceModel(
        {name: model.Table(key, scenario.modes.get(name, "soft_delete")) for name, key in KEYS.items()}
    )
    seen: list[Seen] = []
    for number, plan in enumerate(plans(scenario)):
        for name, columns in scenario.schema(number).items():
            tables.declare(name, columns)
        for _, step in plan.steps:
            if step.verb == "checkpoint":
                tables.commit()
            elif step.verb == "truncate":
                tables.truncate(step.table)
            else:
                getattr(tables, step.verb)(step.table, step.data)
        if plan.fails:
            tables.rollback()
        else:
            tables.commit()
        seen.append({name: _comparable(columns, rows) for name, (columns, rows) in tables.visible().items()})
    return seen


class Crash(Exception):
    """What a connector fails with."""


class Silent:
    """A reporter that tells nobody."""

    def table_changed(self, table: Table) -> None:
        pass

    def committed(self, commit: Commit) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        pass


def by_the_engine(scenario: Scenario, driver: Driver, chunk_rows: int) -> list[Seen]:
    seen: list[Seen] = []
    options = Options(tables={name: TableOptions(mode=mode) for name, mode in scenario.modes.items()})
    with mock.patch.object(buffer, "CHUNK_ROWS", chunk_rows):
        for number, plan in enumerate(plans(scenario)):
            _sync(plan, _connector(plan, scenario.schema(number)), driver, options)
            tables = _committed_tables(plan, driver)
            seen.append({table.name: _seen(table, driver.rows(table)) for table in tables})
    return seen


def _sync(plan: Plan, connector: Connector, driver: Driver, options: Options) -> None:
    destination = driver.destination("tester")
    _, commit = destination.open()
    after = commit.committed_at if commit else None
    state = json.dumps({"position": plan.start})
    result = Sync(connector, {}, destination, options, Silent(), state=state, after=after).run()
    destination.close()
    if plan.fails:
        assert isinstance(result.error, Crash), result.error
    elif result.error is not None:
        raise result.error


def _committed_tables(plan: Plan, driver: Driver) -> list[Table]:
    """Describe the tables as the next sync will find them, together with the state they were committed with."""
    destination = driver.destination("tester")
    _, commit = destination.open()
    described = [destination.describe_table("tester", name) for name in KEYS]
    destination.close()
    assert (commit and json.loads(commit.state)["position"]) == plan.committed
    return [table for table in described if table is not None]


def _connector(plan: Plan, declared: Mapping[str, Mapping[str, ColumnType]]) -> Connector:
    entries = [
        {"table": name, "primary_key": list(KEYS[name]), "columns": {c: _spec(kind) for c, kind in columns.items()}}
        for name, columns in declared.items()
    ]

    def update(configuration: dict[str, Any], state: dict[str, Any]) -> None:
        assert state == {"position": plan.start}
        for position, step in plan.steps:
            if step.verb == "checkpoint":
                op.checkpoint({"position": position + 1})
            elif step.verb == "truncate":
                op.truncate(step.table)
            else:
                getattr(op, step.verb)(step.table, dict(step.data or {}))
        if plan.fails:
            raise Crash

    return Connector(update=update, schema=lambda configuration: entries)


def _spec(kind: ColumnType) -> Any:
    if kind.precision:
        return {"type": kind.name, "precision": kind.precision, "scale": kind.scale}
    return kind.name


def _seen(table: Table, rows: list[dict[str, Any]]) -> tuple[dict[str, str], list[str]]:
    assert all(row[SYNCED] is not None for row in rows)
    if table.mode == "history":
        _require_whole_history(table, rows)
    columns = {name: kind for name, kind in table.columns.items() if name not in (SYNCED, START, END)}
    return _comparable(columns, [{name: row[name] for name in columns} for row in rows])


def _require_whole_history(table: Table, rows: list[dict[str, Any]]) -> None:
    """Check rule B-62: versions of a key follow each other, and only the last may be active."""
    by_key: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row[START]):
        by_key.setdefault(repr([row[name] for name in table.key]), []).append(row)
    for versions in by_key.values():
        for one, following in itertools.pairwise(versions):
            assert not one[ACTIVE]
            assert one[START] <= one[END] < following[START]
        assert not versions[-1][ACTIVE] or versions[-1][END] == END_OF_TIME


def _comparable(columns: Mapping[str, ColumnType], rows: list[dict[str, Any]]) -> tuple[dict[str, str], list[str]]:
    """Write columns and rows so that equal text means equal tables: NaN equals NaN, 1 is not 1.0, -0.0 not 0.0."""
    texts = [", ".join(f"{name}={_text(row[name])}" for name in sorted(columns)) for row in rows]
    return {name: str(columns[name]) for name in sorted(columns)}, sorted(texts)


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"Decimal {value.normalize() + 0}"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    return repr(value)


# --- the comparison


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with mock.patch("headwater.log.Logging._sink", staticmethod(lambda level, message: None)):
        yield


LIFE_OF_A_ROW = Scenario(
    (
        Step("upsert", "orders", {"id": 1, "a": 1}),
        Step("update", "orders", {"id": 1, "b": "late"}),
        Step("checkpoint"),
        Step("delete", "orders", {"id": 1}),
        Step("update", "orders", {"id": 1, "a": "text"}),
        Step("crash"),
        Step("upsert", "orders", {"id": "1"}),
        Step("truncate", "orders"),
        Step("upsert", "orders", {"id": 2, "a": 1}),
        Step("delete", "orders", {"id": 2}),
        Step("update", "orders", {"id": 2, "a": 2}),
    )
)


# Which of two columns of one name counts is said by each row's own order.
COLUMNS_THAT_MERGE = Scenario(
    (
        Step("upsert", "orders", {"id": 1, "userName": 1, "user_name": 2}),
        Step("upsert", "orders", {"id": 2, "user_name": 3, "userName": 4}),
    )
)
# A column's type, and so its values, must not depend on what shares a chunk with it.
CHUNKS_THAT_MIGHT_MATTER = Scenario(
    (
        Step("update", "orders", {"id": 1, "a": "x"}),
        Step("upsert", "orders", {"id": 1, "a": 1}),
        Step("upsert", "orders", {"id": 0.0, "c": 2**53}),
        Step("upsert", "orders", {"id": -0.0, "c": 0.5}),
        Step("upsert", "typed", {"id": 1, "ratio": 0.1}),
        Step("upsert", "typed", {"id": 2, "ratio": 1e39}),
        Step("upsert", "events", {"a": None}),
    )
)
# Versions of one key that follow each other within a millisecond, and one that comes after its end.
HISTORY = Scenario(
    (
        Step("upsert", "orders", {"id": 1, "a": 1}),
        Step("delete", "orders", {"id": 1}),
        Step("upsert", "orders", {"id": 1, "a": 2}),
        Step("update", "orders", {"id": 1, "b": "x"}),
        Step("truncate", "orders"),
        Step("upsert", "orders", {"id": 1, "a": 3}),
        Step("crash"),
    ),
    modes={"orders": "history"},
)
# So many versions of a key that their starts run ahead of the clock, into the next syncs: one ends by a delete,
# one by a truncate, and each comes back.
HISTORY_AHEAD_OF_THE_CLOCK = Scenario(
    (
        *(Step("upsert", "orders", {"id": id, "a": number}) for number in range(400) for id in (1, 2)),
        Step("delete", "orders", {"id": 1}),
        Step("end"),
        Step("upsert", "orders", {"id": 1, "a": "back"}),
        Step("truncate", "orders"),
        Step("end"),
        Step("upsert", "orders", {"id": 1, "a": "again"}),
        Step("upsert", "orders", {"id": 2, "a": "again"}),
    ),
    modes={"orders": "history"},
)
# An integer that no float equals has been overwritten when a float comes.
BIG_INTEGERS = Scenario(
    (
        Step("upsert", "orders", {"id": 1, "c": 2**53 + 1}),
        Step("checkpoint"),
        Step("upsert", "orders", {"id": 1, "c": 5}),
        Step("upsert", "orders", {"id": 2, "c": 0.5}),
        Step("upsert", "lines", {"order_id": 1, "line": 1, "a": 1}),
        Step("end"),
        Step("upsert", "lines", {"order_id": 1, "line": 1, "a": 2**53 + 1}),
        Step("upsert", "lines", {"order_id": 1, "line": 1, "a": 2}),
        Step("crash"),
        Step("update", "lines", {"order_id": 1, "line": 1, "a": 0.5}),
    )
)
# Tables whose keys have no declared type, before their first row.
EMPTY_TABLES = Scenario(
    (
        Step("checkpoint"),
        Step("upsert", "orders", {"id": 1.5}),
        Step("delete", "lines", {"order_id": 1, "line": 7}),
        Step("end"),
        Step("truncate", "lines"),
        Step("upsert", "lines", {"order_id": 1, "line": "a"}),
    )
)
KNOWN = [LIFE_OF_A_ROW, COLUMNS_THAT_MERGE, CHUNKS_THAT_MIGHT_MATTER, HISTORY, BIG_INTEGERS, EMPTY_TABLES]
NAMES = ["life of a row", "columns that merge", "chunks", "history", "big integers", "empty tables"]


@pytest.mark.parametrize("scenario", KNOWN, ids=NAMES)
@pytest.mark.parametrize("chunk_rows", [1, 2, 20_480])
def test_known_scenarios_end_where_the_model_ends(scenario: Scenario, chunk_rows: int) -> None:
    seen = by_the_engine(scenario, MemoryDriver(), chunk_rows)

    assert _differences(seen, by_the_model(scenario)) == []


@pytest.mark.parametrize("driver", [lambda path: MemoryDriver(), DuckDBDriver], ids=["memory", "duckdb"])
def test_versions_follow_each_other_even_ahead_of_the_clock(driver: Callable[[Path], Driver], tmp_path: Path) -> None:
    seen = by_the_engine(HISTORY_AHEAD_OF_THE_CLOCK, driver(tmp_path / "warehouse.db"), 20_480)

    assert _differences(seen, by_the_model(HISTORY_AHEAD_OF_THE_CLOCK)) == []


def _settings(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))


def _differences(seen: list[Seen], expected: list[Seen]) -> list[str]:
    """List what differs, one line for each sync and table, so that a failure can be read."""
    return [
        f"sync {number}, {name}: {mine.get(name)}, not {model_s.get(name)}"
        for number, (mine, model_s) in enumerate(zip(seen, expected, strict=True))
        for name in sorted({*mine, *model_s})
        if mine.get(name) != model_s.get(name)
    ]


@_settings(EXAMPLES)
@given(SCENARIOS, CHUNK_ROWS)
def test_memory_ends_where_the_model_ends(scenario: Scenario, chunk_rows: int) -> None:
    seen = by_the_engine(scenario, MemoryDriver(), chunk_rows)

    assert _differences(seen, by_the_model(scenario)) == []


@_settings(max(EXAMPLES // 20, 10))
@given(SCENARIOS, CHUNK_ROWS, st.sampled_from([1, 4, 400_000]))
@example(LIFE_OF_A_ROW, 1, 1)
@example(HISTORY, 20_480, 400_000)
def test_duckdb_ends_where_the_model_ends(scenario: Scenario, chunk_rows: int, long_segment_rows: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.multiple(duckdb, LONG_SEGMENT_ROWS=long_segment_rows, COPY_TRANSACTION_ROWS=2),
    ):
        seen = by_the_engine(scenario, DuckDBDriver(Path(folder) / "warehouse.db"), chunk_rows)

    assert _differences(seen, by_the_model(scenario)) == []
