"""The rows through Fivetran's SDK 2.13.1, with a checkpoint every so many."""

from typing import Any

from fivetran_connector_sdk import (  # type: ignore[import-not-found,unused-ignore]  # only in .venvs/mit_sdk
    Connector,
)
from fivetran_connector_sdk import (
    Operations as op,
)

from benchmarks.rows import KEY, TABLE, rows


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
