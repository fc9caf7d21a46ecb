"""The contract of a destination that can migrate: subclass `MigrationContract` in place of `DestinationContract`.

It holds `migrate` to what `headwater/destinations/migrations.py` says of each migration. One that the destination
answers with `Unsupported` is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from headwater.destinations.abc import Destination
from headwater.destinations.migrations import (
    LONG_AGO,
    AddColumnInHistory,
    ChangeMode,
    CopyColumn,
    CopyTable,
    DropColumn,
    DropColumnInHistory,
    FillColumn,
    Migration,
    Migrations,
    Refused,
    RenameColumn,
    RenameTable,
    Unsupported,
)
from headwater.history import END_OF_TIME
from headwater.schema import ACTIVE, DELETED, END, START, SYNCED, SYSTEM_COLUMNS, Mode, Table
from headwater.testing.contract import (
    EDGES,
    KINDS,
    LATER,
    NAMES,
    SYNCED_AT,
    DestinationContract,
    Driver,
    Row,
    batch,
    made,
    opened,
    rows_in_place,
    shown,
    values,
)
from headwater.types.names import BOOLEAN, LONG, STRING, UTC_DATETIME, ColumnType

AT = datetime(2026, 1, 3, 12, 0, 0, 250000, tzinfo=UTC)
_BEFORE = SYNCED_AT - timedelta(days=1)
_MILLISECOND = timedelta(milliseconds=1)

# The latest time at which a row of the tables below was synced, in whole milliseconds.
_LATEST = LATER.replace(microsecond=678000)

_LONG, _STRING, _BOOLEAN, _UTC_DATETIME = map(ColumnType, (LONG, STRING, BOOLEAN, UTC_DATETIME))


def table_of(mode: Mode, more: Mapping[str, ColumnType] | None = None, *, name: str = "orders") -> Table:
    """Describe the table that the cases migrate."""
    return made(name, {"id": _LONG, "a": _LONG, "b": _STRING, **(more or {})}, mode=mode)


ROWS: dict[Mode, list[Row]] = {
    "soft_delete": [
        {"id": 1, "a": 5, "b": "x", SYNCED: SYNCED_AT, DELETED: False},
        {"id": 2, "a": None, "b": None, SYNCED: LATER, DELETED: False},
        {"id": 3, "a": 7, "b": "gone", SYNCED: SYNCED_AT, DELETED: True},
    ],
    "live": [
        {"id": 1, "a": 5, "b": "x", SYNCED: SYNCED_AT},
        {"id": 2, "a": None, "b": None, SYNCED: LATER},
    ],
    "history": [
        {"id": 1, "a": 4, "b": "x", SYNCED: SYNCED_AT, ACTIVE: False, START: _BEFORE, END: SYNCED_AT - _MILLISECOND},
        {"id": 1, "a": 5, "b": "x", SYNCED: LATER, ACTIVE: True, START: SYNCED_AT, END: END_OF_TIME},
        {"id": 2, "a": None, "b": None, SYNCED: LATER, ACTIVE: True, START: _BEFORE, END: END_OF_TIME},
        {"id": 3, "a": 7, "b": "gone", SYNCED: SYNCED_AT, ACTIVE: False, START: _BEFORE, END: SYNCED_AT},
    ],
}
_SOFT, _LIVE, _OLD = ROWS["soft_delete"], ROWS["live"], ROWS["history"]


_ENDS = {ACTIVE: False, END: AT - _MILLISECOND}
_ACTIVE_SINCE = {ACTIVE: True, END: END_OF_TIME}
_ENDED_LONG_AGO = {ACTIVE: False, START: LONG_AGO, END: LONG_AGO}


@dataclass(frozen=True)
class Case:
    """A migration of a table that holds `ROWS[mode]`, and the rows it leaves; their order does not count."""

    mode: Mode
    migration: Migration
    rows: list[Row]

    def __str__(self) -> str:
        migration = self.migration
        to = f" to {migration.mode}" if isinstance(migration, ChangeMode) else ""
        return f"{type(migration).__name__} {self.mode}{to}"


CASES = [
    Case("soft_delete", RenameTable("Order lines"), _SOFT),
    Case("history", RenameTable("prices"), _OLD),
    Case("soft_delete", CopyTable("Order lines"), _SOFT),
    Case("history", CopyTable("prices"), _OLD),
    Case("soft_delete", RenameColumn("b", "the b"), [{**row, "the b": row["b"]} for row in _SOFT]),
    Case("live", RenameColumn("id", "number"), [{**row, "number": row["id"]} for row in _LIVE]),
    Case("history", RenameColumn("id", "number"), [{**row, "number": row["id"]} for row in _OLD]),
    Case("soft_delete", CopyColumn("b", "copy"), [{**row, "copy": row["b"]} for row in _SOFT]),
    Case("live", CopyColumn("id", "copy"), [{**row, "copy": row["id"]} for row in _LIVE]),
    Case("soft_delete", DropColumn("a"), _SOFT),
    Case("soft_delete", FillColumn("b", "it's"), [{**row, "b": "it's"} for row in _SOFT]),
    Case("history", FillColumn("a", None), [{**row, "a": None} for row in _OLD]),
    Case(
        "history",
        AddColumnInHistory("c", _STRING, "new", AT),
        [
            {**_OLD[0], "c": None},
            {**_OLD[1], "c": None, **_ENDS},
            {**_OLD[1], "c": "new", START: AT},
            {**_OLD[2], "c": None, **_ENDS},
            {**_OLD[2], "c": "new", START: AT},
            {**_OLD[3], "c": None},
        ],
    ),
    # One version has started in this very moment.
    Case(
        "history",
        AddColumnInHistory("c", _LONG, 7, SYNCED_AT),
        [
            {**_OLD[0], "c": None},
            {**_OLD[1], "c": 7},
            {**_OLD[2], "c": None, ACTIVE: False, END: SYNCED_AT - _MILLISECOND},
            {**_OLD[2], "c": 7, START: SYNCED_AT},
            {**_OLD[3], "c": None},
        ],
    ),
    Case(
        "history",
        AddColumnInHistory("a", _LONG, None, AT),
        [
            _OLD[0],
            {**_OLD[1], **_ENDS},
            {**_OLD[1], "a": None, START: AT},
            {**_OLD[2], **_ENDS},
            {**_OLD[2], START: AT},
            _OLD[3],
        ],
    ),
    Case(
        "history",
        DropColumnInHistory("b", AT),
        [_OLD[0], {**_OLD[1], **_ENDS}, {**_OLD[1], "b": None, START: AT}, _OLD[2], _OLD[3]],
    ),
    Case("history", DropColumnInHistory("a", SYNCED_AT), [_OLD[0], {**_OLD[1], "a": None}, _OLD[2], _OLD[3]]),
    Case("soft_delete", ChangeMode("live", AT), _SOFT[:2]),
    Case(
        "soft_delete",
        ChangeMode("history", AT),
        [{**row, **_ACTIVE_SINCE, START: _LATEST} for row in _SOFT[:2]] + [{**_SOFT[2], **_ENDED_LONG_AGO}],
    ),
    Case("live", ChangeMode("soft_delete", AT), [{**row, DELETED: False} for row in _LIVE]),
    Case("live", ChangeMode("history", AT), [{**row, **_ACTIVE_SINCE, START: AT} for row in _LIVE]),
    Case("history", ChangeMode("live", AT), _OLD[1:3]),
    Case("history", ChangeMode("live", AT, keep_deleted=True), _OLD[1:]),
    Case("history", ChangeMode("soft_delete", AT), [{**row, DELETED: not row[ACTIVE]} for row in _OLD[1:]]),
]  # fmt: skip

every_case = pytest.mark.parametrize("case", CASES, ids=str)


class MigrationContract(DestinationContract):
    """What `Migrations` promises, one sentence a test, and all that `Destination` does."""

    @every_case
    def test_a_migration_leaves_the_rows_it_says(self, driver: Driver, case: Case) -> None:
        """Some of the rows are from an earlier sync when it comes, and some are not committed."""
        table = table_of(case.mode)
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, rows_in_place(table, ROWS[case.mode][:1]))
            destination.commit("{}")
        with opened(driver) as destination:
            found = destination.describe_table(table.schema, table.name)
            destination.write(table, rows_in_place(table, ROWS[case.mode][1:]))
            after = migrated(destination, table, case.migration)
            inside = destination.describe_table(after.schema, after.name)
            destination.commit("{}")
        with opened(driver) as destination:
            later = destination.describe_table(after.schema, after.name)
            before = destination.describe_table(table.schema, table.name)

        assert found == table
        assert inside == after
        assert later == after
        assert [*later.columns] == [*after.columns]
        assert full_rows(driver, after) == shown(only(after, case.rows))
        if isinstance(case.migration, CopyTable):
            assert before == table
            assert full_rows(driver, table) == shown(ROWS[case.mode])
        elif after.name != table.name:
            assert before is None

    @every_case
    def test_a_migration_that_was_not_committed_has_changed_nothing(self, driver: Driver, case: Case) -> None:
        table = table_of(case.mode)
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, rows_in_place(table, ROWS[case.mode]))
            destination.commit("{}")
            after = migrated(destination, table, case.migration)
        with opened(driver) as destination:
            described = destination.describe_table(table.schema, table.name)
            other = after.name != table.name and destination.describe_table(after.schema, after.name)

        assert described == table
        assert [*described.columns] == [*table.columns]
        assert not other
        assert full_rows(driver, table) == shown(ROWS[case.mode])

    @every_case
    def test_rows_come_and_go_after_a_migration(self, driver: Driver, case: Case) -> None:
        """One that is there comes again and one is new, both in the transaction of the migration and in the next."""
        table = table_of(case.mode)
        expected = only(case.migration.after(table), case.rows)
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, rows_in_place(table, ROWS[case.mode]))
            destination.commit("{}")
            after = migrated(destination, table, case.migration)
            for position in (0, -1):
                again = {**expected[position], SYNCED: AT}
                new = {**again, after.key[0]: 10 + position}
                expected[position] = again
                destination.write(after, rows_in_place(after, [again, new]))
                destination.commit("{}")
                expected.insert(1, new)

        assert full_rows(driver, after) == shown(expected)

    def test_migrations_follow_each_other_in_one_transaction(self, driver: Driver) -> None:
        one, two = table_of("soft_delete", name="one"), table_of("live", name="two")
        with opened(driver) as destination:
            for table in (one, two):
                destination.create_table(table)
                destination.write(table, rows_in_place(table, ROWS[table.mode]))
            destination.commit("{}")
            for table, name in ((one, "other"), (two, "one"), (replace(one, name="other"), "two")):
                migrated(destination, table, RenameTable(name))
            table = replace(two, name="one")
            for migration in (
                RenameColumn("a", "c"), CopyColumn("c", "a"), FillColumn("c", 1), DropColumn("a"), CopyColumn("b", "a"),
                ChangeMode("history", AT), ChangeMode("soft_delete", AT), RenameColumn("id", "number"),
            ):  # fmt: skip
                table = migrated(destination, table, migration)
            described = [destination.describe_table("tester", name) for name in ("one", "two", "other")]
            destination.commit("{}")
        columns = {"number": _LONG, "c": _LONG, "b": _STRING, SYNCED: _UTC_DATETIME, "a": _STRING, DELETED: _BOOLEAN}

        assert described == [Table("tester", "one", ("number",), columns), replace(one, name="two"), None]
        assert full_rows(driver, table) == shown(
            [
                {"number": 1, "c": 1, "b": "x", "a": "x", SYNCED: SYNCED_AT, DELETED: False},
                {"number": 2, "c": 1, "b": None, "a": None, SYNCED: LATER, DELETED: False},
            ]
        )
        assert full_rows(driver, replace(one, name="two")) == shown(_SOFT)

    def test_a_table_can_be_made_anew_where_another_was_renamed(self, driver: Driver) -> None:
        table = table_of("soft_delete")
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, rows_in_place(table, _SOFT))
            destination.commit("{}")
        with opened(driver) as destination:
            destination.write(table, rows_in_place(table, [{**_SOFT[2], "b": "again"}]))
            renamed = migrated(destination, table, RenameTable("before"))
            destination.create_table(table)
            destination.write(table, rows_in_place(table, _SOFT[:1]))
            destination.write(renamed, rows_in_place(renamed, _SOFT[1:2]))
            destination.commit("{}")

        assert full_rows(driver, table) == shown(_SOFT[:1])
        assert full_rows(driver, renamed) == shown([*_SOFT[:2], {**_SOFT[2], "b": "again"}])

    @pytest.mark.parametrize("name", NAMES)
    def test_any_text_is_a_new_name(self, driver: Driver, name: str) -> None:
        table = table_of("live")
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, rows_in_place(table, _LIVE))
            renamed = migrated(destination, table, RenameTable(name))
            renamed = migrated(destination, renamed, RenameColumn("b", name))
            renamed = migrated(destination, renamed, CopyColumn(name, f"{name[:60]} 2"))
            copy = migrated(destination, renamed, CopyTable(f"{name[:60]} 2"))
            destination.commit("{}")
        with opened(driver) as destination:
            described = [destination.describe_table("tester", each.name) for each in (renamed, copy)]
        expected = [{"id": row["id"], "a": row["a"], name: row["b"], f"{name[:60]} 2": row["b"]} for row in _LIVE]

        assert described == [renamed, copy]
        assert values(driver, renamed) == shown(expected)
        assert values(driver, copy) == shown(expected)

    @pytest.mark.parametrize("kind", KINDS, ids=str)
    def test_a_column_can_be_filled_with_any_value(self, driver: Driver, kind: ColumnType) -> None:
        wanted = {f"c{number}": value for number, value in enumerate(EDGES[kind])}
        table = table_of("history", dict.fromkeys(wanted, kind))
        rows = [{**row, **dict.fromkeys(wanted)} for row in _OLD]
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, rows_in_place(table, rows))
            destination.commit("{}")
            for column, value in wanted.items():
                migrated(destination, table, FillColumn(column, value))
            table = migrated(destination, table, AddColumnInHistory("new", kind, EDGES[kind][0], AT))
            table = migrated(destination, table, CopyColumn("new", "copy"))
            destination.commit("{}")
        first = {"new": EDGES[kind][0], "copy": EDGES[kind][0], START: AT}
        split = [{**row, **wanted, "new": None, "copy": None} for row in _OLD]
        expected = [split[0], *({**row, **part} for row in split[1:3] for part in (_ENDS, first)), split[3]]

        assert full_rows(driver, table) == shown(expected)

    def test_another_column_may_say_which_rows_are_deleted(self, driver: Driver) -> None:
        table = table_of("soft_delete", {"gone": _BOOLEAN})
        rows = [{**row, "gone": gone} for row, gone in zip(_SOFT, (True, None, False), strict=True)]
        marked = {"history": "in history", "live": "live"}
        left = {}
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, rows_in_place(table, rows))
            destination.commit("{}")
            for mode in ("history", "live"):
                copy = migrated(destination, table, CopyTable(marked[mode]))
                left[mode] = migrated(destination, copy, ChangeMode(mode, AT, deleted="gone"))
            back = migrated(destination, left["history"], CopyTable("back"))
            back = migrated(destination, back, ChangeMode("soft_delete", AT, deleted="gone"))
            live = migrated(destination, left["live"], CopyTable("live again"))
            live = migrated(destination, live, ChangeMode("soft_delete", AT, deleted="lost"))
            destination.commit("{}")
        since = {**_ACTIVE_SINCE, START: _LATEST}
        history = [{**rows[0], **_ENDED_LONG_AGO}, {**rows[1], **since}, {**rows[2], **since}]
        deletes = zip(rows, (True, False, False), strict=True)

        assert full_rows(driver, left["history"]) == shown(only(left["history"], history))
        assert full_rows(driver, left["live"]) == shown(only(left["live"], rows[1:]))
        assert full_rows(driver, back) == shown([{**row, "gone": gone, DELETED: gone} for row, gone in deletes])
        assert full_rows(driver, live) == shown([{**row, "lost": False, DELETED: False} for row in rows[1:]])

    def test_versions_go_on_after_a_table_came_into_history_mode(self, driver: Driver) -> None:
        table = table_of("soft_delete")
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, rows_in_place(table, _SOFT))
            table = migrated(destination, table, ChangeMode("history", AT))
            asked = batch(table, deletes=[{"id": 1}, {"id": 3}, {"id": 4}]).deletes
            newest = destination.newest_versions(table, asked).to_pylist()
            destination.write(table, batch(table, changes=[[{"id": 1, START: _LATEST, **_ENDS}]], synced=AT))
            destination.truncate(table, at=AT)
            destination.commit("{}")
        first = {**_SOFT[0], **_ACTIVE_SINCE, START: _LATEST}
        deleted = {**_SOFT[2], **_ENDED_LONG_AGO}

        assert shown(newest) == shown(only(table, [first, deleted]))
        assert full_rows(driver, table) == shown(
            only(table, [{**first, SYNCED: AT, **_ENDS}, {**first, **_LIVE[1], ACTIVE: False, END: AT}, deleted])
        )

    def test_a_table_that_waits_for_its_key_can_change_its_mode(self, driver: Driver) -> None:
        table = Table("tester", "orders", ("id",), {**SYSTEM_COLUMNS["soft_delete"]})
        with opened(driver) as destination:
            destination.create_table(table)
            destination.commit("{}")
            table = migrated(destination, table, ChangeMode("live", AT))
            destination.alter_table(table, add={"id": _LONG}, retype={})
            table.columns["id"] = _LONG
            destination.write(table, batch(table, rows=[{"id": 1}]))
            destination.write(table, batch(table, rows=[{"id": 1}]))
            destination.commit("{}")

        assert values(driver, table) == shown([{"id": 1}])

    def test_a_table_without_rows_can_be_migrated(self, driver: Driver) -> None:
        with opened(driver) as destination:
            for position, case in enumerate(CASES):
                table = table_of(case.mode, name=f"empty {position}")
                destination.create_table(table)
                migration = case.migration
                if isinstance(migration, CopyTable | RenameTable):
                    migration = replace(migration, to=f"to {position}")
                after = migrated(destination, table, migration)
                assert destination.describe_table("tester", after.name) == after
            destination.commit("{}")

        assert driver.rows(after) == []

    @pytest.mark.parametrize(
        ("mode",        "migration",                                         "message"),
        [
            ("live",        RenameTable("taken"),                            "there is a table 'taken' already"),
            ("live",        RenameTable("orders"),                           "there is a table 'orders' already"),
            ("live",        CopyTable("taken"),                              "there is a table 'taken' already"),
            ("live",        RenameTable(""),                                 "a name must not be empty"),
            ("live",        RenameColumn("none", "c"),                       "there is no column 'none'"),
            ("live",        RenameColumn("a", "b"),                          "there is a column 'b' already"),
            ("live",        RenameColumn("a", SYNCED),                       f"there is a column '{SYNCED}' already"),
            ("live",        RenameColumn("a", "_fivetran_id"),               "the runtime writes a column called"),
            ("live",        RenameColumn(SYNCED, "c"),                       "the runtime writes the column"),
            ("live",        CopyColumn("none", "c"),                         "there is no column 'none'"),
            ("live",        CopyColumn("a", "b"),                            "there is a column 'b' already"),
            ("live",        DropColumn("none"),                              "there is no column 'none'"),
            ("live",        DropColumn("id"),                                "the column 'id' is part of the key"),
            ("history",     DropColumn(START),                               "the runtime writes the column"),
            ("live",        FillColumn("none", 1),                           "there is no column 'none'"),
            ("live",        FillColumn("id", 1),                             "the column 'id' is part of the key"),
            ("soft_delete", FillColumn(DELETED, True),                       "the runtime writes the column"),
            ("live",        AddColumnInHistory("c", _LONG, 1, AT),           "the table is in live mode, and has no"),
            ("history",     AddColumnInHistory("b", _LONG, 1, AT),           "the column 'b' is STRING, not LONG"),
            ("history",     AddColumnInHistory("c", _LONG, 1, _BEFORE),      "a version starts at 2026-01-02T03:04:05"),
            ("history",     AddColumnInHistory(END, _LONG, 1, AT),           "the runtime writes the column"),
            ("soft_delete", DropColumnInHistory("b", AT),                    "the table is in soft-delete mode, and"),
            ("history",     DropColumnInHistory("none", AT),                 "there is no column 'none'"),
            ("history",     DropColumnInHistory("b", _BEFORE),               "a version starts at 2026-01-02T03:04:05"),
            ("live",        ChangeMode("live", AT),                          "the table is in live mode already"),
            ("soft_delete", ChangeMode("live", AT, deleted="none"),          "there is no column 'none'"),
            ("soft_delete", ChangeMode("history", AT, deleted="a"),          "the column 'a' is LONG, not BOOLEAN"),
            ("history",     ChangeMode("soft_delete", AT, deleted=ACTIVE),   "the runtime writes the column"),
            ("history",     ChangeMode("soft_delete", AT, deleted="b"),      "the column 'b' is STRING, not BOOLEAN"),
        ],
    )  # fmt: skip
    def test_what_is_refused_changes_nothing_and_the_transaction_goes_on(
        self, driver: Driver, mode: Mode, migration: Migration, message: str
    ) -> None:
        table, taken = table_of(mode), table_of("live", name="taken")
        with opened(driver) as destination:
            for each in (table, taken):
                destination.create_table(each)
                destination.write(each, rows_in_place(each, ROWS[each.mode]))
            with pytest.raises(Refused) as refused:
                migrated(destination, table, migration)
            described = [destination.describe_table("tester", each.name) for each in (table, taken)]
            destination.commit("{}")

        assert message in refused.value.message
        assert str(table) in refused.value.message
        assert described == [table, taken]
        assert full_rows(driver, table) == shown(ROWS[mode])
        assert full_rows(driver, taken) == shown(_LIVE)

    def test_a_new_name_may_differ_from_another_in_case_unless_the_destination_folds_case(self, driver: Driver) -> None:
        table, other = table_of("live"), table_of("live", name="LINES")
        refused = []
        with opened(driver) as destination:
            for each in (table, other):
                destination.create_table(each)
                destination.write(each, rows_in_place(each, _LIVE))
            table = migrated(destination, table, RenameTable("Orders"))
            table = migrated(destination, table, RenameColumn("a", "A"))
            for migration in (RenameTable("Lines"), CopyTable("oRDERS"), CopyColumn("A", "B")):
                try:
                    after = migrated(destination, table, migration)
                except Refused as error:
                    refused.append(error.message)
                else:
                    table = table if isinstance(migration, CopyTable) else after
            described = destination.describe_table("tester", table.name)
            folds = destination.folds_case
            destination.commit("{}")

        assert len(refused) == (3 if folds else 0)
        assert described == table
        assert len(driver.rows(table)) == 2


def migrated(destination: Destination, table: Table, migration: Migration) -> Table:
    """Migrate, and give the table as it is afterwards; skip the test when the destination has no means for it."""
    assert isinstance(destination, Migrations), "subclass DestinationContract: this destination has no migrate"
    try:
        destination.migrate(table, migration)
    except Unsupported:
        pytest.skip(f"this destination does not support {type(migration).__name__}")
    return migration.after(table)


def only(table: Table, rows: Sequence[Row]) -> list[Row]:
    """Take of each row what the table has columns for."""
    return [{name: row[name] for name in table.columns} for row in rows]


def full_rows(driver: Driver, table: Table) -> list[str]:
    """Read a table with its system columns, for comparison with `shown(rows)`."""
    found = driver.rows(table)
    assert all(row.keys() == table.columns.keys() for row in found)
    return shown(found)
