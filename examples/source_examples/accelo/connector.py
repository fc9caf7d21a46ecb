"""Accelo: companies, invoices, payments, prospects, jobs and staff, fetched in parallel.

OAuth 2.0 with client credentials, a rate limit that the threads share, and a cursor for each entity. How to use
threads in a connector is written in api_threading_utils.py.
"""

from datetime import UTC, datetime
from typing import Any

from api_threading_utils import Request, fetch_entities
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.auth import OAuth2ClientCredentials
from sdk_helpers.cursors import TableCursors, Watermark
from sdk_helpers.http import ApiClient
from sdk_helpers.retry import RateLimit

MONEY = {"type": "DECIMAL", "precision": 18, "scale": 2}
TIME = "UTC_DATETIME"
# The columns whose types the values do not say, as Accelo sends all of them as text.
ENTITIES: dict[str, dict[str, Any]] = {
    "companies": {"date_created": TIME, "date_modified": TIME},
    "invoices": {"amount": MONEY, "date_raised": TIME, "date_due": TIME, "date_modified": TIME},
    "payments": {"amount": MONEY, "date_created": TIME},
    "prospects": {"value": MONEY, "date_created": TIME, "date_modified": TIME},
    "jobs": {"date_created": TIME, "date_due": TIME, "date_modified": TIME},
    "staff": {},
}
# By which column a sync asks for what is new. Payments do not say when they were changed, only when they were made;
# staff say neither, and are read whole in each sync, last.
CURSORS = {
    "companies": "date_modified",
    "invoices": "date_modified",
    "payments": "date_created",
    "prospects": "date_modified",
    "jobs": "date_modified",
}
CALLS_PER_HOUR = 5000  # what Accelo allows a deployment


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"table": entity, "primary_key": ["id"], "columns": {"id": "LONG", **columns}}
        for entity, columns in ENTITIES.items()
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    cursors = TableCursors(state)
    # The filter is "after", and times are whole seconds: a second less, so that one is not cut in two.
    marks = {entity: Watermark(cursors[entity], lookback=1) for entity in ENTITIES}
    requests = [Request(entity, CURSORS.get(entity), marks[entity].since) for entity in ENTITIES]
    results = fetch_entities(
        accelo_client(configuration),
        requests,
        threads=int(configuration["threads"]),
        page_size=int(configuration.get("page_size", "100")),
    )
    for request, rows in results:
        log.info(f"{request.entity}: {len(rows)} rows")
        for row in rows:
            op.upsert(table=request.entity, data=table_row(row))
            if request.cursor is not None:
                marks[request.entity].see(int(row[request.cursor]))
        cursors[request.entity] = marks[request.entity].finish()
        op.checkpoint(state=cursors.state())


def accelo_client(configuration: dict[str, str]) -> ApiClient:
    address = configuration.get("base_url", f"https://{configuration['deployment']}.api.accelo.com")
    auth = OAuth2ClientCredentials(
        f"{address}/oauth2/v0/token",
        client_id=configuration["client_id"],
        client_secret=configuration["client_secret"],
        parameters={"scope": "read(all)"},
    )
    # A few at a time instead of all 5000 in the first minutes: bursts up to a hundred, then evenly.
    rate_limit = RateLimit(100, per_seconds=3600 * 100 / CALLS_PER_HOUR)
    return ApiClient(f"{address}/api/v0", auth=auth, rate_limit=rate_limit)


def table_row(row: dict[str, Any]) -> dict[str, Any]:
    """Read a row: Accelo writes ids and Unix times as text, and "0" or null for no time.

    >>> table_row({"id": "7", "date_due": "0", "date_modified": "1709285400"})
    {'id': 7, 'date_due': None, 'date_modified': '2024-03-01T09:30:00+00:00'}
    """
    times = {name: time_text(value) for name, value in row.items() if name.startswith("date_")}
    return {**row, **times, "id": int(row["id"])}


def time_text(seconds: str | int | None) -> str | None:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat() if seconds and int(seconds) else None


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
