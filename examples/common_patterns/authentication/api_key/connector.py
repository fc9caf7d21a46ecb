"""An API key in a header."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.auth import ApiKey
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "user", "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    # header="Authorization", prefix="Token " for an API that wants it there; query="api_key" for one that wants it
    # in the address, where it is blanked out in every message.
    auth = ApiKey(configuration["api_key"], header="X-API-Key")
    with ApiClient(configuration["base_url"], auth=auth) as client:
        for user in client.get_json("users"):
            op.upsert(table="user", data=user)
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
