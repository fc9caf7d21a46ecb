"""The rows between two checkpoints come from eight threads, an eighth from each; all wait for the checkpoint."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.rows import KEY, TABLE, rows
from headwater import Connector
from headwater import Operations as op

THREADS = 8


def schema(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"table": TABLE, "primary_key": [KEY]}]


def update(configuration: dict[str, Any], state: dict[str, Any]) -> None:
    count, checkpoint_every = int(configuration["rows"]), int(configuration["checkpoint_every"])
    with ThreadPoolExecutor(THREADS) as threads:
        for start in range(0, count, checkpoint_every):
            block = min(checkpoint_every, count - start)
            shares = [(block + THREADS - 1 - thread) // THREADS for thread in range(THREADS)]
            starts = [start + thread for thread in range(THREADS)]
            list(threads.map(emit, shares, starts))
            op.checkpoint({"emitted": start + block})


def emit(share: int, start: int) -> None:
    for row in rows(share, start, THREADS):
        op.upsert(TABLE, row)


connector = Connector(update=update, schema=schema)
