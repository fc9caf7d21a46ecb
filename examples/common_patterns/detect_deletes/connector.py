"""Deletes that the source does not report: all keys are compared with those of the last sync.

The state holds the key of each row with a short hash of the row. So one comparison finds what is new, what has changed
and what is gone, and only that is sent.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient
from sdk_helpers.keys import hash_fields


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "user", "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING", "team": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    known: dict[int, str] = dict(state.get("rows", []))
    with ApiClient(configuration["base_url"]) as client:
        users = {user["id"]: user for user in client.get_json("users")}
    rows = {user_id: hash_fields(user, list(user))[:16] for user_id, user in users.items()}

    gone = known.keys() - rows.keys()
    refuse_too_many(len(gone), len(known))
    changed = [user_id for user_id, digest in rows.items() if known.get(user_id) != digest]
    log.info(f"{len(rows)} users: {len(changed)} new or changed, {len(gone)} gone")
    for user_id in changed:
        op.upsert(table="user", data=users[user_id])
    for user_id in sorted(gone):
        op.delete(table="user", keys={"id": user_id})
    # Pairs, as the keys of a JSON object are text. Once, at the end: half a listing looks like deletions.
    op.checkpoint(state={"rows": [list(pair) for pair in rows.items()]})


def refuse_too_many(gone: int, known: int) -> None:
    """Stop when more than half of the rows are gone: far more often a filter or a failure than deletions."""
    if gone > known / 2:
        raise ValueError(
            f"{gone} of {known} users are gone at once, so nothing is deleted.\n"
            "If they really are, empty the state: headwater debug --full-resync"
        )


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
