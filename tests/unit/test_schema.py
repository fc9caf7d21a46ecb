"""What `schema()` may return, and which table and column a name means: rules A-50 to A-57, B-04, B-28, B-35."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.errors import ConnectorError, RowError, SchemaError
from headwater.naming import naming
from headwater.schema import (
    DELETED,
    ROW_ID,
    SYNCED,
    SYSTEM_COLUMNS,
    Catalog,
    DeclaredTable,
    Mode,
    Table,
    TableOptions,
    read_declaration,
)
from headwater.types.names import INT, LONG, STRING, TYPE_NAMES, ColumnType, decimal_type


def declared(*entries: Any) -> list[DeclaredTable]:
    return read_declaration(list(entries), warn=pytest.fail)


def catalog(
    *entries: dict[str, Any],
    options: dict[str, TableOptions] | None = None,
    names: str = "FIVETRAN",
    warnings: list[str] | None = None,
) -> Catalog:
    said: list[str] = [] if warnings is None else warnings
    return Catalog(
        declared(*entries), destination_schema="tester", naming=naming(names), options=options, warn=said.append
    )


# --- read_declaration


def test_an_entry_needs_only_a_table() -> None:
    assert declared({"table": "orders"}) == [DeclaredTable("orders", None, (), {})]


def test_a_whole_entry_is_read() -> None:
    entry = {
        "table": "orders",
        "schema": "sales",
        "primary_key": ["id", "line", "id"],
        "columns": {"id": "LONG", "amount": {"type": "decimal", "precision": 9, "scale": 2}, "note": "String"},
    }

    assert declared(entry) == [
        DeclaredTable(
            "orders",
            "sales",
            ("id", "line"),
            {"id": ColumnType(LONG), "amount": decimal_type(9, 2), "note": ColumnType(STRING)},
        )
    ]


def test_any_iterable_of_tables_will_do() -> None:
    entries = (entry for entry in [{"table": "a"}, {"table": "b", "primary_key": ("x",)}])

    assert [table.table for table in read_declaration(entries, warn=pytest.fail)] == ["a", "b"]


@pytest.mark.parametrize("name", [name for name in TYPE_NAMES if name != "DECIMAL"])
@pytest.mark.parametrize("spelling", [str.upper, str.lower, str.title])
def test_a_type_is_named_in_any_case(name: str, spelling: Any) -> None:
    (table,) = declared({"table": "t", "columns": {"a": spelling(name)}})

    assert table.columns == {"a": ColumnType(name)}


@pytest.mark.parametrize(("precision", "scale"), [(1, 0), (1, 1), (38, 0), (38, 37), (9, 2)])
def test_a_decimal_has_up_to_38_digits(precision: int, scale: int) -> None:
    (table,) = declared({"table": "t", "columns": {"a": {"type": "DECIMAL", "precision": precision, "scale": scale}}})

    assert table.columns == {"a": decimal_type(precision, scale)}


def test_an_unknown_key_is_ignored_with_a_warning() -> None:
    warnings: list[str] = []
    tables = read_declaration([{"table": "t", "primary_keys": ["id"]}], warn=warnings.append)

    assert tables == [DeclaredTable("t")]
    assert warnings == [
        (
            "schema(): t: the key 'primary_keys' means nothing and is ignored; "
            "known keys: columns, primary_key, schema, table"
        )
    ]


def _column(spec: Any) -> list[dict[str, Any]]:
    return [{"table": "t", "columns": {"a": spec}}]


def _decimal(precision: Any, scale: Any) -> list[dict[str, Any]]:
    return _column({"type": "DECIMAL", "precision": precision, "scale": scale})


TYPES_HINT = (
    "\nTypes: BOOLEAN, SHORT, INT, LONG, DECIMAL, FLOAT, DOUBLE, NAIVE_DATE, NAIVE_DATETIME, UTC_DATETIME, BINARY, "
    'XML, STRING, JSON; DECIMAL as {"type": "DECIMAL", "precision": p, "scale": s}.'
)
RANGE_HINT = "\nprecision is 1 to 38, scale 0 to 37 and at most the precision."

REFUSED: list[tuple[Any, type[Exception], str]] = [
    (None, TypeError, "schema() must return a list of tables, not NoneType"),
    ({"table": "a"}, TypeError, "schema() must return a list of tables, not dict"),
    ("orders", TypeError, "schema() must return a list of tables, not str"),
    (["orders"], TypeError, "schema(): each table is a dict, not str: 'orders'"),
    ([{}], SchemaError, "Entry missing table name: {}\nGive each entry a 'table'."),
    ([{"columns": {}}], SchemaError, "Entry missing table name: {'columns': {}}\nGive each entry a 'table'."),
    ([{"table": ""}], SchemaError, "schema(): a table name must be non-empty text, not ''"),
    ([{"table": " "}], SchemaError, "schema(): a table name must be non-empty text, not ' '"),
    ([{"table": 1}], SchemaError, "schema(): a table name must be non-empty text, not 1"),
    ([{"table": "a", "schema": ""}], SchemaError, "a: 'schema' must be non-empty text, not ''"),
    ([{"table": "a"}, {"table": "a"}], SchemaError, "Table already defined: a"),
    ([{"table": "a", "schema": "s"}] * 2, SchemaError, "Table a already exists in s"),
    (
        [{"table": "t", "primary_key": "id"}],
        SchemaError,
        't: primary_key is the text \'id\'; it must be a list\nWrite "primary_key": ["id"].',
    ),
    ([{"table": "t", "primary_key": 7}], SchemaError, "t: primary_key must be a list of column names, not 7"),
    (
        [{"table": "t", "primary_key": [""]}],
        SchemaError,
        "t: primary_key holds ''; a column name is non-empty text",
    ),
    (
        [{"table": "t", "primary_key": [1]}],
        SchemaError,
        "t: primary_key holds 1; a column name is non-empty text",
    ),
    ([{"table": "t", "columns": ["a"]}], SchemaError, "t: columns must be a dict of name to type, not list"),
    (
        [{"table": "t", "columns": {1: "INT"}}],
        SchemaError,
        "t: columns holds the name 1; a column name is non-empty text",
    ),
    (_column("X"), SchemaError, "t.a: Unrecognized column type encountered: 'X'" + TYPES_HINT),
    (_column("NAIVE_TIME"), SchemaError, "t.a: Unrecognized column type encountered: 'NAIVE_TIME'" + TYPES_HINT),
    (_column("UNSPECIFIED"), SchemaError, "t.a: Unrecognized column type encountered: 'UNSPECIFIED'" + TYPES_HINT),
    (_column(None), SchemaError, "t.a: Unrecognized column type for column: None" + TYPES_HINT),
    (_column(3), SchemaError, "t.a: Unrecognized column type for column: 3" + TYPES_HINT),
    (
        _column("DECIMAL"),
        SchemaError,
        't.a: DECIMAL data type missing precision and scale\nWrite {"type": "DECIMAL", "precision": 18, "scale": 2}.',
    ),
    (
        _column({"type": "STRING"}),
        SchemaError,
        "t.a: Expecting DECIMAL data type for dictionary column entry, not {'type': 'STRING'}",
    ),
    (_column({"type": "DECIMAL", "precision": 9}), KeyError, "'scale'"),
    (_decimal("10", 2), TypeError, "t.a: DECIMAL precision and scale are integers, not '10'"),
    (_decimal(10, True), TypeError, "t.a: DECIMAL precision and scale are integers, not True"),
    (_decimal(-1, 0), SchemaError, "t.a: Value out of range: DECIMAL(-1,0)" + RANGE_HINT),
    (_decimal(0, 0), SchemaError, "t.a: Value out of range: DECIMAL(0,0)" + RANGE_HINT),
    (_decimal(39, 0), SchemaError, "t.a: Value out of range: DECIMAL(39,0)" + RANGE_HINT),
    (_decimal(38, 38), SchemaError, "t.a: Value out of range: DECIMAL(38,38)" + RANGE_HINT),
    (_decimal(5, 6), SchemaError, "t.a: Value out of range: DECIMAL(5,6)" + RANGE_HINT),
]


@pytest.mark.parametrize(("entries", "error", "message"), REFUSED, ids=[message[:60] for _, _, message in REFUSED])
def test_what_describes_no_tables_is_refused(entries: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as refused:
        read_declaration(entries, warn=pytest.fail)

    assert str(refused.value) == message


def test_a_schema_error_is_a_value_error_as_in_the_original() -> None:
    assert issubclass(SchemaError, ValueError)


# --- Catalog: tables

DELETED_AND_SYNCED = SYSTEM_COLUMNS["soft_delete"]


def test_a_declared_table_has_its_key_first_and_the_system_columns_last() -> None:
    (table,) = catalog(
        {"table": "Orders", "primary_key": ["lineNo", "id"], "columns": {"a": "INT", "id": "LONG"}}
    ).tables

    assert table.target == Table(
        "tester",
        "orders",
        ("line_no", "id"),
        {"id": ColumnType(LONG), "a": ColumnType(INT), **DELETED_AND_SYNCED},
    )
    assert list(table.target.columns) == ["id", "a", SYNCED, DELETED]


def test_a_table_without_key_is_named_by_its_rows() -> None:
    source = catalog().table(None, "orders")

    assert source.target == Table("tester", "orders", (ROW_ID,), {ROW_ID: ColumnType(STRING), **DELETED_AND_SYNCED})


@pytest.mark.parametrize("mode", ["soft_delete", "live", "history"])
def test_the_mode_decides_the_system_columns(mode: Mode) -> None:
    (table,) = catalog({"table": "t", "primary_key": ["id"]}, options={"t": TableOptions(mode=mode)}).tables

    assert (table.target.mode, table.target.columns) == (mode, SYSTEM_COLUMNS[mode])


def test_a_source_schema_becomes_part_of_the_destination_schema() -> None:
    one = catalog({"table": "t", "schema": "salesEU"}, {"table": "t"})

    assert [str(table.target) for table in one.tables] == ["tester_sales_eu.t", "tester.t"]
    assert one.table("salesEU", "t") is one.tables[0]
    assert one.table(None, "t") is one.tables[1]


def test_an_operation_on_an_undeclared_table_is_taken_with_a_warning() -> None:
    warnings: list[str] = []
    tables = catalog({"table": "orders"}, warnings=warnings)
    tables.table(None, "ordres")
    tables.table(None, "ordres")

    assert warnings == [
        (
            "the table 'ordres' is not in schema(), which declares other tables; "
            "it is made from the rows as they come: check the spelling"
        )
    ]


def test_two_names_of_one_table_lead_to_one_table() -> None:
    warnings: list[str] = []
    tables = catalog({"table": "userData"}, warnings=warnings)

    assert tables.table(None, "user-data") is tables.table(None, "userData")
    assert warnings == [
        (
            "the tables 'userData' and 'user-data' are both called 'user_data' in the destination; "
            "their rows go into one table"
        )
    ]


def test_schema_may_not_declare_two_names_of_one_table() -> None:
    with pytest.raises(SchemaError) as refused:
        catalog({"table": "userData"}, {"table": "user.data"})

    assert str(refused.value) == (
        "schema(): 'userData' and 'user.data' are both called 'user_data' in the destination\n"
        "Rename one, or use the naming SOURCE."
    )


def test_source_naming_keeps_them_apart() -> None:
    tables = catalog({"table": "userData"}, {"table": "user.data", "columns": {"aB": "INT"}}, names="SOURCE").tables

    assert [str(table.target) for table in tables] == ["tester.userData", "tester.user.data"]
    assert list(tables[1].declared) == ["aB"]


def test_declared_types_are_known_by_the_exact_names() -> None:
    tables = catalog({"table": "userData", "columns": {"aB": "INT"}})

    assert tables.declared_exactly(None, "userData") == {"aB": ColumnType(INT)}
    assert tables.declared_exactly(None, "user_data") == {}
    assert tables.declared_exactly("s", "userData") == {}


# --- SourceTable: columns


def test_a_column_has_its_destination_name_and_declared_type() -> None:
    (table,) = catalog({"table": "t", "columns": {"userId": "INT"}}).tables

    assert [(table.name_of(raw), table.declared_type(raw)) for raw in ("userId", "user-id", "other")] == [
        ("user_id", ColumnType(INT)),
        ("user_id", ColumnType(INT)),
        ("other", None),
    ]


def test_columns_that_merge_are_told_once() -> None:
    warnings: list[str] = []
    (table,) = catalog({"table": "t", "columns": {"userId": "INT"}}, warnings=warnings).tables
    for _ in range(2):
        table.name_of("user-id")

    assert warnings == [
        (
            "t: the columns 'userId' and 'user-id' are both called 'user_id' in the destination; "
            "where a row has both, the later one counts"
        )
    ]


@pytest.mark.parametrize(
    ("raw",  "error",    "message"),
    [
        (1,       TypeError, "t: a column name must be a string, got int: 1"),
        (None,    TypeError, "t: a column name must be a string, got NoneType: None"),
        ("",      RowError,  "t: a column name must not be empty"),
        (" ",     RowError,  "t: a column name must not be empty"),
        (ROW_ID,  RowError,  None),
    ],
)  # fmt: skip
def test_a_column_name_that_cannot_be_used_is_refused(raw: Any, error: type[Exception], message: str | None) -> None:
    (table,) = catalog({"table": "t", "primary_key": ["id"]}).tables
    ambiguous = f"t: Ambiguous column name {raw}: the runtime writes a column of this name\n"
    with pytest.raises(error) as refused:
        table.name_of(raw)

    assert str(refused.value) == (message or ambiguous + "Rename the key before the operation.")


@pytest.mark.parametrize(
    ("key",   "columns"),
    [
        ("id",    {ROW_ID: "STRING"}),
        (ROW_ID,  {}),
        (SYNCED,  {SYNCED: "UTC_DATETIME"}),
        (DELETED, {}),
    ],
)  # fmt: skip
def test_the_row_id_is_not_declared_and_no_column_of_the_runtime_is_a_key(key: str, columns: dict[str, str]) -> None:
    with pytest.raises(SchemaError) as refused:
        catalog({"table": "t", "primary_key": [key], "columns": columns})

    column = ROW_ID if columns == {ROW_ID: "STRING"} else key
    assert str(refused.value) == f"t: Ambiguous column name {column}: the runtime writes a column of this name"


def test_the_type_that_schema_gives_a_column_of_the_runtime_does_not_count() -> None:
    (table,) = catalog({"table": "t", "primary_key": ["id"], "columns": {SYNCED: "STRING", DELETED: "INT"}}).tables

    assert table.declared == {}
    assert table.target.columns == SYSTEM_COLUMNS["soft_delete"]


@pytest.mark.parametrize("column", ["_fivetran_synced_key", "_fivetran_x", "_fivetran_active"])
def test_other_names_with_the_prefix_are_free(column: str) -> None:
    (table,) = catalog({"table": "t", "primary_key": [column]}).tables

    assert table.target.key == (column,)


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_an_operation_must_name_every_column_of_the_key(operation: str) -> None:
    (table,) = catalog({"table": "t", "primary_key": ["orderId", "line", "part"]}).tables
    table.require_key(["line", "order_id", "part", "more"], operation)
    with pytest.raises(RowError) as refused:
        table.require_key(["line"], operation)

    assert str(refused.value) == (
        f"t: {operation} lacks the primary-key column order_id, part\n"
        "Give every column of the primary key: order_id, line, part."
    )


def test_an_update_of_a_table_without_key_needs_the_row_id() -> None:
    table = catalog().table(None, "t")
    table.require_key([ROW_ID, "a"], "update")
    table.require_key(["a"], "delete")
    with pytest.raises(RowError) as refused:
        table.require_key(["a"], "update")

    assert str(refused.value) == (
        "t: update on a table without primary key\nDeclare a primary_key in schema(), or give the row's _fivetran_id."
    )


def test_a_key_column_cannot_be_blocked() -> None:
    with pytest.raises(ConnectorError) as refused:
        catalog(
            {"table": "t", "primary_key": ["userId"]},
            options={"t": TableOptions(blocked_columns=frozenset({"user_id"}))},
        )

    assert str(refused.value) == (
        "t: the primary-key column user_id cannot be blocked\nHash it instead: hashed_columns in headwater.toml."
    )


def test_blocked_columns_are_not_made_and_hashed_ones_are_text() -> None:
    options = TableOptions(blocked_columns=frozenset({"secret"}), hashed_columns=frozenset({"userId"}))
    (table,) = catalog({"table": "t", "columns": {"secret": "INT", "userId": "LONG"}}, options={"t": options}).tables

    assert table.target.columns == {ROW_ID: ColumnType(STRING), "user_id": ColumnType(STRING), **DELETED_AND_SYNCED}
