"""CSV files in an S3 bucket: each new or overwritten file once, oldest first, streamed.

CSV has no types, so each row is read into the ones that the table has. A row that cannot be read goes to
`orders_quarantine` with the reason, and the others go on; a file is committed as a whole, together with the
note that it is done.
"""

from datetime import date
from decimal import Decimal
from typing import Any

import boto3
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.files import csv_rows
from sdk_helpers.records import Records
from sdk_helpers.s3 import S3Feed


def order_row(row: dict[str, Any]) -> dict[str, Any]:
    """Read a line of the file; what is not as it should be raises.

    >>> order_row({"id": "1", "amount": "19.50", "ordered_on": "2024-03-01", "customer": ""})
    {'id': 1, 'amount': '19.50', 'ordered_on': '2024-03-01', 'customer': None}
    """
    return {
        "id": int(row["id"]),
        "amount": f"{Decimal(row['amount']):f}",
        "ordered_on": date.fromisoformat(row["ordered_on"]).isoformat(),
        "customer": row["customer"] or None,
    }


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    orders, quarantine = Records("orders", order_row).schema(["id"])
    types = {"id": "LONG", "amount": {"type": "DECIMAL", "precision": 12, "scale": 2}, "ordered_on": "NAIVE_DATE"}
    return [{**orders, "columns": {**types, "raw": "JSON"}}, quarantine]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    orders = Records("orders", order_row)
    feed = S3Feed(
        s3_client(configuration), configuration["bucket"], prefix=configuration["prefix"], suffix=".csv", state=state
    )
    for item in feed.new():
        log.info(f"Reading s3://{item.bucket}/{item.key} ({item.size} bytes)")
        with feed.open(item) as body:
            for line in csv_rows(body):
                for table, row in orders.rows(line):
                    op.upsert(table=table, data=row)
        feed.done(item)
        op.checkpoint(state=feed.state())
    if orders.bad:
        log.warning(orders.summary())


def s3_client(configuration: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        region_name=configuration["region"],
        endpoint_url=configuration.get("endpoint_url"),  # for R2, MinIO and others that speak S3
        aws_access_key_id=configuration["access_key_id"],
        aws_secret_access_key=configuration["secret_access_key"],
    )


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
