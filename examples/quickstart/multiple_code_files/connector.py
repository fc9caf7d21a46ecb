"""A connector of several files: connector.py imports its neighbours by their names.

connector.py    what is synced: the tables, and the order of the operations
crm/source.py   how the source is read
crm/clean.py    how a raw record becomes a row; plain functions, easy to test
"""

from typing import Any

from crm.clean import customer_row
from crm.source import read_customers
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "customer",
            "primary_key": ["id"],
            "columns": {
                "id": "INT",
                "name": "STRING",
                "email": "STRING",
                "customer_since": "NAIVE_DATE",
                "credit_limit": {"type": "DECIMAL", "precision": 10, "scale": 2},
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    for record in read_customers():
        op.upsert(table="customer", data=customer_row(record))
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
