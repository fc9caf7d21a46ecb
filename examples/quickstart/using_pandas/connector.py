"""A pandas DataFrame between source and table: clean, join and total there, then send its records."""

from typing import Any

import pandas as pd
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

ORDERS = [
    {"order_id": 1, "customer_id": 7, "ordered_at": "2024-03-01T09:30:00Z", "amount": 19.5},
    {"order_id": 2, "customer_id": 8, "ordered_at": "2024-03-01T23:59:59Z", "amount": 5.25},
    {"order_id": 3, "customer_id": 7, "ordered_at": "2024-03-02T00:00:00Z", "amount": None},
    {"order_id": 4, "customer_id": 7, "ordered_at": "2024-03-02T08:15:00Z", "amount": 80.0},
]
CUSTOMERS = [{"customer_id": 7, "country": "NO"}, {"customer_id": 9, "country": "FR"}]


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "customer_day",
            "primary_key": ["customer_id", "day"],
            "columns": {
                "customer_id": "LONG",
                "day": "NAIVE_DATE",
                "country": "STRING",
                "orders": "LONG",
                "amount": "DOUBLE",
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    totals = daily_totals(pd.DataFrame(ORDERS), pd.DataFrame(CUSTOMERS))
    log.info(f"Sending {len(totals)} rows")
    # pandas writes a missing value as NaN, NaT or NA; None is what becomes NULL in every column type.
    for row in totals.astype(object).where(totals.notna(), None).to_dict("records"):
        op.upsert(table="customer_day", data=row)
    op.checkpoint(state=state)


def daily_totals(orders: pd.DataFrame, customers: pd.DataFrame) -> pd.DataFrame:
    """Count and total the orders of each customer and day."""
    by_day = orders.assign(day=pd.to_datetime(orders["ordered_at"]).dt.date)
    totals = by_day.groupby(["customer_id", "day"], as_index=False).agg(
        orders=("order_id", "count"),
        amount=("amount", lambda amounts: amounts.sum(min_count=1)),  # nothing known is not 0
    )
    return totals.merge(customers, on="customer_id", how="left")


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
