"""The configuration: the text values a connector is given, and where they come from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headwater.errors import ConfigurationError

MAX_FIELDS = 100
VARIABLE = "FIVETRAN_CONFIGURATION"


def find_configuration(project: Path, option: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """Find the configuration file: the option, else the environment, else the project's own (rule A-122).

    Errors: ConfigurationError when there is none.
    """
    if option is not None:
        return option
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    path = project / "configuration.json"
    if not path.exists():
        raise ConfigurationError(
            f"there is no configuration: {path} does not exist",
            hint="Write {} into it if the connector needs none, or name a file with --configuration.",
        )
    return path


def read_configuration(path: Path) -> dict[str, str]:
    """Read a configuration file.

    Errors: ConfigurationError when it cannot be read or breaks a rule of `check_configuration`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the configuration cannot be read: {error}") from error
    try:
        configuration = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{path} is not JSON: {error}", hint="In JSON a backslash in a value is written twice."
        ) from error
    return check_configuration(configuration, str(path))


def check_configuration(configuration: Any, where: str) -> dict[str, str]:
    """Check that a configuration is an object of at most 100 texts (rules A-120, A-121)."""
    if not isinstance(configuration, dict):
        raise ConfigurationError(f"{where} must hold a JSON object, not {type(configuration).__name__}")
    wrong = [str(key) for key, value in configuration.items() if not isinstance(value, str)]
    if wrong:
        raise ConfigurationError(
            f"{where}: all values must be strings; these are not: {', '.join(wrong)}",
            hint='Put quotes around them, as in "page_size": "100", and convert them in the connector.',
        )
    if len(configuration) > MAX_FIELDS:
        raise ConfigurationError(f"{where} has {len(configuration)} fields; at most {MAX_FIELDS} are allowed")
    return configuration
