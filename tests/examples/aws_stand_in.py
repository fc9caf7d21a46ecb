"""AWS on 127.0.0.1: moto's server, with objects as old as the seed says, and DuckDB to answer Athena's queries.

A seed is a .json file for S3, DynamoDB and IAM, or a .sql file with the tables that Athena queries:

    {
      "s3": {"bucket": {"key.csv": {"text": "id\\n1\\n", "last_modified": "2024-03-01T09:30:00Z"}}},
      "dynamodb": {"table": {"key": ["id"], "items": [{"id": {"N": "1"}}]}}
    }

moto itself answers Athena's queries with nothing, or with rows it was given beforehand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import duckdb
import requests
from moto.athena.models import AthenaBackend, QueryResults
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

_ACCOUNT = "123456789012"
_REGION = "us-east-1"
_CREDENTIALS = {"region_name": _REGION, "aws_access_key_id": "test", "aws_secret_access_key": "test"}
# What Athena calls the types of DuckDB; those not here have the same name.
_ATHENA_TYPES = {"INTEGER": "integer", "FLOAT": "float", "TIMESTAMP WITH TIME ZONE": "timestamp with time zone"}


@dataclass(eq=False)
class AwsServer:
    """A moto server that runs.

    athena  the tables that queries see; one database, each of its schemas a database of Athena
    """

    url: str
    athena: duckdb.DuckDBPyConnection

    def fill(self, seeds: Sequence[Path]) -> None:
        """Forget everything, and apply the seeds one after the other."""
        requests.post(f"{self.url}/moto-api/reset", timeout=30).raise_for_status()
        for schema in self._schemas():
            self.athena.execute(f'DROP SCHEMA "{schema}" CASCADE')
        for seed in seeds:
            if seed.suffix == ".sql":
                self.athena.execute(seed.read_text(encoding="utf-8"))
            else:
                self._apply(json.loads(seed.read_text(encoding="utf-8")))

    def _schemas(self) -> list[str]:
        found = self.athena.execute(
            "SELECT schema_name FROM duckdb_schemas() WHERE NOT internal AND database_name = current_database()"
        )
        return [name for (name,) in found.fetchall()]

    def _apply(self, seed: dict[str, Any]) -> None:
        unknown = seed.keys() - {"s3", "dynamodb"}
        if unknown:
            raise ValueError(f"a seed for AWS knows s3 and dynamodb, not {', '.join(sorted(unknown))}")
        for bucket, objects in seed.get("s3", {}).items():
            self._put_objects(bucket, objects)
        for table, content in seed.get("dynamodb", {}).items():
            self._put_items(table, content["key"], content["items"])

    def _put_objects(self, bucket: str, objects: dict[str, dict[str, str]]) -> None:
        client = boto3.client("s3", endpoint_url=self.url, **_CREDENTIALS)  # type: ignore[call-overload]  # typed by name
        client.create_bucket(Bucket=bucket)
        keys = s3_backends[_ACCOUNT]["aws"].buckets[bucket].keys
        for key, content in objects.items():
            client.put_object(Bucket=bucket, Key=key, Body=content["text"].encode())
            modified = datetime.fromisoformat(content["last_modified"]).astimezone(UTC)
            keys[key].last_modified = modified.replace(tzinfo=None)  # as moto keeps it

    def _put_items(self, table: str, key: list[str], items: list[dict[str, Any]]) -> None:
        client = boto3.client("dynamodb", endpoint_url=self.url, **_CREDENTIALS)  # type: ignore[call-overload]  # typed by name
        if table not in client.list_tables()["TableNames"]:
            client.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": next(iter(items[0][name]))} for name in key
                ],
                KeySchema=[
                    {"AttributeName": name, "KeyType": kind} for name, kind in zip(key, ("HASH", "RANGE"), strict=False)
                ],
            )
        for item in items:
            client.put_item(TableName=table, Item=item)


@contextmanager
def aws_server() -> Iterator[AwsServer]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with duckdb.connect() as athena:
            athena.execute("SET TimeZone = 'UTC'")
            with mock.patch.object(AthenaBackend, "start_query_execution", _answering(athena)):
                yield AwsServer(f"http://{host}:{port}", athena)
    finally:
        server.stop()


def _answering(athena: duckdb.DuckDBPyConnection) -> Callable[..., str]:
    """Make moto run a query when it is started, and keep the rows as its results."""
    started: Callable[..., str] = AthenaBackend.start_query_execution

    def start_query_execution(
        backend: AthenaBackend,
        query: str,
        context: dict[str, str],
        config: dict[str, Any],
        workgroup: str,
        execution_parameters: list[str] | None,
    ) -> str:
        # Parameters are SQL literals, as Athena's API has them.
        sql = query.replace("?", "{}").format(*execution_parameters) if execution_parameters else query
        with athena.cursor() as cursor:
            cursor.execute("SET TimeZone = 'UTC'")
            if context.get("Database"):
                cursor.execute(f'USE "{context["Database"]}"')
            backend.query_results_queue.append(_results(cursor.execute(sql)))
        return started(backend, query, context, config, workgroup, execution_parameters)

    return start_query_execution


def _results(cursor: duckdb.DuckDBPyConnection) -> QueryResults:
    """Write a result as Athena's API has it: everything is text, and the names come as the first row."""
    assert cursor.description is not None
    columns = [(name, str(kind)) for name, kind, *_ in cursor.description]
    header = {"Data": [{"VarCharValue": name} for name, _ in columns]}
    rows = [{"Data": list(map(_datum, row))} for row in cursor.fetchall()]
    return QueryResults(rows=[header, *rows], column_info=[_column(name, kind) for name, kind in columns])


def _datum(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"VarCharValue": str(value).lower()}
    if isinstance(value, datetime):
        zone = " UTC" if value.tzinfo else ""
        return {"VarCharValue": value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03}{zone}"}
    return {"VarCharValue": str(value)}


def _column(name: str, kind: str) -> dict[str, Any]:
    base, _, digits = kind.partition("(")
    precision, _, scale = digits.rstrip(")").partition(",")
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": _ATHENA_TYPES.get(base, base.lower()),
        "Precision": int(precision or 0),
        "Scale": int(scale or 0),
        "Nullable": "UNKNOWN",
        "CaseSensitive": False,
    }
