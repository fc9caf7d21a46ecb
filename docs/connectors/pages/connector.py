"""Reads orders page by page, with a checkpoint after each page."""

from typing import Any

import requests
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "orders", "primary_key": ["id"]}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    page = state.get("next", 1)
    while page is not None:
        answer = requests.get(
            f"{configuration['api']}/orders",
            params={"page": page},
            headers={"Authorization": f"Bearer {configuration['api_key']}"},
            timeout=60,
        )
        answer.raise_for_status()
        document = answer.json()
        for order in document["orders"]:
            op.upsert("orders", order)
        page = document["next"]
        op.checkpoint({"next": page} if page else {})


connector = Connector(update=update, schema=schema)
