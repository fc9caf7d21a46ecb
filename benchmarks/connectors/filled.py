"""A table of any size, in Arrow blocks: what `changed` finds there. Only the keys differ from block to block."""

from typing import Any

import pyarrow.compute as pc

from benchmarks.rows import KEY, TABLE, arrow_table
from headwater import Connector
from headwater import Operations as op

BLOCK_ROWS = 100_000


def schema(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"table": TABLE, "primary_key": [KEY]}]


def update(configuration: dict[str, Any], state: dict[str, Any]) -> None:
    count, checkpoint_every = int(configuration["rows"]), int(configuration["checkpoint_every"])
    block = arrow_table(min(BLOCK_ROWS, count))
    for start in range(0, count, BLOCK_ROWS):
        moved = block.set_column(0, KEY, pc.add(block[KEY], start)).slice(0, count - start)
        op.upsert(TABLE, moved)
        if (start + BLOCK_ROWS) % checkpoint_every == 0:
            op.checkpoint({"emitted": start + moved.num_rows})
    op.checkpoint({"emitted": count})


connector = Connector(update=update, schema=schema)
