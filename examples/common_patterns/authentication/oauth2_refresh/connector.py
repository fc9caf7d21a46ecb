"""OAuth 2.0 with a refresh token that is replaced at each use (RFC 6749, section 6).

Where the server rotates refresh tokens, the one of the configuration can be used once. Its successor must be safe
before anything else happens: it is saved in the state, with a checkpoint of its own, as soon as it has come.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.auth import OAuth2RefreshToken, TokenInState
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "user", "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    with ApiClient(configuration["base_url"]) as token_client:
        auth = OAuth2RefreshToken(
            "oauth/token",  # below base_url; a whole address when the tokens come from another host
            client=token_client,
            client_id=configuration["client_id"],
            client_secret=configuration["client_secret"],
            refresh_token=configuration["refresh_token"],
            store=TokenInState(state, save=op.checkpoint),
        )
        with ApiClient(configuration["base_url"], auth=auth) as client:
            for user in client.get_json("users"):
                op.upsert(table="user", data=user)
    op.checkpoint(state=state)  # with the tokens, which TokenInState has put there


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
