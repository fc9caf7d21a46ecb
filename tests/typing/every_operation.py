"""A connector that uses everything an author may: it is only type-checked."""

import io
from collections.abc import Iterator
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from headwater import ByteStream, Connector, FileUpload
from headwater import Logging as log
from headwater import Operations as op
from headwater.log import Level


class Chunks:
    """A stream of one's own."""

    def read(self, size: int = -1, /) -> bytes:
        return b""


def schema(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"table": "orders", "primary_key": ["id"], "columns": {"id": "LONG"}},
        {"table": "lines", "columns": {"amount": {"type": "DECIMAL", "precision": 9, "scale": 2}}, "schema": "sales"},
    ]


def update(configuration: dict[str, Any], state: dict[str, Any]) -> Iterator[None]:
    yield op.upsert("orders", {"id": 1, "amount": Decimal("1.50"), "tags": ["a"], "note": None})
    yield op.upsert(table="orders", data=pa.table({"id": [2, 3]}), schema=None)
    op.upsert("lines", MappingProxyType({"amount": "1.50"}), schema="sales")
    op.update("orders", {"id": 1, "amount": None})
    op.update(table="orders", modified={"id": 1}, schema="sales", file=None)
    op.delete("orders", {"id": 1})
    op.delete(table="orders", keys=MappingProxyType({"id": 1}), schema="sales")
    op.truncate("orders")
    op.truncate(table="orders", schema="sales")
    own: ByteStream = Chunks()
    op.upsert("files", {"id": 1}, file=FileUpload("a/b.txt", io.BytesIO(b"x"), expected_bytes=1))
    op.upsert("files", {"id": 2}, file=FileUpload(path="c.bin", stream=own))
    op.warning("a page was empty")
    try:
        log.debug("asking")
        log.info("asked")
        log.warning("slow")
    except ValueError as error:
        log.error("no answer", error)
        log.critical("no answer", exception=error)
        op.error("no answer", trace="…")
    log.LOG_LEVEL = Level.DEBUG
    op.checkpoint({"last": 1, "pages": [1, 2]})


def plain_update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    op.checkpoint(state)


connector = Connector(update=update, schema=schema)
positional = Connector(plain_update, None, None)

if __name__ == "__main__":
    connector.debug(configuration={"key": "value"}, state={}, naming="SOURCE", log_level=Level.INFO)
