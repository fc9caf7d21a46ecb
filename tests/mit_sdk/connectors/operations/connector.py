"""Calls every operation, as authors do: keywords and positions, schemas, any mapping, a generator."""

import enum
from collections import OrderedDict, UserDict
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from fivetran_connector_sdk import Connector  # type: ignore[import-not-found,unused-ignore]  # only in .venvs/mit_sdk
from fivetran_connector_sdk import Operations as op


class Colour(str, enum.Enum):  # noqa: UP042 what authors write, and not what StrEnum does
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 7


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "orders", "primary_key": ["id"], "columns": {"id": "INT", "total": "DOUBLE"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> Iterator[None]:
    yield op.upsert("orders", {"id": True, "total": None, "note": "undeclared"})
    op.upsert(table="orders", data=OrderedDict(id=2))
    op.upsert(table="orders", data=UserDict(id=3))
    op.upsert(table="orders", data=MappingProxyType({"id": 4}))
    op.upsert(table="enums", data={"colour": Colour.RED, "level": Level.HIGH}, schema="sales")
    op.update(table="orders", modified={"id": 1, "total": 0.1})
    op.delete(table="orders", keys={"id": 2})
    op.warning("half done")
    op.checkpoint({"last": state.get("last", 0) + 1, "place": configuration.get("place")})
    op.truncate(table="enums", schema="sales")
    if state.get("fail"):
        raise RuntimeError("the source is gone")


connector = Connector(update=update, schema=schema)
