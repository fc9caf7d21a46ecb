"""A bearer token that does not change, such as a personal access token."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.auth import Bearer
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "user", "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    with ApiClient(configuration["base_url"], auth=Bearer(configuration["token"])) as client:
        for user in client.get_json("users"):
            op.upsert(table="user", data=user)
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
