"""`make docs`: writes the parts of the pages that come from the code, between their markers.

A part stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`; a NAME that begins with `file ` stands for
that file. `tests/docs` compares the pages with what this writes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import click

from headwater import Connector, naming
from headwater import Operations as op
from headwater.batch import undeclared_remark
from headwater.cli import COMMANDS, group
from headwater.destinations import duckdb_sql, postgres_sql
from headwater.destinations.memory import MemoryDestination
from headwater.options import Options
from headwater.schema import Table
from headwater.singer.settings import settings_schema
from headwater.state import Commit
from headwater.sync import Progress, Sync
from headwater.types import coerce
from headwater.types.columns import ValueRefused, arrow_type, convert, types_among
from headwater.types.names import DECIMAL, STRING, TYPE_NAMES, ColumnType, decimal_type, promote
from tests.differential.differences import DIFFERENCES

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "headwater" / "headwater.schema.json"
HELP_WIDTH = 100

_PART = re.compile(r"(<!-- (?P<name>[^\n]+): begin -->\n).*?(<!-- (?P=name): end -->)", re.DOTALL)


def pages() -> list[Path]:
    """List every page of the documentation; READMEs of examples are tested with their examples."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def built(text: str) -> str:
    """Fill the parts of a page; a marker of somebody else's stays as it is."""

    def filled(match: re.Match[str]) -> str:
        name = match["name"]
        write = PARTS.get(name)
        if name.startswith("file "):
            return f"{match[1]}{_file(name.removeprefix('file '))}\n{match[3]}"
        return f"{match[1]}\n{write()}\n\n{match[3]}" if write else match[0]

    return _PART.sub(filled, text)


