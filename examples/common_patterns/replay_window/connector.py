"""The last days again in each sync, for a source that corrects them later without saying so.

What an advertisement cost is known for certain only after some days. There is no time of change to ask for, so the
cursor goes forward with the days, and each sync begins three days before it.
"""

from datetime import date, timedelta
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import Watermark
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "spend",
            "primary_key": ["campaign", "day"],
            "columns": {
                "campaign": "STRING",
                "day": "NAIVE_DATE",
                "amount": {"type": "DECIMAL", "precision": 12, "scale": 2},
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    mark = Watermark(
        state,
        lookback=timedelta(days=int(configuration["replay_days"])),
        start=date.fromisoformat(configuration["first_day"]),
    )
    log.info(f"Reading from {mark.since}")
    with ApiClient(configuration["base_url"]) as client:
        for row in client.get_json("spend", params={"from": mark.since}):
            op.upsert(table="spend", data=row)
            mark.see(date.fromisoformat(row["day"]))
    op.checkpoint(state=mark.finish())


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
