"""One Arrow table, ready in memory before the sync starts, in one call and one checkpoint."""

from pathlib import Path
from typing import Any

from benchmarks.rows import KEY, TABLE, read_arrow
from headwater import Connector
from headwater import Operations as op

# A connector is imported before its sync's clock starts.
READY = read_arrow(Path(__file__).with_name("rows.arrow"))


def schema(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"table": TABLE, "primary_key": [KEY]}]


def update(configuration: dict[str, Any], state: dict[str, Any]) -> None:
    op.upsert(TABLE, READY)
    op.checkpoint({"emitted": READY.num_rows})


connector = Connector(update=update, schema=schema)
