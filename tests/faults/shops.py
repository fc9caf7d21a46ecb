"""Makes the projects that the fault matrix is played on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.cli_project import environment
from tests.contract.postgres_driver import postgres_driver
from tests.faults.matrix import MEMORY, POSTGRES
from tests.faults.memory_shop import MemoryShop, MemoryWarehouse
from tests.faults.shop import Shop
from tests.faults.warehouses import DuckDBWarehouse, PostgresWarehouse, Tables, Warehouse
from tests.postgres_server import PostgresServer

Undisturbed = Callable[[str], Sequence[Tables]]


class Shops:
    """Makes projects and empties away what they load to.

    folder       where the projects go
    undisturbed  gives the tables after each page, by kind of destination
    """

    def __init__(
        self, folder: Path, request: pytest.FixtureRequest, stack: ExitStack, undisturbed: Undisturbed
    ) -> None:
        self._folder = folder
        self._request = request
        self._stack = stack
        self._undisturbed = undisturbed

    def __call__(self, kind: str, name: str = "shop") -> Shop:
        path = self._folder / name
        make = MemoryShop if kind == MEMORY else Shop
        # Hundreds of processes compile the modules once.
        cached = {"PYTHONPYCACHEPREFIX": str(_compiled(self._request)), "PYTHONDONTWRITEBYTECODE": ""}
        shadowed = environment(self._folder / "shadows") | cached
        return make(path, self._warehouse(kind, path), shadowed, self._undisturbed(kind))

    def _warehouse(self, kind: str, project: Path) -> Warehouse:
        if kind == POSTGRES:
            server: PostgresServer = self._request.getfixturevalue("server")
            return PostgresWarehouse(self._stack.enter_context(postgres_driver(server)))
        return MemoryWarehouse() if kind == MEMORY else DuckDBWarehouse(project / "files" / "warehouse.db")


def _compiled(request: pytest.FixtureRequest) -> Path:
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    folder = factory.getbasetemp() / "compiled"
    folder.mkdir(exist_ok=True)
    return folder
