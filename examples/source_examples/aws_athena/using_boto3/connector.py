"""Athena through boto3: start a query, wait for it, read its result page by page.

The API gives every value as text, and the names of the columns as the first row of the first page. The
parameter of the query is the last time of change seen; rows with that very time come again, for others may have
got it since.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import boto3
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

QUERY = """
SELECT id, customer, amount, weight, paid, ordered_on, updated_at
FROM orders
WHERE updated_at >= ?
ORDER BY updated_at, id
"""
FIRST_TIME = "1970-01-01 00:00:00.000"
WAIT_SECONDS = 1.0
READERS: dict[str, Callable[[str], object]] = {
    "tinyint": int,
    "smallint": int,
    "integer": int,
    "bigint": int,
    "float": float,
    "double": float,
    "boolean": lambda text: text == "true",
    "timestamp": lambda text: datetime.fromisoformat(text).isoformat(),
}  # everything else stays text: dates and decimals are exact as they are


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "orders",
            "primary_key": ["id"],
            "columns": {
                "id": "LONG",
                "customer": "STRING",
                "amount": {"type": "DECIMAL", "precision": 12, "scale": 2},
                "weight": "DOUBLE",
                "paid": "BOOLEAN",
                "ordered_on": "NAIVE_DATE",
                "updated_at": "NAIVE_DATETIME",
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    athena = athena_client(configuration)
    since = state.get("updated_at", FIRST_TIME)
    query_id = start_query(athena, configuration, QUERY, [f"TIMESTAMP '{since}'"])
    wait_for(athena, query_id)
    for page in result_pages(athena, query_id):
        for row in page:
            op.upsert(table="orders", data=row)
        if page:
            # In order of time, so all before this row is there.
            state["updated_at"] = page[-1]["updated_at"].replace("T", " ")
        op.checkpoint(state=state)


def start_query(athena: Any, configuration: dict[str, str], query: str, parameters: list[str]) -> str:
    answer = athena.start_query_execution(
        QueryString=query,
        ExecutionParameters=parameters,
        QueryExecutionContext={"Database": configuration["database"]},
        WorkGroup=configuration["workgroup"],
        ResultConfiguration={"OutputLocation": configuration["output_location"]},
    )
    return str(answer["QueryExecutionId"])


def wait_for(athena: Any, query_id: str) -> None:
    """Return when the query has succeeded. Errors: RuntimeError with Athena's own reason."""
    while True:
        status = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            return
        if status["State"] in ("FAILED", "CANCELLED"):
            raise RuntimeError(f"Athena query {query_id} {status['State']}: {status.get('StateChangeReason')}")
        log.info(f"Athena query {query_id} is {status['State']}")
        time.sleep(WAIT_SECONDS)


def result_pages(athena: Any, query_id: str) -> Iterator[list[dict[str, Any]]]:
    """Give the rows of a result, a thousand at a time, with the types that Athena says they have."""
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
    for number, page in enumerate(pages):
        columns = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        rows = page["ResultSet"]["Rows"]
        yield [typed_row(row["Data"], columns) for row in (rows[1:] if number == 0 else rows)]


def typed_row(values: list[dict[str, str]], columns: list[dict[str, Any]]) -> dict[str, Any]:
    """Read one row; a value that is not there is NULL.

    >>> typed_row([{"VarCharValue": "7"}, {}], [{"Name": "id", "Type": "bigint"}, {"Name": "paid", "Type": "boolean"}])
    {'id': 7, 'paid': None}
    """
    row = {}
    for column, value in zip(columns, values, strict=True):
        text = value.get("VarCharValue")
        read = READERS.get(column["Type"], str)
        row[column["Name"]] = None if text is None else read(text)
    return row


def athena_client(configuration: dict[str, str]) -> Any:
    return boto3.client(
        "athena",
        region_name=configuration["region"],
        endpoint_url=configuration.get("endpoint_url"),
        aws_access_key_id=configuration["access_key_id"],
        aws_secret_access_key=configuration["secret_access_key"],
    )


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
