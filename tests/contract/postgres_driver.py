"""How the contract suite reaches Postgres: as a role that may make schemas in its database, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from headwater.destinations.postgres import Postgres
from headwater.destinations.postgres_sql import quote, table_name
from headwater.schema import Table
from headwater.types.names import FLOAT, JSON
from tests.postgres_server import PostgresServer, postgres_server

LOADER = "loader"

# psycopg reads `real` by its shortest text, which is another 64-bit number, and JSON into Python objects.
_READ_AS = {FLOAT: "::float8", JSON: "::text"}


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        running.execute(f"CREATE ROLE {LOADER} LOGIN")
        yield running


class PostgresDriver:
    def __init__(self, server: PostgresServer, database: str, *, role: str = LOADER) -> None:
        self.server = server
        self.database = database
        self.url = server.url(database, role)

    def destination(self, connection: str) -> Postgres:
        return Postgres(self.url, connection=connection)

    def rows(self, table: Table) -> list[dict[str, Any]]:
        columns = ", ".join(quote(name) + _READ_AS.get(kind.name, "") for name, kind in table.columns.items())
        found = self.fetch(f"SELECT {columns} FROM {table_name(table)}")
        return [dict(zip(table.columns, row, strict=True)) for row in found]

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        return self.server.fetch(sql, database=self.database)

    def execute(self, sql: str) -> None:
        self.server.execute(sql, database=self.database)


@contextmanager
def postgres_driver(server: PostgresServer) -> Iterator[PostgresDriver]:
    """Make a database whose every right is taken back from PUBLIC, and give the loader what it needs there."""
    with server.database() as database:
        server.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
        server.execute(f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {LOADER}")
        server.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC", database=database)
        yield PostgresDriver(server, database)