def main() -> int:
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = built(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"written: {page.relative_to(ROOT)}")  # noqa: T201 - what make shows
    return 0


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table.

    >>> print(table(["a"], [["x|y"]]))
    | a |
    |---|
    | x\\|y |
    """
    lines = [head, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    written = [f"| {' | '.join(line)} |" for line in lines]
    written.insert(1, "|" + "---|" * len(head))
    return "\n".join(written)


def _file(name: str) -> str:
    path = ROOT / name
    language = {".py": "python", ".toml": "toml", ".json": "json"}[path.suffix]
    return f"```{language}\n{path.read_text(encoding='utf-8').rstrip()}\n```"


def _code(values: Sequence[object]) -> str:
    return ", ".join(f"`{value}`" for value in values) or "–"


# --- the command line


def commands() -> str:
    names = group.context_settings["help_option_names"]
    context = click.Context(
        group, info_name="headwater", terminal_width=HELP_WIDTH, max_content_width=HELP_WIDTH, help_option_names=names
    )
    parts = [f"## headwater\n\n{_help(group, context)}"]
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, context, name, terminal_width=HELP_WIDTH, max_content_width=HELP_WIDTH)
        parts.append(f"## headwater {name}\n\n{_help(command, inner)}")
    return "\n\n".join(parts)


def _help(command: click.Command, context: click.Context) -> str:
    lines = (line.rstrip() for line in command.get_help(context).splitlines())
    return "```text\n" + "\n".join(lines) + "\n```"


# --- headwater.toml


def options() -> str:
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return _option_table(document["properties"])


def table_options() -> str:
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return _option_table(document["$defs"]["table"]["properties"])


def _option_table(properties: Mapping[str, Any]) -> str:
    rows = []
    for key, option in properties.items():
        values = _code([json.dumps(value) for value in option["enum"]]) if "enum" in option else _KINDS[option["type"]]
        default = "–" if option["default"] in ({}, []) else f"`{json.dumps(option['default'])}`"
        rows.append([f"`{key}`", values, default, option["description"]])
    return table(["key", "value", "default", "what it does"], rows)


_KINDS = {
    "string": "text",
    "boolean": "`true`, `false`",
    "integer": "whole number",
    "object": "tables",
    "array": "list of names",
}


# --- types

_DECLARED = {name: ColumnType(name) if name != DECIMAL else decimal_type(10, 2) for name in TYPE_NAMES}

# What connectors do send, as they write it.
_VALUES: dict[str, object] = {
    "True": True,
    "42": 42,
    "2**40": 2**40,
    "2**63": 2**63,
    "42.0": 42.0,
    "0.1": 0.1,
    'Decimal("1.5")': Decimal("1.5"),
    'Decimal("1.234")': Decimal("1.234"),
    '"42"': "42",
    '"1.5"': "1.5",
    '"paid"': "paid",
    'b"ab"': b"ab",
    "date(…)": date(2024, 2, 29),
    "datetime(…)": datetime(2024, 2, 29, 1, 2, 3),  # noqa: DTZ001 - a naive one is what is shown
    "datetime(…, tzinfo=UTC)": datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC),
    '"2024-02-29"': "2024-02-29",
    '"2024-02-29T01:02:03"': "2024-02-29T01:02:03",
    '"2024-02-29T01:02:03Z"': "2024-02-29T01:02:03Z",
    '{"a": 1}': {"a": 1},
    "(1, 2)": (1, 2),
    "UUID(…)": UUID(int=1),
}


def stored_types() -> str:
    rows = [
        [str(kind), duckdb_sql.sql_type(kind), postgres_sql.sql_type(kind), str(arrow_type(kind))]
        for kind in _DECLARED.values()
    ]
    return table(["declared", "DuckDB", "Postgres", "Arrow"], rows)


def coercions() -> str:
    rows = []
    for kind in _DECLARED.values():
        same: list[str] = []
        ours: list[str] = []
        refused: list[str] = []
        for text, value in _VALUES.items():
            try:
                grown = convert([value], kind, types_among([value])).kind
            except ValueRefused:
                refused.append(text)
                continue
            shown = text if grown == kind else f"{text} → {grown}"
            (ours if grown != kind or _differs(kind, value) else same).append(shown)
        taken = _code(same) if refused else "everything, as `str(value)`"
        rows.append([str(kind), taken, _code(ours), "all else" if len(refused) > 8 else _code(refused)])
    return table(["declared", "takes, as Fivetran does", "takes, unlike Fivetran's SDK 2.13.1", "refuses"], rows)


def _differs(kind: ColumnType, value: object) -> bool:
    remark = coerce.remark(kind, value)
    return remark is not None and not remark.endswith("and so do we")


def inferences() -> str:
    by_kind: dict[str, list[str]] = {}
    for text, value in _VALUES.items():
        kind = convert([value], None, types_among([value])).kind
        remark = " (1)" if undeclared_remark(value) else ""
        by_kind.setdefault(str(kind), []).append(f"`{text}`{remark}")
    return table(["value", "column"], [[", ".join(values), kind] for kind, values in by_kind.items()])


def promotions() -> str:
    kinds = [*_DECLARED.values(), decimal_type(38, 0)]
    by_result: dict[str, list[str]] = {}
    for one, other in combinations(kinds, 2):
        assert promote(one, other) == promote(other, one)
        wider = promote(one, other)
        if wider.name != STRING:
            by_result.setdefault(str(wider), []).append(f"{one} and {other}")
    rows = [[" · ".join(pairs), result] for result, pairs in by_result.items()]
    return table(["a column that has held", "becomes"], [*rows, ["any two others", STRING]])


# --- names

_NAMES = [
    "userData", "user-data", "user.data", "User Data", "LoginID", "HTTPServer", "address1", "2nd place",
    "custom__c", "_Users", "Größe", "数量", "order",
]  # fmt: skip


def names() -> str:
    rows = [[f"`{name}`", f"`{naming.table_name(name)}`", f"`{naming.column_name(name)}`"] for name in _NAMES]
    return table(["in the source", "as a table", "as a column"], rows)


# --- operations

_SEQUENCES: list[list[tuple[Callable[..., None], dict[str, Any]]]] = [
    [(op.upsert, {"id": 1, "a": 1, "b": 1}), (op.upsert, {"id": 1, "a": 2})],
    [(op.upsert, {"id": 1, "a": 1, "b": 1}), (op.update, {"id": 1, "a": 2})],
    [(op.update, {"id": 1, "a": 2})],
    [(op.upsert, {"id": 1, "a": 1, "b": 1}), (op.delete, {"id": 1})],
    [(op.upsert, {"id": 1, "a": 1, "b": 1}), (op.delete, {"id": 1}), (op.update, {"id": 1, "a": 2})],
    [(op.upsert, {"id": 1, "a": 1, "b": 1}), (op.delete, {"id": 1}), (op.upsert, {"id": 1, "a": 2})],
]


def net_effects() -> str:
    rows = []
    for sequence in _SEQUENCES:
        emitted = ", ".join(f"{operation.__name__} `{_braces(data)}`" for operation, data in sequence)
        left = [f"`{_braces({name: row.get(name) for name in ('a', 'b')})}`" for row in _left_by(sequence)]
        deleted = [str(row["_fivetran_deleted"]).upper() for row in _left_by(sequence)]
        rows.append([emitted, *(left or ["no row"]), *(deleted or ["–"])])
    return table(["emitted", "row 1", "`_fivetran_deleted`"], rows)


def _braces(data: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={'NULL' if value is None else value}" for name, value in data.items())


def _left_by(sequence: Sequence[tuple[Callable[..., None], dict[str, Any]]]) -> list[dict[str, Any]]:
    """Run operations into the destination in memory; give the rows it holds."""

    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        for operation, data in sequence:
            operation("t", data)

    def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
        return [{"table": "t", "primary_key": ["id"], "columns": {"id": "LONG", "a": "LONG", "b": "LONG"}}]

    destination = MemoryDestination("docs")
    destination.open()
    result = Sync(Connector(update=update, schema=schema), {}, destination, Options(), _Silent()).run()
    if result.error is not None:
        raise result.error
    return destination.rows("t", Options().schema)


class _Silent:
    """Is told what happens in a sync, and keeps it to itself."""

    def table_changed(self, table: Table) -> None: ...

    def committed(self, commit: Commit) -> None: ...

    def progress(self, progress: Progress) -> None: ...


# --- faults


def _faults() -> ModuleType:
    # Late: only one page needs the tests, and what they need.
    from docs import faults

    return faults


# --- other tools


def singer_settings() -> str:
    described = settings_schema()["properties"].items()
    rows = [
        (
            f"`{name}`",
            each["type"],
            _code([json.dumps(each["default"])]) if "default" in each else "needed",
            each["description"],
        )
        for name, each in described
    ]
    return table(["setting", "value", "default", "what it does"], rows)


def dlt_differences() -> str:
    rows = []
    for each in DIFFERENCES:
        sent = ", then ".join(_code(rows) for rows in each.loads)
        rows.append((sent, _code(each.dlt), _code(each.headwater), each.why))
    return table(["the rows of each load", "dlt", "headwater", "why"], rows)


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "options": options,
    "table options": table_options,
    "stored types": stored_types,
    "coercions": coercions,
    "inferences": inferences,
    "promotions": promotions,
    "names": names,
    "net effects": net_effects,
    "singer settings": singer_settings,
    "dlt differences": dlt_differences,
    "fault matrix": lambda: _faults().fault_matrix(table),
    "faults elsewhere": lambda: _faults().faults_elsewhere(table),
    "faults counted": lambda: _faults().counted(),
}


def parts_of(text: str) -> Iterator[str]:
    """Name the parts a page asks for."""
    return (match["name"] for match in _PART.finditer(text))


if __name__ == "__main__":
    sys.exit(main())
