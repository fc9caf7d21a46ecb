"""What a tap writes, and the target run on it: in this process, or as the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from headwater.singer.input import Lines
from headwater.singer.settings import Settings
from headwater.singer.target import load
from headwater.sync import Result
from tests.cli.cli_project import environment
from tests.contract.postgres_driver import PostgresDriver

COMMAND = Path(sys.executable).with_name("target-headwater")
SCHEMA = "shop"

INTEGER = {"type": "integer"}
TEXT = {"type": ["null", "string"]}

Message = dict[str, Any]


def schema(stream: str, properties: Mapping[str, Any], *key: str) -> Message:
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": dict(properties)}, "key_properties": [*key]}


def record(stream: str, *, version: int | None = None, **values: Any) -> Message:
    message = {"type": "RECORD", "stream": stream, "record": values}
    return message if version is None else {**message, "version": version}


def state(value: Any) -> Message:
    return {"type": "STATE", "value": value}


def activate(stream: str, version: int) -> Message:
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


def text(*messages: Message | str) -> str:
    """Write messages as a tap does; text goes in as it is."""
    return "".join(message if isinstance(message, str) else f"{json.dumps(message)}\n" for message in messages)


@dataclass(slots=True)
class Shop:
    """A DuckDB file or a Postgres database, and the targets that load into it."""

    folder: Path
    postgres: PostgresDriver | None = None
    states: list[Any] = field(default_factory=list)

    def settings(self, **changed: Any) -> dict[str, Any]:
        url = self.postgres.url if self.postgres else f"duckdb:{self.folder / 'warehouse.db'}"
        return {"destination": url, "schema": SCHEMA, **changed}

    def is_begun(self) -> bool:
        """Whether a target has made the schema `_headwater`, or the file."""
        if self.postgres is None:
            return (self.folder / "warehouse.db").exists()
        return bool(self.postgres.fetch("SELECT 1 FROM pg_namespace WHERE nspname = '_headwater'"))

    def load(
        self, *messages: Message | str, write_state: Callable[[Any], None] | None = None, **settings: Any
    ) -> Result:
        """Load messages in this process; the STATE that goes out is kept in `states`."""
        file = self.folder / "messages.jsonl"
        file.write_text(text(*messages))
        descriptor = os.open(file, os.O_RDONLY)
        try:
            return load(Settings(**self.settings(**settings)), Lines(descriptor), write_state or self.states.append)
        finally:
            os.close(descriptor)

    def start(self, **settings: Any) -> subprocess.Popen[str]:
        """Start the command, its ends open."""
        (self.folder / "config.json").write_text(json.dumps(self.settings(**settings)))
        return subprocess.Popen(
            [COMMAND, "--config", self.folder / "config.json"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(self.folder / "shadows"),
        )  # fmt: skip

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the destination; in Postgres, tables need their schema's name."""
        if self.postgres is not None:
            return self.postgres.fetch(query)
        with duckdb.connect(str(self.folder / "warehouse.db"), read_only=True) as warehouse:
            warehouse.execute(f"SET TimeZone = 'UTC'; SET search_path = '{SCHEMA}'")
            return warehouse.execute(query).fetchall()

    def types(self, table: str) -> dict[str, str]:
        """Name the columns of a table with their types, in order, without the runtime's own."""
        columns = self.rows(f"SELECT column_name, column_type FROM (DESCRIBE {table})")
        return {name: kind for name, kind in columns if not name.startswith("_fivetran_")}


def feed(process: subprocess.Popen[str], *messages: Message | str) -> None:
    """Write messages to a running target, which may be gone."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(text(*messages))
        process.stdin.flush()
