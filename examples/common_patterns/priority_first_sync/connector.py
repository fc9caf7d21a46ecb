"""The newest first, the history later: people can work with this week while last year is still being read.

Every sync reads what is new, then some windows of history, going back in time:

    {"newest": end of what was read, "oldest": its beginning}

Between the two nothing is missing, so the state stays this small however long the history is.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import instant
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "ticket",
            "primary_key": ["id"],
            "columns": {"id": "LONG", "subject": "STRING", "updated_at": "UTC_DATETIME"},
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    now = instant(configuration["now"]) if configuration["now"] else datetime.now(UTC)
    first = instant(configuration["history_from"])
    recent = timedelta(days=int(configuration["recent_days"]))
    window = timedelta(days=int(configuration["window_days"]))

    with ApiClient(configuration["base_url"]) as client:
        # First what is new: since the last sync, or, in the first one, the recent days.
        newest = instant(state["newest"]) if state else max(first, now - recent)
        oldest = instant(state["oldest"]) if state else newest
        if newest < now:
            send_tickets(client, newest, now)
            newest = now
            op.checkpoint(state=state_of(newest, oldest))

        # Then the history, the youngest of it first; what is left over waits for the next sync.
        for _ in range(int(configuration["windows_per_sync"])):
            if oldest <= first:
                return
            before, oldest = oldest, max(first, oldest - window)
            send_tickets(client, oldest, before)
            op.checkpoint(state=state_of(newest, oldest))


def send_tickets(client: ApiClient, since: datetime, until: datetime) -> None:
    log.info(f"Reading tickets that changed from {since} until {until}")
    for ticket in client.get_json("tickets", params={"changed_since": since, "changed_before": until}):
        op.upsert(table="ticket", data=ticket)


def state_of(newest: datetime, oldest: datetime) -> dict[str, str]:
    return {"newest": newest.isoformat(), "oldest": oldest.isoformat()}


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
