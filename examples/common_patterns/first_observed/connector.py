"""When was a record first seen? For sources that do not say when it was created.

An upsert replaces the whole row, the time of first sight included. So only a record that is new is upserted, with that
time; a known one is sent as an update, which leaves the columns it does not name as they are. Ids grow, so the highest
one that was sent is all that has to be remembered.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "user",
            "primary_key": ["id"],
            "columns": {"id": "LONG", "name": "STRING", "first_observed": "UTC_DATETIME"},
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    highest = state.get("highest_id", 0)
    with ApiClient(configuration["base_url"]) as client:
        answer = client.get_json("users")
    # This API says when it answered; with one that does not, take datetime.now(UTC) once, before you ask.
    observed = answer["answered_at"]

    # Lowest id first: a checkpoint on the way, in a longer list, must not leave a lower id behind as if it were known.
    for user in sorted(answer["users"], key=lambda user: user["id"]):
        if user["id"] > highest:
            op.upsert(table="user", data={**user, "first_observed": observed})
            state["highest_id"] = user["id"]
        else:
            op.update(table="user", modified=user)
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
