"""A table that the API exports as one CSV file: fetched whole, read line by line, each text made a value.

CSV has no types: every field is text, and an empty one may mean an empty text or no value. What it means here is said
in `user_row`, column by column.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.downloads import downloaded
from sdk_helpers.files import csv_rows
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "user",
            "primary_key": ["id"],
            "columns": {
                "id": "LONG",
                "name": "STRING",
                "note": "STRING",
                "active": "BOOLEAN",
                "credit": {"type": "DECIMAL", "precision": 12, "scale": 2},
                "born_on": "NAIVE_DATE",
                "seen_at": "UTC_DATETIME",
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    # To the disk first: a transfer that breaks goes on where it stopped, and the API does not wait for the destination.
    with ApiClient(configuration["base_url"]) as client, downloaded(client, "users.csv") as file:
        for fields in csv_rows(file):
            op.upsert(table="user", data=user_row(fields))
    op.checkpoint(state=state)


def user_row(fields: dict[str, str]) -> dict[str, Any]:
    """Make a row of one line.

    >>> user_row({"id": "7", "name": "Ada", "note": "", "active": "t", "credit": "", "born_on": "", "seen_at": ""})
    {'id': 7, 'name': 'Ada', 'note': '', 'active': True, 'credit': None, 'born_on': None, 'seen_at': None}
    """
    return {
        "id": int(fields["id"]),
        "name": fields["name"] or None,
        "note": fields["note"],  # here an empty text is a text
        "active": {"t": True, "f": False, "": None}[fields["active"]],  # bool("f") would be True
        "credit": fields["credit"] or None,  # as text: a float would lose digits
        "born_on": fields["born_on"] or None,
        "seen_at": fields["seen_at"] or None,
    }


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
