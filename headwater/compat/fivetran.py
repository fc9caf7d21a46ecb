"""Makes `import fivetran_connector_sdk` mean headwater while a connector runs."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import headwater
from headwater import authoring, configuration_form, file_upload, form_field, log, operations

NAME = "fivetran_connector_sdk"

# The modules of fivetran-connector-sdk 2.13.1 that connectors import names from.
_MODULES: dict[str, ModuleType] = {
    NAME: headwater,
    f"{NAME}.operations": operations,
    f"{NAME}.logger": log,
    f"{NAME}.form_field": form_field,
    f"{NAME}.configuration_form": configuration_form,
    f"{NAME}.file_upload": file_upload,
    f"{NAME}.connector": authoring,
}


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
        if fullname not in _MODULES:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=fullname == NAME)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name, _MODULES[spec.name].__doc__)
        source = vars(_MODULES[spec.name])
        module.__dict__.update({name: value for name, value in source.items() if not name.startswith("_")})
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: `create_module` filled the module."""


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
