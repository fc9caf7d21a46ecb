"""The values a connector is given: those of the environment put in, encrypted ones decrypted, none of them logged."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from headwater.encryption import decrypt, is_encrypted
from headwater.errors import ConfigurationError
from headwater.log import redact

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# A shorter value of the environment, such as a page size, is in too many other texts to be taken out of them.
SECRET_CHARACTERS = 8


def usable_values(configuration: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Resolve `${NAME}` from the environment, and decrypt; from here on no log shows these values.

    A value that is really `${NAME}` is written `$${NAME}`.

    Errors: ConfigurationError that names the field, for a variable that is not set or a value that cannot be decrypted.

    >>> usable_values({"a": "${NAME}", "b": "$${NAME}", "c": "x${NAME}"}, {"NAME": "value"})
    {'a': 'value', 'b': '${NAME}', 'c': 'x${NAME}'}
    """
    values = {field: _usable(field, value, environment) for field, value in configuration.items()}
    redact.learn(values)
    return values


def is_reference(value: str) -> bool:
    """Whether a value names a variable of the environment."""
    return _VARIABLE.fullmatch(value) is not None


def _usable(field: str, value: str, environment: Mapping[str, str]) -> str:
    if is_encrypted(value):
        value = decrypt(field, value)
        redact.add([value])
        return value
    if match := _VARIABLE.fullmatch(value):
        if match[1] not in environment:
            raise ConfigurationError(
                f"{field}: the environment has no variable {match[1]}",
                hint=f"Set it, or write $${{{match[1]}}} if that is the value itself.",
            )
        value = environment[match[1]]
        if len(value) >= SECRET_CHARACTERS:
            redact.add([value])
        return value
    return value[1:] if value.startswith("$") and _VARIABLE.fullmatch(value[1:]) else value
