"""A column whose values change their type from sync to sync: a whole number, a fraction, a text, a fraction again.

The column grows to a type that holds all of them, and never shrinks. No row is lost, and none is rewritten by hand.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

# LONG, then DOUBLE, then STRING; and STRING it stays.
VALUES: list[int | float | str] = [42, 42.5, "forty-two and three quarters", 42.25]


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    # Without a primary key each different row is a row of its own. A declared type would grow in the same way.
    return [{"table": "change"}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    number = state.get("sent", 0)
    if number == len(VALUES):
        log.info("All values are sent")
        return
    op.upsert(table="change", data={"value": VALUES[number]})
    op.checkpoint(state={"sent": number + 1})


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
