"""Says what the operations connector does not: schemas, keys without a type, files, tasks, many records."""

import io
from typing import Any

from fivetran_connector_sdk import (  # type: ignore[import-not-found,unused-ignore]  # only in .venvs/mit_sdk
    Connector,
    FileUpload,
)
from fivetran_connector_sdk import Operations as op

MEGABYTE = 1024 * 1024


class Trickle(io.BytesIO):
    """A stream whose reads give less than what is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 700_000))


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"table": "plain", "columns": {"note": "string", "id": "Long"}, "primary_key": ["id", "late", "id"]},
        {"table": "Orders", "schema": "Sales EU", "primary_key": ["id"]},
        {
            "table": "Orders",
            "schema": "Sales US",
            "columns": {"total": {"type": "decimal", "precision": 12, "scale": 2}, "at": "UTC_DATETIME"},
        },
        {"table": "empty"},
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    op.upsert("Orders", {"total": "1.50", "at": "2024-02-29 01:02:03.5+05:30"}, schema="Sales US")
    op.upsert("Orders", {"total": "1.50", "at": "2024-02-29"}, schema="Sales EU")
    op.upsert("Orders", {"total": "1.50"})
    op.upsert("plain", {"id": 1, "late": b"\0", "note": 2, "Note": 2, "": 3})
    op.upsert("plain", {})
    op.upsert(
        "files",
        {"id": 1, "_fivetran_file_path": "mine"},
        file=FileUpload(" a/b.bin ", Trickle(b"x" * (3 * MEGABYTE)), expected_bytes=7),
    )
    op.update("files", {"id": 1}, file=FileUpload("empty", io.BytesIO()), schema="Sales EU")
    for number in range(250):
        op.upsert("plain", {"id": number})
    op.delete("plain", {"id": 1, "other": None})
    op.checkpoint({"text": "é\N{PILE OF POO}", "nested": [1, {"a": None}]})
    op.warning("  as it is ")
    op.error("told", trace=" \n")
    op.error("told", trace="line 1\nline 2")
    op.truncate("never made")
    op.checkpoint({})


connector = Connector(update=update, schema=schema)
