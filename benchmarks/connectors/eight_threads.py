"""Eight threads emit pages; a checkpoint every so many rows, once all pages up to there are out."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.rows import KEY, TABLE, rows
from headwater import Connector
from headwater import Operations as op

THREADS = 8
PAGE = 1_000


def schema(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"table": TABLE, "primary_key": [KEY]}]


def update(configuration: dict[str, Any], state: dict[str, Any]) -> None:
    count, checkpoint_every = int(configuration["rows"]), int(configuration["checkpoint_every"])

    def emit(start: int) -> int:
        end = min(start + PAGE, count)
        for row in rows(end - start, start):
            op.upsert(TABLE, row)
        return end

    with ThreadPoolExecutor(THREADS) as threads:
        for emitted in threads.map(emit, range(0, count, PAGE)):
            if emitted % checkpoint_every == 0 or emitted == count:
                op.checkpoint({"emitted": emitted})


connector = Connector(update=update, schema=schema)
