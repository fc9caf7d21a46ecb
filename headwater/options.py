"""A project's options: headwater.toml beside connector.py."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headwater.errors import ConfigurationError
from headwater.naming import CONNECTION_NAME, NAMINGS
from headwater.schema import MODES, TableOptions

FILE = "headwater.toml"

_RESERVED = ("_headwater", "information_schema")


@dataclass(frozen=True, slots=True)
class Options:
    """How a project is synced; `headwater.schema.json` describes the same for editors.

    destination   `duckdb:PATH` relative to the project, or `memory:`
    schema        the destination schema
    naming        FIVETRAN or SOURCE
    strict        coerce exactly as fivetran-connector-sdk 2.13.1
    memory_mb     what the destination may use while it merges, in megabytes
    retries       how often in a row, without a checkpoint between, a sync that lost its destination is tried again
    tables        by table name, in the connector's or the destination's spelling
    other_tables  what holds for a table that `tables` does not name
    remarks       say what Fivetran's own SDK would do otherwise with a value
    """

    destination: str = "duckdb:files/warehouse.db"
    schema: str = "tester"
    naming: str = "FIVETRAN"
    strict: bool = False
    memory_mb: int = 400
    retries: int = 5
    tables: Mapping[str, TableOptions] = field(default_factory=dict)
    other_tables: TableOptions = field(default_factory=TableOptions)
    remarks: bool = True

    @property
    def connection(self) -> str:
        """Name what has one state: a schema in a destination."""
        return f"{self.destination} {self.schema}"

    def with_flags(self, **flags: Any) -> Options:
        """Let the flags that were given win over the file; None means not given."""
        return replace(self, **{name: value for name, value in flags.items() if value is not None})


def read_options(project: Path) -> Options:
    """Read a project's headwater.toml; all defaults where there is none.

    Errors: ConfigurationError that names the key.
    """
    path = project / FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Options()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    _known(document, _OPTIONS, path.name)
    values: dict[str, Any] = {name: _checked(document, name, _OPTIONS, path.name) for name in document}
    check_values(values, path.name)
    tables = values.pop("tables", {})
    return Options(**values, tables={name: _table(name, entry, path.name) for name, entry in tables.items()})


def check_values(values: Mapping[str, Any], file: str) -> None:
    """Refuse a naming, schema or memory_mb that is none.

    Errors: ConfigurationError that names the file.
    """
    default = Options()
    naming, schema, memory_mb = (values.get(name, getattr(default, name)) for name in ("naming", "schema", "memory_mb"))
    if naming.upper() not in NAMINGS:
        raise ConfigurationError(f"{file}: naming is {naming!r}; use FIVETRAN or SOURCE")
    if not CONNECTION_NAME.fullmatch(schema):
        raise ConfigurationError(f"{file}: schema is {schema!r}; use small letters, digits and _, and no digit first")
    if schema in _RESERVED or schema.startswith("pg_"):
        raise ConfigurationError(f"{file}: schema is {schema!r}, which belongs to the database or to headwater")
    if memory_mb < 1:
        raise ConfigurationError(f"{file}: memory_mb is {memory_mb}; use 1 or more")
    if (retries := values.get("retries", default.retries)) < 0:
        raise ConfigurationError(f"{file}: retries is {retries}; use 0 or more")


_OPTIONS: dict[str, type] = {
    "destination": str,
    "schema": str,
    "naming": str,
    "strict": bool,
    "memory_mb": int,
    "retries": int,
    "tables": dict,
}
_TABLE_OPTIONS: dict[str, type] = {
    "mode": str,
    "blocked": bool,
    "blocked_columns": list,
    "hashed_columns": list,
}
_WORDS = {str: "text", bool: "true or false", int: "a whole number", dict: "a table", list: "a list of names"}


def _table(name: str, entry: Any, file: str) -> TableOptions:
    where = f"{file}: [tables.{name}]"
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{where} must be a table of options")
    _known(entry, _TABLE_OPTIONS, where)
    values = {key: _checked(entry, key, _TABLE_OPTIONS, where) for key in entry}
    mode = values.get("mode", "soft_delete")
    if mode not in MODES:
        raise ConfigurationError(f"{where}: mode is {mode!r}; use one of {', '.join(MODES)}")
    return TableOptions(
        mode=mode,
        blocked=values.get("blocked", False),
        blocked_columns=_names(values, "blocked_columns", where),
        hashed_columns=_names(values, "hashed_columns", where),
    )


def _names(values: Mapping[str, Any], key: str, where: str) -> frozenset[str]:
    names = values.get(key, [])
    if not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{where}: {key} must be a list of column names")
    return frozenset(names)


def _known(entry: Mapping[str, Any], known: Mapping[str, type], where: str) -> None:
    for key in entry:
        if key not in known:
            raise ConfigurationError(
                f"{where}: the key {key!r} is unknown", hint="Known keys: " + ", ".join(known) + "."
            )


def _checked(entry: Mapping[str, Any], key: str, known: Mapping[str, type], where: str) -> Any:
    value = entry[key]
    if not isinstance(value, known[key]) or (known[key] is int and isinstance(value, bool)):
        raise ConfigurationError(f"{where}: {key} must be {_WORDS[known[key]]}, not {value!r}")
    return value
