"""Makes `import fivetran_connector_sdk` mean headwater while a connector runs."""

from __future__ import annotations

import difflib
import importlib
import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import headwater
from headwater import configuration_form, file_upload, form_field, log, operations
from headwater.errors import ConnectorError

NAME = "fivetran_connector_sdk"
# Whose interface this is: connectors print it, or ask whether it is new enough.
VERSION = "2.13.1"

# What connectors import names from: modules of fivetran-connector-sdk 2.13.1, `logger` of earlier versions, and
# `connector`, which none has but published connectors name.
_MODULES: dict[str, ModuleType] = {
    f"{NAME}.operations": operations,
    f"{NAME}.logger": log,
    f"{NAME}.form_field": form_field,
    f"{NAME}.configuration_form": configuration_form,
    f"{NAME}.file_upload": file_upload,
    f"{NAME}.test": configuration_form,
    f"{NAME}.connector": headwater,
}
# What `from fivetran_connector_sdk import *` gives: all but Connector (rule A-01).
_STARRED = [name for name in headwater.__all__ if name != "Connector"]

# What is meant by names that people write for another.
_MEANT = {
    "op": "Operations",
    "ops": "Operations",
    "log": "Logging",
    "logger": "Logging",
    "textfield": "form_field",
    "dropdownfield": "form_field",
    "dropdownfieldparam": "form_field",
    "togglefield": "form_field",
}


class NotInSdk(ConnectorError, ModuleNotFoundError):
    """A connector imports what fivetran-connector-sdk does not have."""


# What a connector finds in its environment on Fivetran, with the values of a local run (rule E-01).
_ENVIRONMENT = {
    "FIVETRAN_CONNECTION_ID": "test_connection_id",
    "FIVETRAN_DEPLOYMENT_MODEL": "local_debug",
    "FIVETRAN_GROUP_ID": "test_group_id",
    "FIVETRAN_CONNECTION_NAME": "test_connection_name",
}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers for `fivetran_connector_sdk` before any installed package can."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != NAME:
            return None
        if fullname != NAME and fullname not in _MODULES:
            # Here `from fivetran_connector_sdk import config` comes as well, for want of such a name.
            raise _not_there(fullname.removeprefix(f"{NAME}."))
        return importlib.util.spec_from_loader(fullname, self, is_package=fullname == NAME)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        if spec.name == NAME:
            module = ModuleType(NAME, headwater.__doc__)
            module.__dict__.update({name: getattr(headwater, name) for name in headwater.__all__})
            module.__dict__.update(__all__=_STARRED, __version__=VERSION, __getattr__=_missing)
            return module
        source = _MODULES[spec.name]
        module = ModuleType(spec.name, source.__doc__)
        names = getattr(source, "__all__", vars(source))
        module.__dict__.update({name: getattr(source, name) for name in names if not name.startswith("_")})
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: `create_module` filled the module."""


def _missing(name: str) -> Any:
    """Give a module of the package that nobody has imported yet; an attribute that is not there is refused."""
    if f"{NAME}.{name}" in _MODULES:
        return importlib.import_module(f"{NAME}.{name}")
    if name.startswith("__"):
        raise AttributeError(f"module {NAME!r} has no attribute {name!r}")
    raise AttributeError(str(_not_there(name)))


def _not_there(name: str) -> NotInSdk:
    """Say what there is instead, and which name is likely meant."""
    names = ", ".join(sorted(headwater.__all__))
    meant = _meant(name)
    if meant is not None:
        hint = f"Did you mean {meant}? It has {names}."
    elif _is_of_project(name):
        hint = f"{name!r} is a module of its own here: write `import {name}`. {NAME} has {names}."
    else:
        hint = f"It has {names}."
    return NotInSdk(f"{NAME} has no {name!r}", hint=hint)


def _meant(name: str) -> str | None:
    by_lower = {known.lower(): known for known in headwater.__all__}
    lower = name.lower()
    if lower in _MEANT:
        return _MEANT[lower]
    near = difflib.get_close_matches(lower, by_lower, n=1, cutoff=0.75)
    return by_lower[near[0]] if near else None


def _is_of_project(name: str) -> bool:
    """Say whether a module that can be imported by this name alone is none of Python's own."""
    return "." not in name and name not in sys.stdlib_module_names and importlib.util.find_spec(name) is not None


def install() -> None:
    """Put the alias in place; an official package that is imported already gives way."""
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    for name in [name for name in sys.modules if name == NAME or name.startswith(f"{NAME}.")]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Finder())


def set_environment() -> None:
    """Set the environment variables that connectors find on Fivetran; those that are there stay."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
