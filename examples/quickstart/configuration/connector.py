"""Secrets are values of the configuration: here an API key that is sent as a header.

They are never written in this file. On your machine they stand in configuration.json (keep it out of version
control), on Fivetran in the connection's settings, stored encrypted. Both arrive in `configuration`.
"""

from typing import Any

import requests
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    # A missing value is found here, before anything is read, and named.
    for name in ("base_url", "api_key"):
        if not configuration.get(name):
            raise ValueError(f"The configuration has no {name!r}: add it to configuration.json")
    return [
        {
            "table": "message",
            "primary_key": ["id"],
            "columns": {"id": "INT", "text": "STRING", "sent_at": "UTC_DATETIME"},
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    # Log where you read from, never the key. A key in a header, unlike one in the address,
    # does not turn up in error messages and in the logs of servers.
    log.info(f"Reading messages from {configuration['base_url']}")
    response = requests.get(
        f"{configuration['base_url']}/messages",
        headers={"X-API-Key": configuration["api_key"]},
        timeout=30,
    )
    response.raise_for_status()  # 401 when the key is wrong

    for message in response.json()["messages"]:
        op.upsert(table="message", data=message)
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
