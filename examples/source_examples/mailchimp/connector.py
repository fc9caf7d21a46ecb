"""Mailchimp lists and their members, by a client class that scripts and notebooks can use as well.

mailchimp.py   the class: one method for each endpoint, tables out
connector.py   which of its methods fill which table, and where the next sync begins
"""

from datetime import timedelta
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op
from mailchimp import Mailchimp

from sdk_helpers.cursors import TableCursors, Watermark, instant


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"table": "lists", "primary_key": ["id"], "columns": {"date_created": "UTC_DATETIME", "stats": "JSON"}},
        {
            "table": "members",
            "primary_key": ["list_id", "id"],
            "columns": {"last_changed": "UTC_DATETIME", "merge_fields": "JSON", "tags": "JSON"},
        },
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    mailchimp = Mailchimp(configuration=configuration)
    cursors = TableCursors(state, key="lists")
    for audience in mailchimp.get_lists():
        op.upsert(table="lists", data=audience)
        changed = Watermark(cursors[audience["id"]], lookback=timedelta(minutes=5))
        for member in mailchimp.get_members(audience["id"], since_last_changed=changed.since):
            op.upsert(table="members", data=member)
            changed.see(instant(member["last_changed"]))
        cursors[audience["id"]] = changed.finish()
        op.checkpoint(state=cursors.state())


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
