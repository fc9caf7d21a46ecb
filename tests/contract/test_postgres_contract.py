"""The contract over Postgres, and what is particular to it: names, types, privileges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.testing import contract
from headwater.testing.contract import DestinationContract
from headwater.types.names import JSON, ColumnType
from tests.contract.postgres_driver import PostgresDriver, postgres_driver
from tests.contract.postgres_driver import server as server
from tests.postgres_server import PostgresServer


@pytest.fixture
def driver(server: PostgresServer) -> Iterator[PostgresDriver]:
    with postgres_driver(server) as made:
        yield made


class TestPostgres(DestinationContract):
    reads_while_open = True
    keeps_nul = False

    @pytest.fixture
    def driver(self, server: PostgresServer) -> Iterator[PostgresDriver]:  # type: ignore[override]  # ends it as well
        with postgres_driver(server) as made:
            yield made
