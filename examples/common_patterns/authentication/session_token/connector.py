"""A token that a login call gives, and that may end in the middle of a sync.

The client logs in when it first needs the token, and once more when the server answers 401: then the request is sent
again with the new one, and the sync goes on.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.auth import SessionToken
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"table": table, "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING"}}
        for table in ("user", "team")
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    # A client of its own, without `auth`: the login itself has no token yet.
    with ApiClient(configuration["base_url"], secrets=[configuration["password"]]) as login_client:

        def login() -> str:
            log.info(f"Logging in as {configuration['user']}")
            credentials = {"user": configuration["user"], "password": configuration["password"]}
            token: str = login_client.post_json("login", json=credentials, idempotent=True)["token"]
            return token

        with ApiClient(configuration["base_url"], auth=SessionToken(login)) as client:
            for table in ("user", "team"):
                for row in client.get_json(f"{table}s"):
                    op.upsert(table=table, data=row)
                op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
