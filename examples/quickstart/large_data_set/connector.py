"""More data than memory: read a page or a line at a time, send it, and checkpoint on the way.

orders  from an API with pages: each page is asked for by the last id of the page before it
events  from an API without: one long answer, read line by line while it arrives

Generators keep one page, or one line, in memory. A checkpoint after each page makes it durable: after a
failure, and in the next sync, reading goes on behind the last row that was saved.
"""

import json
from collections.abc import Iterator
from typing import Any

import requests
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op
from requests.adapters import HTTPAdapter
from urllib3.util import Retry


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "orders",
            "primary_key": ["id"],
            "columns": {
                "id": "LONG",
                "customer": "STRING",
                "amount": {"type": "DECIMAL", "precision": 12, "scale": 2},
                "ordered_at": "UTC_DATETIME",
            },
        },
        {
            "table": "events",
            "primary_key": ["id"],
            "columns": {"id": "LONG", "kind": "STRING", "details": "JSON"},
        },
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    base_url = configuration["base_url"]
    page_size = int(configuration["page_size"])
    with patient_session() as session:
        for page in order_pages(session, base_url, page_size, after=state.get("last_order", 0)):
            for order in page:
                op.upsert(table="orders", data=order)
            state["last_order"] = page[-1]["id"]
            op.checkpoint(state=state)

        # Without pages there is no natural place for a checkpoint, so take one every `page_size` rows.
        for number, event in enumerate(exported_events(session, base_url, after=state.get("last_event", 0)), 1):
            op.upsert(table="events", data=event)
            state["last_event"] = event["id"]
            if number % page_size == 0:
                op.checkpoint(state=state)
    op.checkpoint(state=state)


def order_pages(session: requests.Session, base_url: str, page_size: int, after: int) -> Iterator[list[dict[str, Any]]]:
    """Give the orders with an id above `after`, in pages ordered by id.

    Asking by id instead of page number misses nothing when rows are added while we read.
    """
    while True:
        log.info(f"Reading orders after {after}")
        response = session.get(f"{base_url}/orders", params={"after": after, "limit": page_size}, timeout=60)
        response.raise_for_status()
        page = response.json()["orders"]
        if page:
            yield page
            after = page[-1]["id"]
        if len(page) < page_size:
            return


def exported_events(session: requests.Session, base_url: str, after: int) -> Iterator[dict[str, Any]]:
    """Give the events with an id above `after` from an export that always begins at the first one.

    `stream=True` hands out the lines while they arrive, instead of keeping the whole answer in memory.
    """
    log.info(f"Reading events after {after}")
    with session.get(f"{base_url}/events/export", stream=True, timeout=60) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            event = json.loads(line)
            if event["id"] > after:
                yield event


def patient_session() -> requests.Session:
    """Make a session that waits and asks again when the API is busy: a long read will meet that."""
    retry = Retry(total=5, backoff_factor=1, status_forcelist=[429, 500, 502, 503, 504])
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.mount("http://", HTTPAdapter(max_retries=retry))
    return session


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
