"""A queue that delivers until it is told "done": acknowledge after the checkpoint, never before it.

What is acknowledged is not delivered again, so its rows must be safe by then. If the connector dies between the two,
the entries come again, and the upsert by their id makes them the same rows. In the other order they would be lost.

The queue is a stream of Redis 7, read through a consumer group; the order is the same for every queue.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import redis
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

CONSUMER = "connector"  # a connection has one sync at a time

Entry = tuple[str, dict[str, str]]


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "event",
            "primary_key": ["entry_id"],
            "columns": {"entry_id": "STRING", "added_at": "UTC_DATETIME", "kind": "STRING", "body": "JSON"},
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    stream, group = configuration["stream"], configuration["group"]
    batch_size = int(configuration["batch_size"])
    with closing(redis.Redis.from_url(configuration["redis_url"], decode_responses=True)) as queue:
        create_group(queue, stream, group)
        for batches in (unacknowledged, new):
            for batch in batches(queue, stream, group, batch_size):
                for entry in batch:
                    op.upsert(table="event", data=event_row(entry))
                op.checkpoint(state=state)  # returns when the rows are safe; the queue itself knows where we are
                queue.xack(stream, group, *[entry_id for entry_id, _ in batch])
    log.info("The queue is empty")


def create_group(queue: redis.Redis, stream: str, group: str) -> None:
    """Make a group that begins with the oldest entry, unless it is there."""
    try:
        queue.xgroup_create(stream, group, id="0", mkstream=True)
    except redis.ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise


def unacknowledged(queue: redis.Redis, stream: str, group: str, batch_size: int) -> Iterator[list[Entry]]:
    """Give what was delivered to a sync that died before it acknowledged."""
    start = "0-0"
    while True:
        start, batch, trimmed = queue.xautoclaim(
            stream, group, CONSUMER, min_idle_time=0, start_id=start, count=batch_size
        )
        if trimmed:
            log.warning(f"Trimmed from {stream} before they were read: {', '.join(trimmed)}")
        if batch:
            yield batch
        if start == "0-0":
            return


def new(queue: redis.Redis, stream: str, group: str, batch_size: int) -> Iterator[list[Entry]]:
    """Give what was never delivered; a batch that is not full is the last, so that the sync ends though more comes."""
    batch: list[Entry] | None = None
    while batch is None or len(batch) == batch_size:
        answer: Any = queue.xreadgroup(group, CONSUMER, {stream: ">"}, count=batch_size)
        batch = answer[0][1] if answer else []  # of the one stream that was asked for
        if batch:
            yield batch


def event_row(entry: Entry) -> dict[str, Any]:
    """Make a row of an entry, whose id begins with the time at which it was added, in milliseconds.

    >>> event_row(("1709285400123-0", {"body": "[1]"}))
    {'entry_id': '1709285400123-0', 'added_at': '2024-03-01T09:30:00.123000+00:00', 'kind': None, 'body': [1]}
    """
    entry_id, fields = entry
    milliseconds = int(entry_id.partition("-")[0])
    added_at = datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)
    return {
        "entry_id": entry_id,
        "added_at": added_at.isoformat(),
        "kind": fields.get("kind"),
        "body": json.loads(fields["body"]),
    }


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
