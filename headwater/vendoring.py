"""Copies of the `sdk_helpers` modules that a connector uses, for where headwater is not installed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from headwater.errors import ConfigurationError
from headwater.imports import Import, imports_of

PACKAGE = "sdk_helpers"


def vendored(sources: Iterable[str]) -> dict[str, bytes]:
    """Give the helper modules that these sources import, and those that they need in turn.

    Gives file contents by path, as in `sdk_helpers/http.py`; nothing when no helper is imported.

    Errors: SyntaxError for a source that is none; ConfigurationError for a helper there is not.

    >>> sorted(vendored(["from sdk_helpers.http import ApiClient"]))
    ['sdk_helpers/__init__.py', 'sdk_helpers/http.py', 'sdk_helpers/retry.py']
    """
    folder = _folder()
    waiting = [helper for source in sources for each in imports_of(source) for helper in helpers_named(each)]
    found: dict[str, bytes] = {}
    while waiting:
        name = waiting.pop()
        path = folder / f"{name}.py"
        if f"{PACKAGE}/{path.name}" in found:
            continue
        if not path.is_file():
            known = ", ".join(sorted(each.stem for each in folder.glob("*.py") if each.stem != "__init__"))
            raise ConfigurationError(f"there is no helper {PACKAGE}.{name}", hint=f"There are: {known}.")
        content = path.read_bytes()
        found[f"{PACKAGE}/{path.name}"] = content
        waiting += [each.module.strip(".") or each.name or "" for each in imports_of(content.decode()) if not each.top]
    if found:
        found[f"{PACKAGE}/__init__.py"] = (folder / "__init__.py").read_bytes()
    return found


def helpers_named(found: Import) -> list[str]:
    """Name the helper modules that an import means.

    >>> helpers_named(Import(1, "sdk_helpers", "http")), helpers_named(Import(1, "sdk_helpers.retry", "Backoff"))
    (['http'], ['retry'])
    """
    if found.top != PACKAGE:
        return []
    _, _, module = found.module.partition(".")
    if module:
        return [module.partition(".")[0]]
    return [found.name] if found.name else ["__init__"]


def _folder() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(f"{PACKAGE} is not installed", hint="It comes with headwater: install that again.")
    return Path(spec.submodule_search_locations[0])
