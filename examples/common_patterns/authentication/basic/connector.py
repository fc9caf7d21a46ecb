"""User and password: basic authentication."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.auth import Basic
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "user", "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    # Many APIs want their key as the user, and nothing as the password: Basic(configuration["api_key"]).
    auth = Basic(configuration["user"], configuration["password"])
    with ApiClient(configuration["base_url"], auth=auth) as client:
        for user in client.get_json("users"):
            op.upsert(table="user", data=user)
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
