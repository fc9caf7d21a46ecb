"""Makes every call of calls.py, and records what it gives or raises."""

import warnings
from collections import OrderedDict, UserDict
from collections.abc import Callable, ItemsView
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from types import MappingProxyType
from typing import Any

import fivetran_connector_sdk  # type: ignore[import-not-found,unused-ignore]  # only in .venvs/mit_sdk
from calls import CALLS  # type: ignore[import-not-found]  # beside this file, as an author has it
from fivetran_connector_sdk import ByteStream, ConfigurationForm, Connector, FileUpload, Test, form_field
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op


class OnlyItems:
    def items(self) -> ItemsView[str, int]:
        return {"id": 1}.items()


def passes(configuration: dict[str, str]) -> Any:
    return Test.success()


def warned(call: Callable[[], None]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [f"{each.category.__name__}: {each.message}" for each in caught]


def chained(form: Any, call: Callable[[Any], Any]) -> bool:
    return call(form) is form


def changed(thing: Any, attribute: str, value: object) -> bool:
    setattr(thing, attribute, value)
    return bool(getattr(thing, attribute) == value)


NAMES = {
    **{name: getattr(form_field, name) for name in ("TextField", "ToggleField", "DropdownField", "DropdownFieldParam")},
    **{each.__name__: each for each in (BytesIO, ByteStream, FileUpload, Test, OrderedDict, UserDict)},
    **{each.__name__: each for each in (MappingProxyType, OnlyItems, datetime, Decimal)},
    **{each.__name__: each for each in (passes, warned, chained, changed)},
    "fivetran_connector_sdk": fivetran_connector_sdk, "form": ConfigurationForm, "log": log, "op": op,
}  # fmt: skip


def ask(call: str) -> str:
    try:
        return ascii(eval(call, dict(NAMES)))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return f"{kind(error)}: {error}".encode("ascii", "backslashreplace").decode()


def kind(error: Exception) -> str:
    """The first name of the error's classes that Python itself has."""
    return next(each.__name__ for each in type(error).__mro__ if each.__module__ == "builtins")


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "k", "primary_key": ["id"], "columns": {"id": "INT"}}, {"table": "answers", "primary_key": ["n"]}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    for number, (rule, call) in enumerate(CALLS):
        op.upsert("answers", {"n": number, "rule": rule, "call": call, "answer": ask(call)})


connector = Connector(update=update, schema=schema)
