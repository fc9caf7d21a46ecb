"""Every row is a dict of its own, from one generator, with a checkpoint every so many rows."""

from typing import Any

from benchmarks.rows import KEY, TABLE, rows
from headwater import Connector
from headwater import Operations as op


def schema(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"table": TABLE, "primary_key": [KEY]}]


def update(configuration: dict[str, Any], state: dict[str, Any]) -> None:
    checkpoint_every = int(configuration["checkpoint_every"])
    emitted = 0
    for row in rows(int(configuration["rows"])):
        op.upsert(TABLE, row)
        emitted += 1
        if emitted % checkpoint_every == 0:
            op.checkpoint({"emitted": emitted})
    if emitted % checkpoint_every:
        op.checkpoint({"emitted": emitted})


connector = Connector(update=update, schema=schema)
