"""DynamoDB tables, read with the temporary credentials of an IAM role.

The keys in the configuration may do one thing only: assume the role (STS). What the role may read is decided in
the account that owns the tables, and an external id keeps others from using the role through this connector.

A table is scanned in each sync, for DynamoDB has no time of change. Each page becomes durable together with the
key where it ends, so an interrupted scan goes on there.
"""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
from boto3.dynamodb.types import Binary
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import TableCursors, cursor_from_json, cursor_to_json

TABLES: dict[str, dict[str, Any]] = {
    "orders": {
        "primary_key": ["customer", "number"],
        "columns": {
            "number": "LONG",
            "total": {"type": "DECIMAL", "precision": 12, "scale": 2},
            "ordered_at": "UTC_DATETIME",
            "items": "JSON",
            "tags": "JSON",
        },
    }
}
RENEW_BEFORE = timedelta(minutes=5)


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": table, **description} for table, description in TABLES.items()]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    role = Role(configuration)
    cursors = TableCursors(state)
    for table in TABLES:
        sync_table(role, table, cursors, page_size=int(configuration.get("page_size", "1000")))


def sync_table(role: "Role", table: str, cursors: TableCursors, *, page_size: int) -> None:
    """Scan a table from where the last sync was interrupted, or from its beginning."""
    count = 0
    start = cursors[table].get("scanned_to")
    while True:
        place = {} if start is None else {"ExclusiveStartKey": key_at(start)}
        page = role.dynamodb().Table(table).scan(Limit=page_size, ConsistentRead=True, **place)
        for item in page["Items"]:
            op.upsert(table=table, data=table_row(item, TABLES[table]["columns"]))
        count += len(page["Items"])
        if "LastEvaluatedKey" not in page:
            break
        start = place_of(page["LastEvaluatedKey"])
        cursors[table] = {"scanned_to": start}
        op.checkpoint(state=cursors.state())
    cursors.forget(table)
    op.checkpoint(state=cursors.state())
    log.info(f"{table}: {count} items")


class Role:
    """An IAM role; its credentials live for an hour, and are renewed when a long scan outlives them."""

    def __init__(self, configuration: dict[str, str]) -> None:
        self._configuration = configuration
        self._resource: Any = None
        self._renew_at: datetime | None = None

    def dynamodb(self) -> Any:
        """Give DynamoDB as the role sees it, for the next five minutes at least."""
        if self._renew_at is None or datetime.now(UTC) > self._renew_at:
            credentials = self._assumed()
            self._renew_at = credentials["Expiration"] - RENEW_BEFORE
            self._resource = boto3.resource(
                "dynamodb",
                region_name=self._configuration["region"],
                endpoint_url=self._configuration.get("endpoint_url"),
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
            )
        return self._resource

    def _assumed(self) -> Any:
        sts = boto3.client(
            "sts",
            region_name=self._configuration["region"],
            endpoint_url=self._configuration.get("endpoint_url"),
            aws_access_key_id=self._configuration["access_key_id"],
            aws_secret_access_key=self._configuration["secret_access_key"],
        )
        answer = sts.assume_role(
            RoleArn=self._configuration["role_arn"],
            RoleSessionName="connector",
            ExternalId=self._configuration["external_id"],
        )
        return answer["Credentials"]


def place_of(key: dict[str, Any]) -> dict[str, Any]:
    """Write the key of an item as JSON; `key_at` gives it back as DynamoDB takes it, where numbers are no floats.

    >>> place_of({"customer": "ada", "number": Decimal("2"), "at": Decimal("1709285400.5"), "seal": Binary(b"x")})
    {'customer': 'ada', 'number': 2, 'at': {'decimal': '1709285400.5'}, 'seal': {'base64': 'eA=='}}
    >>> key_at(place_of({"at": Decimal("1709285400.5")}))
    {'at': Decimal('1709285400.5')}
    """
    return {name: cursor_to_json(key_value(value)) for name, value in key.items()}


def key_at(place: dict[str, Any]) -> dict[str, Any]:
    return {name: cursor_from_json(value) for name, value in place.items()}


def key_value(value: Any) -> Any:
    if isinstance(value, Binary):
        return bytes_of(value)
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def table_row(item: dict[str, Any], columns: dict[str, Any]) -> dict[str, Any]:
    """Turn an item into a row: exact numbers are text where the column is a DECIMAL."""
    return {name: value_of(value, columns.get(name)) for name, value in item.items()}


def value_of(value: Any, column: Any) -> Any:
    if isinstance(value, Decimal) and isinstance(column, dict):
        return f"{value:f}"
    return stored(value)


def stored(value: Any) -> Any:
    """Turn a value of DynamoDB into one that a column can hold; of bytes inside a document JSON holds the base64.

    >>> stored({"n": Decimal("2"), "price": Decimal("0.5"), "colours": {"red", "blue"}, "seal": Binary(b"x")})
    {'n': 2, 'price': 0.5, 'colours': ['blue', 'red'], 'seal': 'eA=='}
    >>> stored(Binary(b"x")), stored({Decimal("2"), Decimal("0.12345678901234567890")})
    (b'x', ['0.12345678901234567890', 2])
    """
    if isinstance(value, Binary):
        return bytes_of(value)
    if isinstance(value, dict):
        return {name: inside(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [inside(inner) for inner in value]
    if isinstance(value, set):
        # A set has no order, and a row should look the same twice.
        return [inside(inner) for inner in sorted(value, key=lambda v: bytes_of(v) if isinstance(v, Binary) else v)]
    return number(value) if isinstance(value, Decimal) else value


def inside(value: Any) -> Any:
    return b64encode(bytes_of(value)).decode() if isinstance(value, Binary) else stored(value)


def bytes_of(value: Any) -> bytes:
    return bytes(value.value)


def number(value: Decimal) -> int | float | str:
    """DynamoDB's numbers have 38 digits; what a float cannot hold exactly is text."""
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else f"{value:f}"


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
