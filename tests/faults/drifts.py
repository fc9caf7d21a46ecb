"""E: the source changes its tables while a sync runs: between two checkpoints, and within one."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.faults.extremes import connector
from tests.faults.killing import Step
from tests.faults.matrix import DUCKDB, EVERY, GOES_ON, LONG, MEMORY, POSTGRES, Fault, in_turn
from tests.faults.memory_shop import MemoryShop
from tests.faults.shop import Shop

Row = dict[str, Any]
Call = tuple[str, Row]


def upserts(*rows: Row) -> list[Call]:
    return [("upsert", row) for row in rows]


@dataclass(frozen=True, slots=True)
class Drift:
    """What a source does to one table, page by page: the second page changes it, and the third within itself.

    expected  the rows in the end, where the destination does not refuse a page
    alters    the table is another after the first page
    """

    name: str
    pages: tuple[list[Call], ...]
    expected: tuple[Row, ...]
    naming: str = "FIVETRAN"
    destinations: tuple[str, ...] = EVERY
    alters: bool = True


RENAMED = Drift(
    "a column is renamed",
    (
        upserts({"id": 1, "name": "a"}, {"id": 2, "name": "b"}),
        upserts({"id": 1, "title": "c"}),
        [*upserts({"id": 3, "name": "d"}, {"id": 4, "title": "e"}), ("update", {"id": 2, "title": "f"})],
        upserts({"id": 5, "title": "g"}),
    ),
    (
        {"id": 1, "name": None, "title": "c"},
        {"id": 2, "name": "b", "title": "f"},
        {"id": 3, "name": "d", "title": None},
        {"id": 4, "name": None, "title": "e"},
        {"id": 5, "name": None, "title": "g"},
    ),
)
WIDENED = Drift(
    "a column's type becomes wider",
    (
        upserts({"id": 1, "value": 1}),
        upserts({"id": 2, "value": 1.5}),
        upserts({"id": 3, "value": 7}, {"id": 4, "value": "x"}, {"id": 5, "value": True}),
        upserts({"id": 6, "value": 2**60}),
    ),
    tuple({"id": id, "value": text} for id, text in enumerate(("1", "1.5", "7", "x", "true", str(2**60)), start=1)),
)
NARROWED = Drift(
    "a column's type becomes narrower",
    (
        upserts({"id": 1, "value": "text", "number": 1.5}),
        upserts({"id": 2, "value": 5, "number": 2}),
        upserts({"id": 3, "value": "t", "number": 2.5}, {"id": 4, "value": False, "number": 3}),
        upserts({"id": 5, "value": None, "number": 4}),
    ),
    (
        {"id": 1, "value": "text", "number": 1.5},
        {"id": 2, "value": "5", "number": 2.0},
        {"id": 3, "value": "t", "number": 2.5},
        {"id": 4, "value": "false", "number": 3.0},
        {"id": 5, "value": None, "number": 4.0},
    ),
    alters=False,
)
KEY_WIDENED = Drift(
    "the primary key's type becomes wider",
    (
        upserts({"id": 1, "value": "a"}, {"id": 2, "value": "b"}),
        upserts({"id": "1", "value": "c"}),
        [*upserts({"id": 2, "value": "d"}, {"id": "x", "value": "e"}), ("delete", {"id": "2"})],
        [("update", {"id": 1, "value": "f"})],
    ),
    (
        {"id": "1", "value": "f"},
        {"id": "2", "value": "d", "_fivetran_deleted": True},
        {"id": "x", "value": "e"},
    ),
)
CASE_FOLDED = Drift(
    "the case of a column's name changes, naming FIVETRAN",
    (
        upserts({"id": 1, "Name": "a"}),
        upserts({"id": 2, "name": "b"}),
        upserts({"id": 3, "NAME": "c"}, {"id": 4, "name": "d"}, {"id": 5, "Name": "x", "NAME": "e"}),
        upserts({"id": 6, "NAME": "y", "name": "f"}),
    ),
    tuple({"id": id, "name": name} for id, name in enumerate("abcdef", start=1)),
    alters=False,
)
CASE_KEPT = Drift(
    "the case of a column's name changes, naming SOURCE",
    (
        upserts({"id": 1, "Name": "a"}),
        upserts({"id": 2, "name": "b"}),
        upserts({"id": 3, "Name": "c"}, {"id": 4, "Name": "d", "name": "e"}),
        upserts({"id": 5, "name": "f"}),
    ),
    (
        {"id": 1, "Name": "a", "name": None},
        {"id": 2, "Name": None, "name": "b"},
        {"id": 3, "Name": "c", "name": None},
        {"id": 4, "Name": "d", "name": "e"},
        {"id": 5, "Name": None, "name": "f"},
    ),
    "SOURCE",
    (POSTGRES, MEMORY),
)
DRIFTS = (RENAMED, WIDENED, NARROWED, KEY_WIDENED, CASE_FOLDED, CASE_KEPT)


def emitting(pages: tuple[list[Call], ...], shop: Shop) -> None:
    """Give the project a connector that emits these pages, and beside each operation a row without a key."""
    body = f"""
PAGES = {pages!r}
for page in range(state.get("page", 0), len(PAGES)):
    for number, (call, row) in enumerate(PAGES[page]):
        getattr(op, call)("drifting", row)
        op.upsert("appended", {{"page": page, "number": number, "emission": os.urandom(8).hex()}})
    if configuration.get("dies") == str(page + 1):
        {shop.dies}
    op.checkpoint({{"page": page + 1}})
