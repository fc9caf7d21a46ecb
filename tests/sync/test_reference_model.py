"""The engine against the reference model: random operations, chunk sizes, checkpoints and crashes.

HEADWATER_EXAMPLES   how many random sequences go through the memory destination (default 1000);
                     DuckDB gets a twentieth of them
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

import duckdb
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from headwater import Connector, stream
from headwater import Operations as op
from headwater.destinations.abc import Destination
from headwater.destinations.duckdb import DuckDB
from headwater.destinations.memory import MemoryDestination
from headwater.log import Level, use_sink
from headwater.options import Options
from headwater.schema import SYNCED, Table, TableOptions
from headwater.state import Commit
from headwater.sync import Progress, Sync
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
from tests.sync import reference_model as model

EXAMPLES = int(os.environ.get("HEADWATER_EXAMPLES", "1000"))


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
    live: frozenset[str] = frozenset()

    def schema(self, sync: int) -> dict[str, dict[str, ColumnType]]:
        return VARIANTS[self.declared[sync % len(self.declared)]]


KEYS: dict[str, tuple[str, ...]] = {"orders": ("id",), "lines": ("order_id", "line"), "typed": ("id",), "events": (), "met": ()}  # fmt: skip

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
_TEXT = {**_NARROW, "n": ColumnType(STRING), "amount": ColumnType(STRING), "ratio": ColumnType(STRING), "day": ColumnType(STRING)}  # fmt: skip
VARIANTS: list[dict[str, dict[str, ColumnType]]] = [
    {"orders": {}, "lines": {"order_id": ColumnType(INT)}, "typed": columns, "events": {"at": ColumnType(UTC_DATETIME)}}
    for columns in (_NARROW, _WIDE, _TEXT)
]

INDIA = timezone(timedelta(hours=5, minutes=30))

# Integers beyond 2**53 and floats do not meet here: which type such a column gets depends on
# whether the integer was overwritten before or after the two met.
_ANY = st.sampled_from(
    [None, True, 1, 2, -7, 2**53, 0.5, 1.0, -0.0, 1e16, math.nan, math.inf, "1", "x", "", "\x00", b"\x00x", {"a": 1}, [1, "é"],
     Decimal("1.50"), date(2024, 2, 29), (1, 2)]
)  # fmt: skip
_NO_FLOAT = st.sampled_from([None, False, 7, 2**53 + 1, 10**17, -(2**63), 2**63, 10**38, "10", b"\xff", {"b": None}])
_NUMBERS = st.sampled_from([None, 0, 1, 2**31, 0.1, 1e300, -(2**53)])
_KEYS = st.one_of(st.integers(1, 4), st.sampled_from([1, 2, "1", "x", True, 2.0]))
_TYPED: dict[str, list[Any]] = {
    "n": [None, 0, -(2**15), 2**15, 2**40, 7.0, "12", Decimal("3.00")],
    "amount": ["1.50", Decimal("-0.25"), 1234567, None, "1E+2"],
    "ratio": [0.1, 1, 1e39, math.nan, -math.inf, "0.25", None, 16777217],
    "day": [date(1, 1, 1), date(2024, 2, 29), date(9999, 12, 31), None],
    "at": [datetime(2024, 2, 29, 1, 2, 3, 4), datetime(2024, 2, 29, tzinfo=INDIA), datetime(9999, 12, 31, 23, 59, 59, 999999), None],
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
    st.frozensets(st.sampled_from(sorted(KEYS))),
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
    tables = model.ReferenceModel({name: model.Table(key, name in scenario.live) for name, key in KEYS.items()})
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


class Place(Protocol):
    """A destination that outlives its openings."""

    def destination(self) -> Destination: ...

    def tables(self) -> Mapping[str, tuple[Table, list[dict[str, Any]]]]: ...


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


def by_the_engine(scenario: Scenario, place: Place, chunk_rows: int) -> list[Seen]:
    seen: list[Seen] = []
    options = Options(tables={name: TableOptions(mode="live") for name in scenario.live})
    with mock.patch.object(stream, "CHUNK_ROWS", chunk_rows):
        for number, plan in enumerate(plans(scenario)):
            _sync(plan, _connector(plan, scenario.schema(number)), place, options)
            seen.append({name: _seen(table, rows) for name, (table, rows) in place.tables().items()})
    return seen


def _sync(plan: Plan, connector: Connector, place: Place, options: Options) -> None:
    destination = place.destination()
    destination.open()
    state = json.dumps({"position": plan.start})
    result = Sync(connector, {}, destination, options, Silent(), state=state).run()
    destination.close()
    if plan.fails:
        assert isinstance(result.error, Crash), result.error
    elif result.error is not None:
        raise result.error
    again = place.destination()
    _, commit = again.open()
    again.close()

    assert (commit and json.loads(commit.state)["position"]) == plan.committed


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
    columns = {name: kind for name, kind in table.columns.items() if name != SYNCED}
    assert all(row[SYNCED] is not None for row in rows)
    return _comparable(columns, [{name: row[name] for name in columns} for row in rows])


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


class InMemory:
    def __init__(self) -> None:
        self._destination = MemoryDestination()

    def destination(self) -> MemoryDestination:
        return self._destination

    def tables(self) -> dict[str, tuple[Table, list[dict[str, Any]]]]:
        return {t.name: (t, self._destination.rows(t.name)) for t in self._destination.tables().values()}


class InDuckDB:
    def __init__(self, path: Path) -> None:
        self._path = path

    def destination(self) -> DuckDB:
        return DuckDB(self._path, connection="tester")

    def tables(self) -> dict[str, tuple[Table, list[dict[str, Any]]]]:
        destination = self.destination()
        destination.open()
        described = {name: destination.describe_table("tester", name) for name in KEYS}
        destination.close()
        with duckdb.connect(str(self._path)) as db:
            db.execute("SET TimeZone = 'UTC'")
            return {
                name: (table, db.execute(f'SELECT * FROM tester."{name}"').to_arrow_table().to_pylist())
                for name, table in described.items()
                if table is not None
            }


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
    )
)


def _settings(examples: int) -> Any:
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
@example(LIFE_OF_A_ROW, 1)
@example(LIFE_OF_A_ROW, 20_480)
def test_memory_ends_where_the_model_ends(scenario: Scenario, chunk_rows: int) -> None:
    seen = by_the_engine(scenario, InMemory(), chunk_rows)

    assert _differences(seen, by_the_model(scenario)) == []
