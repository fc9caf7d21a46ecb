"""The settings of the target: one JSON file or more, or the environment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from headwater.errors import ConfigurationError
from headwater.options import Options, check_values
from headwater.schema import TableOptions

ENVIRONMENT = "ENV"
ENVIRONMENT_PREFIX = "TARGET_HEADWATER_"

_TYPES: dict[Any, tuple[type, str]] = {"str": (str, "string"), "int": (int, "integer"), "bool": (bool, "boolean")}
_TRUTHS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _setting(description: str, default: Any = MISSING) -> Any:
    return field(default=default, metadata={"description": description})


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--config` holds; the descriptions are what `--about` prints."""

    destination: str = _setting("Where the rows go: duckdb:PATH or postgresql://USER:PASSWORD@HOST/DATABASE.")
    schema: str = _setting("The schema for the tables; its state is kept under this name too.", "singer")
    naming: str = _setting(
        "FIVETRAN (snake_case) or SOURCE (as the tap spells them): how columns are called.", "FIVETRAN"
    )
    memory_mb: int = _setting("What the destination may use while it merges, in megabytes.", 400)
    batch_size_rows: int = _setting("A STATE is committed once at least so many records have come.", 100_000)
    batch_wait_limit_seconds: int = _setting("Nothing waits longer than this for its commit.", 60)
    add_record_metadata: bool = _setting("Add the columns _sdc_extracted_at, _sdc_received_at and so on.", False)
    hard_delete: bool = _setting("Remove rows that are deleted in the source instead of marking them.", False)
    process_activate_version_messages: bool = _setting("Delete what an ACTIVATE_VERSION message replaces.", True)

    @property
    def options(self) -> Options:
        return Options(
            destination=self.destination,
            schema=self.schema,
            naming=self.naming,
            memory_mb=self.memory_mb,
            other_tables=TableOptions(mode="live" if self.hard_delete else "soft_delete"),
            remarks=False,  # a tap has no author who could care for Fivetran's SDK
        )


def read_settings(sources: Iterable[str], environment: Mapping[str, str]) -> Settings:
    """Read the settings; a later source wins.

    sources  paths of JSON files, and ENV for the environment

    Errors: ConfigurationError that names the source and the setting.

    >>> environment = {"TARGET_HEADWATER_DESTINATION": "memory:", "TARGET_HEADWATER_BATCH_SIZE_ROWS": "5"}
    >>> read_settings(["ENV"], environment).batch_size_rows
    5
    """
    values: dict[str, Any] = {}
    for source in sources:
        values |= _from_environment(environment) if source == ENVIRONMENT else _from_file(Path(source))
    if "destination" not in values:
        raise ConfigurationError(
            "the target is not told where the rows go: the setting 'destination' is missing",
            hint='Give --config FILE with {"destination": "duckdb:warehouse.db"}; all settings: --about.',
        )
    return Settings(**values)


def settings_schema() -> dict[str, Any]:
    """Describe the settings as JSON Schema, as `--about --format=json` shows them."""
    properties: dict[str, Any] = {}
    for each in fields(Settings):
        properties[each.name] = {"type": _TYPES[each.type][1], "description": each.metadata["description"]}
        if each.default is not MISSING:
            properties[each.name]["default"] = each.default
    properties["destination"]["secret"] = True
    return {"type": "object", "properties": properties, "required": ["destination"]}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", hint="It must hold a JSON object.") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{path} must hold a JSON object, not {type(values).__name__}")
    return _checked(values, str(path))


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    known = {ENVIRONMENT_PREFIX + each.name.upper(): each for each in fields(Settings)}
    given = {name: environment[name] for name in known if name in environment}
    return _checked({known[name].name: _read(known[name], name, text) for name, text in given.items()}, ENVIRONMENT)


def _read(setting: Field[Any], name: str, text: str) -> Any:
    kind, word = _TYPES[setting.type]
    try:
        return _TRUTHS[text.strip().lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise ConfigurationError(f"{name} must be {word}, not {text!r}") from error


def _checked(values: dict[str, Any], source: str) -> dict[str, Any]:
    """Leave out what is null, and refuse the unknown: what is misspelt must not be ignored."""
    known = {each.name: _TYPES[each.type] for each in fields(Settings)}
    values = {name: value for name, value in values.items() if value is not None}
    for name, value in values.items():
        if name not in known:
            raise ConfigurationError(f"{source}: the setting {name!r} is unknown", hint=f"Known: {', '.join(known)}.")
        kind, word = known[name]
        # To Python, true is a whole number too.
        if not isinstance(value, kind) or (kind is int and (value is True or value is False)):
            raise ConfigurationError(f"{source}: {name} must be {word}, not {value!r}")
    check_values(values, source)
    return values