"""
    connector(shop, body, keyed=("drifting",))


def drifts(drift: Drift, shop: Shop) -> None:
    """Kill before the commit of a page, and in the long form of each, and as soon as the table is altered; go on."""
    emitting(drift.pages, shop)
    naming = ("--naming", drift.naming)
    for page in range(2, len(drift.pages) + 1) if LONG else (2, 3):
        killed_before_the_commit(shop, page, naming)
        require_pages(shop, drift, page - 1)
        goes_on(shop, drift, naming)
    if LONG and drift.alters and not isinstance(shop, MemoryShop):
        altered = Step("the table is altered", "after", "DESTINATION.alter_table", 1, "drifting")
        shop.run(*naming, fault=altered.fault(shop, signal.SIGKILL)).require(-signal.SIGKILL)
        goes_on(shop, drift, naming)


def killed_before_the_commit(shop: Shop, page: int, naming: tuple[str, ...]) -> None:
    """Kill when everything of a page is loaded; what is in memory has no process to kill: its connector raises."""
    if isinstance(shop, MemoryShop):
        shop.configure(dies=str(page))
        shop.run(*naming).require(shop.died)
        shop.configure()
        return
    loaded = Step("everything is loaded, the state is not", "before", "DESTINATION.commit", page)
    shop.run(*naming, fault=loaded.fault(shop, signal.SIGKILL)).require(-signal.SIGKILL)


def goes_on(shop: Shop, drift: Drift, naming: tuple[str, ...]) -> None:
    shop.run(*naming).require(0)
    require_pages(shop, drift, len(drift.pages))
    assert rows(shop) == Counter(shown({"_fivetran_deleted": False, **row}) for row in drift.expected)
    shop.trials += 1
    shop.start_over()


def require_pages(shop: Shop, drift: Drift, pages: int) -> None:
    """Require the state of a page, and each row that came up to it once."""
    assert shop.warehouse.state() == {"page": pages}
    expected = [page for page in range(pages) for _ in drift.pages[page]]
    assert sorted(shop.warehouse.values("appended", "page")) == expected


def rows(shop: Shop) -> Counter[tuple[str, ...]]:
    return shop.warehouse.tables()["drifting"].rows


def shown(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Write a row as a table that was read has it."""
    return tuple(repr(value) for _, value in sorted(row.items()))


def case_is_refused(shop: Shop) -> None:
    """DuckDB has no case: the page before stays; with one spelling the source goes on from it."""
    emitting(CASE_KEPT.pages, shop)
    shop.run("--naming", "SOURCE").require(1, "'Name' and 'name' differ only in case", "use the naming FIVETRAN")
    require_pages(shop, CASE_KEPT, 1)
    assert rows(shop) == {shown({"id": 1, "Name": "a", "_fivetran_deleted": False}): 1}
    one = tuple([(call, {"id": row["id"], "Name": "one"}) for call, row in page] for page in CASE_KEPT.pages)
    emitting(one, shop)
    shop.run("--naming", "SOURCE").require(0)
    require_pages(shop, CASE_KEPT, len(one))
    assert sorted(shop.warehouse.values("drifting", "Name")) == ["a", *["one"] * 4]


def key_is_renamed(page: int, shop: Shop) -> None:
    """The source calls its key otherwise: the row is refused, the page before stays; mended, all goes on."""
    pages = (upserts({"id": 1}), upserts({"id": 2}, {"id": 3}), upserts({"id": 4}, {"id": 5}))
    renamed = tuple(
        [(call, {"key": row["id"]}) if number == page - 1 and row["id"] != 4 else (call, row) for call, row in each]
        for number, each in enumerate(pages)
    )
    mended = Drift("", pages, tuple({"id": id} for id in range(1, 6)))
    emitting(renamed, shop)
    lost = next(row["key"] for _, row in renamed[page - 1] if "key" in row)
    said = ("drifting.id: a row has no value for this primary-key column", f'in the row {{"key": {lost}}}')
    shop.run().require(1, *said)
    require_pages(shop, mended, page - 1)
    emitting(pages, shop)
    goes_on(shop, mended, ())


FAULTS = [
    *(
        Fault(
            f"E{number}",
            f"{drift.name}, between two checkpoints and within one",
            "connector.py; kill -9 before the commit, in memory an exception",
            f"{GOES_ON}; every value is there, by its column",
            partial(drifts, drift),
            drift.destinations,
            ("F26",),
            short=(*(set(in_turn(number)) & set(drift.destinations)), MEMORY),
        )
        for number, drift in enumerate(DRIFTS, start=1)
    ),
    Fault(
        "E7",
        f"{CASE_KEPT.name}, between two checkpoints",
        "connector.py",
        "exit 1, names the table and both; what was committed stays",
        case_is_refused,
        (DUCKDB,),
        ("F26",),
    ),
    *(
        Fault(
            f"E{number}",
            f"the primary key is called otherwise, {when}",
            "connector.py",
            "exit 1, names table, column and row; what was committed stays; mended, it goes on",
            partial(key_is_renamed, page),
            EVERY,
            ("F26",),
            short=(*in_turn(number), MEMORY),
        )
        for number, (when, page) in enumerate((("after a checkpoint", 2), ("within a segment", 3)), start=8)
    ),
]
