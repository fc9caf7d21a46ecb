"""New tables at the source are noticed, and read from their beginning, while the others go on where they were.

The state has one cursor for each table that was read. A table without one is new: it is read whole. One that is gone
from the source is forgotten, so that it is read whole again should it come back.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import TableCursors, Watermark
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    # Asked anew in each sync: the source says which tables there are.
    with ApiClient(configuration["base_url"]) as client:
        return [{"table": table["name"], "primary_key": table["primary_key"]} for table in client.get_json("tables")]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    cursors = TableCursors(state)
    tracked = set(cursors.state()["tables"])
    with ApiClient(configuration["base_url"]) as client:
        names = [table["name"] for table in client.get_json("tables")]
        for name in names:
            log.info(f"Table {name}: {'what changed' if name in tracked else 'new, so its whole history'}")
            cursors[name] = sync_table(client, name, cursors[name])
            op.checkpoint(state=cursors.state())

    for gone in tracked.difference(names):
        log.warning(f"Table {gone} is gone from the source; its rows stay in the destination")
        cursors.forget(gone)
    op.checkpoint(state=cursors.state())


def sync_table(client: ApiClient, name: str, cursor: dict[str, Any]) -> dict[str, Any]:
    """Send what changed in one table, and give its new cursor."""
    mark = Watermark(cursor)
    for row in client.get_json(f"tables/{name}/rows", params={"version_from": mark.since}):
        op.upsert(table=name, data=row)
        mark.see(row["version"])
    return mark.finish()


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
