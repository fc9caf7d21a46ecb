"""The configuration: the text values a connector is given, and where they come from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwater.errors import ConfigurationError
from headwater.piped_file import read_named
from headwater.written_json import json_hint

MAX_FIELDS = 100
VARIABLE = "FIVETRAN_CONFIGURATION"
AS_JSON = 'Write it as {"name": "value"}.'


def find_configuration(project: Path, option: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Find the configuration file: the option, else the environment, else the project's own (rule A-122).

    Errors: ConfigurationError when there is none.
    """
    if option is not None:
        return find_named(project, option)
    if environment.get(VARIABLE):
        return find_named(project, Path(environment[VARIABLE]))
    path = project / "configuration.json"
    if not path.exists():
        raise ConfigurationError(
            f"there is no configuration: {path} does not exist",
            hint="Write {} into it if the connector needs none, or name a file with --configuration.",
        )
    return path


def find_named(project: Path, path: Path) -> Path:
    """Find a file that an operator names: from where the command is typed, else in the project, as 2.13.1 does."""
    path = path.expanduser()
    beside = project / path
    return beside if beside.exists() and not path.exists() else path


def read_configuration(path: Path) -> dict[str, str]:
    """Read a configuration file.

    Errors: ConfigurationError when it cannot be read or breaks a rule of `check_configuration`.
    """
    return check_configuration(_parsed(path), str(path))


def read_configuration_to_deploy(path: Path) -> dict[str, str | None]:
    """Read a configuration file for Fivetran, where a value may be null too (rule A-120).

    Errors: as those of `read_configuration`.
    """
    return _checked(_parsed(path), str(path), (str, type(None)))


def check_configuration(configuration: Any, where: str) -> dict[str, str]:
    """Check that a configuration is an object of at most 100 texts (rules A-120, A-121)."""
    return _checked(configuration, where, str)


def _parsed(path: Path) -> Any:
    text = read_named(path, "the configuration")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not JSON: {error}", hint=json_hint(error) or AS_JSON) from error


def _checked(configuration: Any, where: str, kinds: type | tuple[type, ...]) -> dict[str, Any]:
    if not isinstance(configuration, dict):
        raise ConfigurationError(f"{where} must hold a JSON object, not {type(configuration).__name__}")
    wrong = [str(key) for key, value in configuration.items() if not isinstance(value, kinds)]
    if wrong:
        raise ConfigurationError(
            f"{where}: all values must be strings; these are not: {', '.join(wrong)}",
            hint='Put quotes around them, as in "page_size": "100", and convert them in the connector.',
        )
    if len(configuration) > MAX_FIELDS:
        raise ConfigurationError(f"{where} has {len(configuration)} fields; at most {MAX_FIELDS} are allowed")
    return configuration
