"""A long time, one window after the other: the API gives at most a day of readings in one answer.

Each window is asked for once, from oldest to newest, and its end is the cursor. Windows are half open, `[from, until)`:
a reading on the border belongs to one of them only.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import instant, time_windows
from sdk_helpers.http import ApiClient

WINDOW = timedelta(days=1)
# Readings reach the API with a delay: the last minutes are left to the next sync.
SETTLED_AFTER = timedelta(minutes=10)


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "reading",
            "primary_key": ["sensor", "measured_at"],
            "columns": {"sensor": "STRING", "measured_at": "UTC_DATETIME", "celsius": "DOUBLE"},
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    start = instant(state.get("until") or configuration["start"])
    # Chosen once: a moving end would never be reached.
    end = instant(configuration["end"]) if configuration["end"] else datetime.now(UTC) - SETTLED_AFTER
    with ApiClient(configuration["base_url"]) as client:
        for window_start, window_end in time_windows(start, end, WINDOW):
            log.info(f"Reading from {window_start} until {window_end}")
            for reading in client.get_json("readings", params={"from": window_start, "until": window_end}):
                op.upsert(table="reading", data=reading)
            op.checkpoint(state={"until": window_end.isoformat()})


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
