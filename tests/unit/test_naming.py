"""Destination names: rules B-30 to B-38."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import ConfigurationError
from headwater.naming import CONNECTION_NAME, column_name, naming, table_name

NAMES = [
    # name              column                table                  rule
    ("userData",        "user_data",          "user_data"),          # B-31
    ("user-data",       "user_data",          "user_data"),
    ("user.data",       "user_data",          "user_data"),
    ("user_data",       "user_data",          "user_data"),
    ("A",               "a",                  "a"),                  # B-34
    ("HTTPServer",      "http_server",        "http_server"),        # B-32, decision 3
    ("userID",          "user_id",            "user_id"),
    ("LoginID",         "login_id",           "login_id"),
    ("ID",              "id",                 "id"),
    ("aB",              "a_b",                "a_b"),
    ("ABc",             "a_bc",               "a_bc"),
    ("getHTTPResponse", "get_http_response",  "get_http_response"),
    ("address1",        "address1",           "address1"),
    ("val1",            "val1",               "val1"),
    ("item2name",       "item2name",          "item2name"),
    ("item2Name",       "item2_name",         "item2_name"),
    ("custom__c",       "custom_c",           "custom_c"),           # B-30 (4)
    ("a___b",           "a_b",                "a_b"),
    ("Montréal report", "montreal_report",    "montreal_report"),    # B-30 (1)
    ("größe",           "grosse",             "grosse"),
    ("北京",             "bei_jing",           "bei_jing"),
    ("naïve Café",      "naive_cafe",         "naive_cafe"),
    ("1a",              "_1a",                "_1a"),                # B-30 (6)
    ("2nd place",       "_2nd_place",         "_2nd_place"),
    ("_bool",           "_bool",              "bool"),               # B-30 (7)
    ("__x",             "_x",                 "x"),
    ("_1x",             "_1x",                "_1x"),
    ("_Users",          "_users",             "users"),
    ("_",               "_",                  "_"),
    ("",                "_",                  "_"),
    ("$%&",             "_",                  "_"),
    ("order",           "order",              "order"),              # B-33
    ("a b\tc\nd",       "a_b_c_d",            "a_b_c_d"),
    ('x"; DROP TABLE t;--', "x_drop_table_t_", "x_drop_table_t_"),
    ("_fivetran_id",    "_fivetran_id",       "fivetran_id"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "column", "table"), NAMES)
def test_a_name_is_written_in_small_letters_and_underscores(name: str, column: str, table: str) -> None:
    assert (column_name(name), table_name(name)) == (column, table)


@given(st.text())
def test_renaming_a_result_changes_nothing(name: str) -> None:
    column, table = column_name(name), table_name(name)

    assert column_name(column) == column
    assert table_name(table) == table


@given(st.text())
def test_every_result_can_be_written_without_quotes(name: str) -> None:
    assert re.fullmatch("[a-z_][a-z0-9_]*", column_name(name))
    assert re.fullmatch("[a-z_][a-z0-9_]*", table_name(name))


@given(st.text())
def test_source_naming_keeps_every_name(name: str) -> None:
    kept = naming("source")

    assert (kept.table(name), kept.column(name)) == (name, name)


@pytest.mark.parametrize("option", ["FIVETRAN", "fivetran", "Fivetran"])
def test_the_option_is_read_in_any_case(option: str) -> None:
    assert naming(option).column("userID") == "user_id"


def test_an_unknown_naming_is_refused() -> None:
    with pytest.raises(ConfigurationError) as refused:
        naming("SNAKE")

    assert str(refused.value) == ("naming: 'SNAKE' is not a way to name tables\nUse FIVETRAN (the default) or SOURCE.")


@pytest.mark.parametrize(
    ("name",     "fits"),
    [
        ("tester",   True),
        ("_t1",      True),
        ("",         False),
        ("1t",       False),
        ("Tester",   False),
        ("te-st",    False),
        ("té",       False),
        ("tester\n", False),
    ],
)  # fmt: skip
def test_a_connection_name_is_a_plain_identifier(name: str, fits: bool) -> None:
    assert bool(CONNECTION_NAME.fullmatch(name)) is fits
