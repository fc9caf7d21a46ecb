"""What an author may still change after an operation is taken as it is now (rule C-10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any
from uuid import UUID

from headwater.types import coerce, infer
from headwater.types.columns import ValueRefused
from headwater.types.json_text import JsonText
from headwater.types.names import JSON, ColumnType

# Exact types whose values never change.
UNCHANGING: frozenset[type] = frozenset(
    {str, int, float, bool, NoneType, bytes, datetime, date, time, timedelta, Decimal, UUID, JsonText}
)


def may_change(value: object) -> bool:
    return type(value) not in UNCHANGING and can_change(type(value))


def can_change(kind: type) -> bool:
    """Say whether values of a type are containers: what has no hash, as a numpy array, is one as well."""
    return getattr(kind, "__hash__", None) is None or issubclass(
        kind, dict | list | set | tuple | bytearray | memoryview
    )


class ContainerRefused(ValueRefused):
    """A container does not fit its column, which has this raw name."""

    def __init__(self, raw: str, value: object, message: str) -> None:
        super().__init__(0, value, message)
        self.raw = raw


def snapshot(row: Mapping[str, Any], declared: Callable[[str], ColumnType | None]) -> dict[str, Any]:
    """Copy a row, its containers turned into what their columns store.

    declared  gives the declared type of a raw column name

    Errors: ContainerRefused (rules A-73, A-86).
    """
    taken = dict(row)
    for raw, value in row.items():
        if may_change(value):
            try:
                taken[raw] = _taken(value, declared(raw))
            except (TypeError, ValueError) as error:
                raise ContainerRefused(raw, value, str(error)) from error
    return taken


def _taken(value: object, declared: ColumnType | None) -> object:
    kind = declared or infer.infer(value)
    text = coerce.lenient(kind, value)
    return JsonText(text) if kind.name == JSON else text


class StrictCoercion:
    """Makes of each value what fivetran-connector-sdk 2.13.1 puts on the wire, or raises what it raises.

    declared  the declared types by the exact raw column name (rule A-35)
    """

    def __init__(self, declared: Mapping[str, ColumnType]) -> None:
        self.declared = declared

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return {raw: None if value is None else self._coerced(raw, value) for raw, value in row.items()}

    def typed(self, raw: str, value: object) -> tuple[ColumnType, Any]:
        """Give a value, which is not None, as the wire has it, and its type there."""
        declared = self.declared.get(raw)
        return (declared, coerce.strict(declared, value)) if declared else infer.strict(value)

    def _coerced(self, raw: str, value: object) -> object:
        kind, wire = self.typed(raw, value)
        return JsonText(wire) if kind.name == JSON else wire
