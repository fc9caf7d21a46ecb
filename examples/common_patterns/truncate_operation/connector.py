"""What truncate does, in six steps: each sync takes one, so that you can look at the table in between.

Truncate marks as deleted what was written before it. An upsert after it inserts, or brings a row back.
"""

from collections.abc import Callable
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "product", "primary_key": ["id"], "columns": {"id": "INT", "name": "STRING", "price": "DOUBLE"}}]


def insert_three() -> None:
    op.upsert(table="product", data={"id": 1, "name": "Laptop", "price": 999.99})
    op.upsert(table="product", data={"id": 2, "name": "Mouse", "price": 29.99})
    op.upsert(table="product", data={"id": 3, "name": "Keyboard", "price": 79.99})


def update_one() -> None:
    op.update(table="product", modified={"id": 1, "price": 899.99})


def truncate() -> None:
    op.truncate(table="product")  # 1, 2 and 3 are deleted, and keep their values


def insert_two() -> None:
    op.upsert(table="product", data={"id": 4, "name": "Monitor", "price": 299.99})
    op.upsert(table="product", data={"id": 5, "name": "Headphones", "price": 149.99})


def revive_one() -> None:
    op.upsert(table="product", data={"id": 1, "name": "Laptop Pro", "price": 1249.99})


def delete_one() -> None:
    op.delete(table="product", keys={"id": 5})


STEPS: list[Callable[[], None]] = [insert_three, update_one, truncate, insert_two, revive_one, delete_one]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    taken = state.get("steps_taken", 0)
    if taken == len(STEPS):
        log.info("All steps are taken")
        return
    log.info(f"Step {taken + 1}: {STEPS[taken].__name__}")
    STEPS[taken]()
    op.checkpoint(state={"steps_taken": taken + 1})


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
