"""`headwater show --browse`: by textual's own pilot, and on a real terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from headwater.cli.browser import PAGE_ROWS, Browser, WholeValue
from headwater.reading.duckdb_reader import DuckDBReader, open_duckdb
from tests.cli.cli_project import CliProject
from tests.cli.test_terminal import on_a_terminal

ROWS = 3 * PAGE_ROWS + 5


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBReader]:
    path = tmp_path_factory.mktemp("browser") / "shop.db"
    with duckdb.connect() as db:
        db.execute(f"ATTACH '{path}' AS file; USE file; CREATE SCHEMA shop; CREATE TABLE shop.empty (id BIGINT)")
        db.execute(f"CREATE TABLE shop.orders AS SELECT range AS id, repeat('long ', 50) AS note FROM range({ROWS})")
    with open_duckdb(path, "shop") as reader:
        yield reader


def browse(warehouse: DuckDBReader, walk: Callable[[Browser, Pilot[None]], Awaitable[None]]) -> None:
    """Let `walk` press keys in a browser of 100 columns and 30 lines."""

    async def run() -> None:
        app = Browser(warehouse)
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            await walk(app, pilot)

    asyncio.run(run())


def said(app: Browser) -> str:
    return str(app.query_one("#said", Static).render())


def first_cell(app: Browser) -> str:
    return str(app.query_one(DataTable).get_cell_at((0, 0)))  # type: ignore[arg-type]  # a pair is a coordinate


def test_a_table_is_read_page_by_page_as_the_cursor_goes_down(warehouse: DuckDBReader) -> None:
    seen = []

    async def walk(app: Browser, pilot: Pilot[None]) -> None:
        seen.append(said(app))
        await pilot.press("down", "enter", "tab")
        seen.append(said(app))
        for _ in range(4):
            await pilot.press("ctrl+end")
            await pilot.pause()
            seen.append(said(app))

    browse(warehouse, walk)

    assert seen == [
        "0 of 0 rows read", "200 of 605 rows read", "400 of 605 rows read", "600 of 605 rows read",
        "605 of 605 rows read", "605 of 605 rows read",
    ]  # fmt: skip


def test_sort_turns_from_up_to_down_to_none(warehouse: DuckDBReader) -> None:
    seen = []

    async def walk(app: Browser, pilot: Pilot[None]) -> None:
        await pilot.press("down", "tab")
        for _ in range(3):
            await pilot.press("s")
            seen.append(first_cell(app))

    browse(warehouse, walk)

    assert seen == ["0", str(ROWS - 1), "0"]


def test_a_filter_narrows_and_a_wrong_one_is_said_and_changes_nothing(warehouse: DuckDBReader) -> None:
    seen = []

    async def walk(app: Browser, pilot: Pilot[None]) -> None:
        await pilot.press("down", "tab", "slash", *"id > 600", "enter")
        seen.append((said(app), first_cell(app)))
        await pilot.press("slash", *" and x", "enter")
        seen.append((said(app).split(":")[0], first_cell(app)))

    browse(warehouse, walk)

    assert seen == [("4 of 4 rows read where id > 600", "601"), ("DuckDB refuses this query", "601")]


def test_enter_shows_the_whole_value(warehouse: DuckDBReader) -> None:
    shown = []

    async def walk(app: Browser, pilot: Pilot[None]) -> None:
        await pilot.press("down", "tab", "right", "enter")
        await pilot.pause()
        assert isinstance(app.screen, WholeValue)
        shown.append(str(app.screen.query_one(Static).render()))
        await pilot.press("escape")
        await pilot.pause()
        shown.append(type(app.screen).__name__)

    browse(warehouse, walk)

    assert shown == ["long " * 50, "Screen"]


def test_browse_fills_a_real_terminal_and_gives_it_back(project: CliProject, tmp_path: Path) -> None:
    project.connector('op.upsert("orders", {"id": 4711, "note": "käse"})').debug()
    with on_a_terminal(project, "show", "--browse") as (terminal, process):
        terminal.wait_for(r"4711")
        terminal.type("q")
        process.wait(timeout=30)
        seen = terminal.all()

    assert process.returncode == 0
    assert "tester.orders" in terminal.plain
    assert seen.rindex("\x1b[?1049l") > seen.rindex("\x1b[?1049h")  # the screen that was there is there again
