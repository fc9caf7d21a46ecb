"""headwater.toml: what is read, what is refused and how, and that the JSON Schema says the same."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # types-jsonschema is not among the tools
import pytest

import headwater
from headwater.errors import ConfigurationError
from headwater.naming import NAMINGS
from headwater.options import Options, read_options
from headwater.schema import MODES, TableOptions

SCHEMA: dict[str, Any] = json.loads(
    (Path(headwater.__file__).parent / "headwater.schema.json").read_text(encoding="utf-8")
)
TABLE_SCHEMA: dict[str, Any] = SCHEMA["$defs"]["table"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path


def read(project: Path, text: str) -> Options:
    (project / "headwater.toml").write_text(text, encoding="utf-8")
    return read_options(project)


def test_without_a_file_every_option_has_its_default(project: Path) -> None:
    assert read_options(project) == Options(
        destination="duckdb:files/warehouse.db",
        schema="tester",
        naming="FIVETRAN",
        strict=False,
        memory_mb=400,
        retries=5,
        tables={},
    )


def test_every_option_is_read(project: Path) -> None:
    options = read(
        project,
        """
        destination = "duckdb:/data/shop.db"
        schema = "_shop2"
        naming = "source"
        strict = true
        memory_mb = 1
        retries = 0

        [tables.orders]
        mode = "history"
        blocked = true
        blocked_columns = ["note", "cardNumber"]
        hashed_columns = ["email"]

        [tables."user.data"]
        """,
    )

    assert options == Options(
        destination="duckdb:/data/shop.db",
        schema="_shop2",
        naming="source",
        strict=True,
        memory_mb=1,
        retries=0,
        tables={
            "orders": TableOptions("history", True, frozenset({"note", "cardNumber"}), frozenset({"email"})),
            "user.data": TableOptions("soft_delete", False, frozenset(), frozenset()),
        },
    )


def test_a_flag_wins_over_the_file_and_one_that_is_not_given_does_not(project: Path) -> None:
    options = read(project, 'schema = "shop"\nstrict = true\nnaming = "SOURCE"\n')

    assert options.with_flags(strict=None, naming="FIVETRAN", destination="memory:") == Options(
        destination="memory:", schema="shop", naming="FIVETRAN", strict=True
    )


KEYS = "\nKnown keys: destination, schema, naming, strict, memory_mb, retries, tables."
TABLE_KEYS = "\nKnown keys: mode, blocked, blocked_columns, hashed_columns."
MODE_NAMES = "soft_delete, live, history"
SMALL = "; use small letters, digits and _, and no digit first"

REFUSED = [
    # headwater.toml                            what is said after the name of the file, and what to do
    ("destinaton = 'x'",                        "the key 'destinaton' is unknown" + KEYS),
    ("[table.orders]",                          "the key 'table' is unknown" + KEYS),
    ("destination = 1",                         "destination must be text, not 1"),
    ("schema = true",                           "schema must be text, not True"),
    ("schema = ''",                             "schema is ''" + SMALL),
    ("schema = 'Shop'",                         "schema is 'Shop'" + SMALL),
    ("schema = \"a'b\"",                        "schema is \"a'b\"" + SMALL),
    ("schema = '2shop'",                        "schema is '2shop'" + SMALL),
    ("naming = 'fivetrans'",                    "naming is 'fivetrans'; use FIVETRAN or SOURCE"),
    ("naming = ['SOURCE']",                     "naming must be text, not ['SOURCE']"),
    ("strict = 'true'",                         "strict must be true or false, not 'true'"),
    ("strict = 1",                              "strict must be true or false, not 1"),
    ("memory_mb = true",                        "memory_mb must be a whole number, not True"),
    ("memory_mb = 1.5",                         "memory_mb must be a whole number, not 1.5"),
    ("memory_mb = 0",                           "memory_mb is 0; use 1 or more"),
    ("retries = -1",                            "retries is -1; use 0 or more"),
    ("retries = 1.5",                           "retries must be a whole number, not 1.5"),
    ("tables = ['orders']",                     "tables must be a table, not ['orders']"),
    ("tables.orders = 'live'",                  "[tables.orders] must be a table of options"),
    ("[tables.orders]\nmodus = 'live'",         "[tables.orders]: the key 'modus' is unknown" + TABLE_KEYS),
    ("[tables.orders]\nmode = 'Live'",          "[tables.orders]: mode is 'Live'; use one of " + MODE_NAMES),
    ("[tables.orders]\nmode = 1",               "[tables.orders]: mode must be text, not 1"),
    ("[tables.orders]\nblocked = 'yes'",        "[tables.orders]: blocked must be true or false, not 'yes'"),
    ("[tables.orders]\nblocked_columns = 'a'",  "[tables.orders]: blocked_columns must be a list of names, not 'a'"),
    ("[tables.orders]\nhashed_columns = [1]",   "[tables.orders]: hashed_columns must be a list of column names"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=[text for text, _ in REFUSED])
def test_what_is_wrong_is_refused_by_name(project: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(project, text)

    assert str(caught.value) == f"headwater.toml: {said}"


@pytest.mark.parametrize("content", [b"strict = ", b"\xff\xfe", b"strict = true\nstrict = true"])
def test_a_file_that_is_no_toml_is_refused_with_its_path(project: Path, content: bytes) -> None:
    path = project / "headwater.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        read_options(project)

    assert str(caught.value).startswith(f"{path} cannot be read: ")


# --- the JSON Schema


def test_schema_has_the_options_and_their_defaults() -> None:
    default = Options()
    stated = {key: option["default"] for key, option in SCHEMA["properties"].items()}

    # The Singer target sets these two; no file does.
    in_files = {each.name for each in fields(Options)} - {"other_tables", "remarks"}
    assert stated == {name: getattr(default, name) for name in in_files}


def test_schema_has_the_options_of_a_table_and_their_defaults() -> None:
    default = TableOptions()
    stated = {key: option["default"] for key, option in TABLE_SCHEMA["properties"].items()}
    known = {each.name: getattr(default, each.name) for each in fields(TableOptions)}

    assert stated == {key: list(value) if isinstance(value, frozenset) else value for key, value in known.items()}


def test_schema_has_the_modes_and_the_namings() -> None:
    assert TABLE_SCHEMA["properties"]["mode"]["enum"] == list(MODES)
    assert SCHEMA["properties"]["naming"]["enum"] == list(NAMINGS)


def test_schema_is_a_schema_and_describes_every_option() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    options = [*SCHEMA["properties"].values(), *TABLE_SCHEMA["properties"].values()]

    assert [option for option in options if not option["description"].endswith(".")] == []


ACCEPTED = [
    "", "strict = false", "schema = 'a_1'", "naming = 'SOURCE'", "memory_mb = 1", "retries = 0", "tables = {}",
    "[tables.x]",
    "destination = 'memory:'", "[tables.x]\nmode = 'live'\nblocked_columns = []\nhashed_columns = ['a', 'b']",
]  # fmt: skip


@pytest.mark.parametrize("text", [*ACCEPTED, *(text for text, _ in REFUSED)])
def test_schema_and_reader_agree(project: Path, text: str) -> None:
    try:
        read(project, text)
        reads = True
    except ConfigurationError:
        reads = False

    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(tomllib.loads(text)) is reads
    assert reads is (text in ACCEPTED)
