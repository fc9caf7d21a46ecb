"""What Singer messages do to the tables: each kind of message, loaded into a real DuckDB file."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.destinations import open_destination
from headwater.errors import ConfigurationError, HeadwaterError
from headwater.singer.messages import MessageError
from tests.singer.tap_messages import INTEGER, SCHEMA, TEXT, Message, Shop, activate, record, schema, state

ORDERS = schema("orders", {"id": INTEGER, "name": TEXT}, "id")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_record_with_the_key_of_another_replaces_it(shop: Shop) -> None:
    result = shop.load(
        ORDERS, record("orders", id=1, name="a"), record("orders", id=2), record("orders", id=1, name="b")
    )

    assert result.status == "succeeded"
    assert shop.rows("SELECT id, name FROM orders ORDER BY id") == [(1, "b"), (2, None)]


def test_records_without_a_key_are_kept_each_once(shop: Shop) -> None:
    events = [schema("events", {"n": INTEGER}), record("events", n=1), record("events", n=2), record("events", n=1)]

    shop.load(*events)
    shop.load(*events)

    assert shop.rows("SELECT n FROM events ORDER BY n") == [(1,), (2,)]


STRING = {"type": "string"}
NUMBER = {"type": "number"}
DATE_TIME = {"type": ["null", "string"], "format": "date-time"}
DATE = {"type": "string", "format": "date"}
CENTS = {"type": "number", "multipleOf": 0.01}
DECIMAL = {"type": "string", "format": "x-singer.decimal", "precision": 12, "scale": 3}
UUID = "6f1c2b1e-0000-4000-8000-000000000000"
LEAP_DAY = datetime(2024, 2, 29, tzinfo=UTC)
TIMESTAMP = "TIMESTAMP WITH TIME ZONE"

VALUES: list[tuple[dict[str, Any], Any, str, Any]] = [
    # schema                             sent                          column           stored
    ({"type": "boolean"},                True,                         "BOOLEAN",       True),
    ({"type": ["null", "integer"]},      2**63 - 1,                    "BIGINT",        2**63 - 1),
    (INTEGER,                            2**70,                        "DECIMAL(38,0)", Decimal(2**70)),
    (NUMBER,                             0.1,                          "DOUBLE",        0.1),
    (NUMBER,                             3,                            "DOUBLE",        3.0),
    (CENTS,                              0.1,                          "DECIMAL(38,2)", Decimal("0.10")),
    (CENTS,                              7,                            "DECIMAL(38,2)", Decimal("7.00")),
    (CENTS | {"minimum": 0, "maximum": 9999}, 0.1,                     "DECIMAL(6,2)",  Decimal("0.10")),
    (DECIMAL,                            "1.5",                        "DECIMAL(12,3)", Decimal("1.500")),
    (DATE_TIME,                          "2024-02-29T05:30:00+05:30",  TIMESTAMP,       LEAP_DAY),
    (DATE_TIME,                          "2024-02-29 00:00:00",        TIMESTAMP,       LEAP_DAY),
    (DATE_TIME,                          "2024-02-29",                 TIMESTAMP,       LEAP_DAY),
    (DATE,                               "2024-02-29",                 "DATE",          date(2024, 2, 29)),
    (DATE,                               "2024-02-29T00:00:00Z",       "DATE",          date(2024, 2, 29)),
    (STRING | {"format": "time"},        "01:02:03",                   "VARCHAR",       "01:02:03"),
    (STRING | {"format": "uuid"},        UUID,                         "VARCHAR",       UUID),
    ({"type": "object"},                 {"a": [1, None]},             "VARCHAR",       '{"a": [1, null]}'),
    ({"type": "array"},                  [1.5, "x"],                   "VARCHAR",       '[1.5, "x"]'),
    ({"anyOf": [{"type": "null"}, INTEGER]}, 3,                        "BIGINT",        3),
    ({"oneOf": [INTEGER, NUMBER]},       3,                            "DOUBLE",        3.0),
    ({"allOf": [STRING, {"format": "date"}]}, "2024-02-29",            "DATE",          date(2024, 2, 29)),
    ({"$ref": "#/properties/id"},        3,                            "BIGINT",        3),
    ({"type": ["string", "array"]},      [True],                       "VARCHAR",       "[true]"),
    ({},                                 "x",                          "VARCHAR",       "x"),
]  # fmt: skip


def test_json_schema_gives_the_columns_their_types(shop: Shop) -> None:
    names = [f"c{number}" for number in range(len(VALUES))]
    properties = {name: wanted for name, (wanted, *_) in zip(names, VALUES, strict=True)}
    sent = {name: value for name, (_, value, *_) in zip(names, VALUES, strict=True)}

    result = shop.load(schema("t", {"id": INTEGER, **properties}, "id"), record("t", id=1, **sent))

    assert result.error is None
    types = shop.types("t")
    stored = shop.rows(f"SELECT {', '.join(names)} FROM t")[0]
    assert [(types[name], value) for name, value in zip(names, stored, strict=True)] == [
        (column, value) for _, _, column, value in VALUES
    ]


def test_a_decimal_keeps_more_digits_than_a_float_has(shop: Shop) -> None:
    wanted = {"id": INTEGER, "amount": {"type": "number", "multipleOf": 1e-20}}
    line = '{"type": "RECORD", "stream": "t", "record": {"id": 1, "amount": 0.12345678901234567890}}\n'

    shop.load(schema("t", wanted, "id"), line)

    assert shop.rows("SELECT amount FROM t") == [(Decimal("0.12345678901234567890"),)]


def test_a_later_schema_adds_columns_and_widens_them(shop: Shop) -> None:
    shop.load(
        schema("t", {"id": INTEGER, "a": INTEGER, "b": {"type": "boolean"}}, "id"),
        record("t", id=1, a=1, b=True),
        schema("t", {"id": INTEGER, "a": {"type": "number"}, "b": TEXT, "c": INTEGER}, "id"),
        record("t", id=2, a=2.5, b="x", c=3),
    )

    assert shop.types("t") == {"id": "BIGINT", "a": "DOUBLE", "b": "VARCHAR", "c": "BIGINT"}
    assert shop.rows("SELECT id, a, b, c FROM t ORDER BY id") == [(1, 1.0, "true", None), (2, 2.5, "x", 3)]


def test_a_schema_makes_its_table_before_any_record(shop: Shop) -> None:
    shop.load(ORDERS)

    assert shop.types("orders") == {"id": "BIGINT", "name": "VARCHAR"}


def test_states_go_out_in_order_with_the_records_before_them(shop: Shop) -> None:
    messages: list[Message] = [ORDERS]
    for n in range(1, 7):
        messages += [record("orders", id=n), state({"n": n})]

    shop.load(*messages, record("orders", id=7), batch_size_rows=3)

    # The first at once, then every third record; the last record belongs to no state, and is loaded all the same.
    assert shop.states == [{"n": 1}, {"n": 4}, {"n": 6}]
    assert shop.rows("SELECT count(*) FROM orders") == [(7,)]


def test_a_state_that_could_not_go_out_is_committed_and_its_rows_may_come_again(shop: Shop) -> None:
    messages = [ORDERS, schema("events", {"n": INTEGER}), record("orders", id=1), record("events", n=1), state(1)]

    def refuse(_: Any) -> None:
        raise BrokenPipeError("nobody reads")

    failed = shop.load(*messages, write_state=refuse)
    again = shop.load(*messages)

    assert isinstance(failed.error, BrokenPipeError)
    assert again.status == "succeeded"
    assert shop.states == [1]
    assert shop.rows("SELECT id FROM orders") == [(1,)]
    assert shop.rows("SELECT n FROM events") == [(1,)]


def test_what_fails_leaves_the_last_commit_and_its_state(shop: Shop) -> None:
    result = shop.load(ORDERS, record("orders", id=1), state(1), record("orders", id=2), '{"type": "REC')

    assert isinstance(result.error, MessageError)
    assert shop.states == [1]
    assert shop.rows("SELECT id FROM orders") == [(1,)]


def batch(encoding: dict[str, str], *manifest: str) -> Message:
    return {"type": "BATCH", "stream": "orders", "encoding": encoding, "manifest": [*manifest]}


JSON_LINES = {"format": "jsonl"}

REFUSED = [
    # messages                                           what is said
    (["[]\n"],                                           "a line must hold a JSON object, not list: []"),
    ([{"type": "PING"}],                                 "a message has the type 'PING'"),
    ([{"type": "RECORD", "stream": "t"}],                "a message of type RECORD lacks 'record'"),
    ([{**ORDERS, "schema": 3}],                          "a message of type SCHEMA: 'schema' must be an object"),
    ([activate("t", True)],                              "ACTIVATE_VERSION: 'version' must be a whole number"),
    ([record("t", id=1)],                                "t: a RECORD came before the stream's SCHEMA"),
    ([{**ORDERS, "schema": {}}],                         "a SCHEMA message has no 'properties'"),
    ([schema("t", {"id": {"type": "money"}}, "id")],     "a property of the type 'money'"),
    ([schema("t", {"id": {"$ref": "#/x/id"}}, "id")],    "refers to '#/x/id', which leads nowhere"),
    ([{**ORDERS, "key_properties": "id"}],               "orders: key_properties must be a list of names, not 'id'"),
    ([ORDERS, record("orders", name="x")],               "orders.id: a row has no value for this primary-key column"),
    ([ORDERS, record("orders", id="x")],                 "orders.id: 'x' does not fit LONG"),
    ([ORDERS, {**ORDERS, "key_properties": ["name"]}],   "the primary key is now name, but rows have come with id"),
    ([ORDERS, {**ORDERS, "stream": "Orders"}],           "'orders' and 'Orders' are both called"),
    ([ORDERS, batch({"format": "avro"}, "file:///x")],   "has the encoding {'format': 'avro'}"),
    ([ORDERS, batch(JSON_LINES, "s3://b/x")],            "names a file on s3:"),
    ([ORDERS, batch(JSON_LINES, "file:///none")],        "the batch file file:///none cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_a_wrong_message_fails_and_says_which(shop: Shop, messages: list[Any], said: str) -> None:
    result = shop.load(*messages)

    assert result.status == "failed"
    assert said in str(result.error)


VERSIONS = [
    # hard_delete  rows afterwards, with whether they are marked as deleted
    (False,        [(1, True), (2, False), (3, False)]),
    (True,         [(2, None), (3, None)]),
]  # fmt: skip


@pytest.mark.parametrize(("hard_delete", "rows"), VERSIONS)
def test_activate_version_deletes_the_rows_of_earlier_versions(shop: Shop, hard_delete: bool, rows: list[Any]) -> None:
    shop.load(
        ORDERS, *(record("orders", id=n, version=1) for n in (1, 2)), activate("orders", 1), hard_delete=hard_delete
    )
    shop.load(
        ORDERS, *(record("orders", id=n, version=2) for n in (2, 3)), activate("orders", 2), hard_delete=hard_delete
    )

    deleted = "NULL" if hard_delete else "_fivetran_deleted"
    assert shop.rows(f"SELECT id, {deleted} FROM orders ORDER BY id") == rows


def test_a_version_that_comes_in_two_runs_keeps_the_rows_of_the_first(shop: Shop) -> None:
    shop.load(ORDERS, record("orders", id=1, version=1), activate("orders", 1))
    shop.load(ORDERS, record("orders", id=2, version=2), state({"version": 2}), record("orders", id=2, version=2))
    shop.load(ORDERS, record("orders", id=3, version=2), activate("orders", 2))

    assert shop.rows("SELECT id FROM orders WHERE NOT _fivetran_deleted ORDER BY id") == [(2,), (3,)]


def test_two_versions_in_one_run_are_told_apart(shop: Shop) -> None:
    rows = [record("orders", id=n, version=version) for version, n in ((1, 1), (1, 2), (2, 2))]

    shop.load(ORDERS, *rows, activate("orders", 2))

    assert shop.rows("SELECT id FROM orders WHERE NOT _fivetran_deleted") == [(2,)]


def test_records_without_a_version_are_of_the_one_that_is_activated(shop: Shop) -> None:
    shop.load(ORDERS, record("orders", id=1))
    shop.load(ORDERS, record("orders", id=2), activate("orders", 9))

    assert shop.rows("SELECT id FROM orders WHERE NOT _fivetran_deleted") == [(2,)]


def test_activate_version_can_be_left_alone(shop: Shop) -> None:
    shop.load(ORDERS, record("orders", id=1, version=1))
    shop.load(ORDERS, activate("orders", 2), process_activate_version_messages=False)

    assert shop.rows("SELECT id FROM orders WHERE NOT _fivetran_deleted") == [(1,)]


@pytest.mark.parametrize(("hard_delete", "rows"), [(False, [(1, "gone", True)]), (True, [])])
def test_a_record_that_says_when_it_was_deleted_is_deleted(shop: Shop, hard_delete: bool, rows: list[Any]) -> None:
    shop.load(
        ORDERS,
        record("orders", id=1, name="here"),
        record("orders", id=1, name="gone", _sdc_deleted_at="2024-02-29T00:00:00Z"),
        hard_delete=hard_delete,
    )

    deleted = "NULL" if hard_delete else "_fivetran_deleted"
    assert shop.rows(f"SELECT id, name, {deleted} FROM orders") == rows


def test_metadata_says_where_a_record_comes_from_and_does_not_double_it(shop: Shop) -> None:
    events = [
        schema("events", {"n": INTEGER}),
        {**record("events", n=1, version=7), "time_extracted": "2024-02-29T00:00:00Z"},
    ]

    shop.load(*events)
    shop.load(*events, add_record_metadata=True)
    shop.load(*events, add_record_metadata=True)

    columns = "n, _sdc_extracted_at, _sdc_table_version, _sdc_deleted_at, _sdc_received_at >= _sdc_batched_at"
    assert shop.rows(f"SELECT {columns} FROM events") == [(1, LEAP_DAY, 7, None, True)]
    assert shop.rows("SELECT _sdc_sequence >= _sdc_sync_started_at FROM events") == [(True,)]


def test_batch_files_are_loaded_as_their_records_would_be(shop: Shop) -> None:
    plain, compressed, parquet = (shop.folder / name for name in ("a b.jsonl", "b.jsonl.gz", "c.parquet"))
    plain.write_text('{"id": 1, "amount": 0.30, "paid": "2024-02-29 00:00:00"}\n\n')
    compressed.write_bytes(gzip.compress(b'{"id": 2, "amount": 7}\n{"id": 3}\n'))
    pq.write_table(pa.table({"id": [4], "amount": [Decimal("1.25")]}), parquet)

    result = shop.load(
        schema("orders", {"id": INTEGER, "amount": CENTS, "paid": DATE_TIME}, "id"),
        batch(JSON_LINES | {"compression": "none"}, f"file://{plain}".replace(" ", "%20")),
        batch(JSON_LINES | {"compression": "gzip"}, f"file://{compressed}"),
        batch({"format": "parquet"}, str(parquet)),
        state({"done": True}),
    )

    assert result.error is None
    assert shop.states == [{"done": True}]
    assert shop.rows("SELECT id, amount, paid FROM orders ORDER BY id") == [
        (1, Decimal("0.30"), LEAP_DAY),
        (2, Decimal("7.00"), None),
        (3, None, None),
        (4, Decimal("1.25"), None),
    ]


def test_names_are_fivetran_s_or_the_source_s(shop: Shop) -> None:
    messages = [schema("public-Users", {"userId": INTEGER}, "userId"), record("public-Users", userId=1)]

    shop.load(*messages)
    shop.load(*messages, naming="SOURCE")

    assert shop.rows("SELECT user_id FROM public_users") == [(1,)]
    assert shop.rows('SELECT "userId" FROM "public-Users"') == [(1,)]


def test_the_state_is_kept_beside_the_rows(shop: Shop) -> None:
    shop.load(ORDERS, record("orders", id=1, version=3), state({"bookmarks": {"orders": 1}}))

    kept = json.loads(shop.rows("SELECT state FROM _headwater.state")[0][0])["singer"]
    assert kept["state"] == {"bookmarks": {"orders": 1}}
    assert kept["versions"]["orders"]["version"] == 3


def test_the_schema_of_a_connector_is_refused(shop: Shop) -> None:
    destination = open_destination(shop.settings()["destination"], folder=shop.folder, connection=SCHEMA, memory_mb=100)
    destination.open()
    destination.commit('{"cursor": 3}')
    destination.close()

    with pytest.raises(ConfigurationError, match="the schema 'shop' is that of a connector"):
        shop.load(ORDERS)


def test_a_table_that_another_tool_has_made_is_not_touched(shop: Shop) -> None:
    with duckdb.connect(str(shop.folder / "warehouse.db")) as warehouse:
        warehouse.execute(f"CREATE SCHEMA {SCHEMA}; CREATE TABLE {SCHEMA}.orders AS SELECT 1 AS id")

    result = shop.load(ORDERS, record("orders", id=2))

    assert result.status == "failed"
    assert shop.rows("SELECT id FROM orders") == [(1,)]


HARD = {"hard_delete": True}
LOADED_OTHERWISE: list[tuple[Message, dict[str, Any], str]] = [
    # the second run's SCHEMA                                  settings  what is said
    (schema("orders", {"id": INTEGER, "name": TEXT}, "name"),  {},       "the primary key is now name, "),
    (ORDERS,                                                   HARD,     "the mode is now live, "),
]  # fmt: skip


@pytest.mark.parametrize(("now", "settings", "said"), LOADED_OTHERWISE, ids=["another key", "another mode"])
def test_a_table_that_was_loaded_otherwise_is_refused_with_a_way_out_that_works(
    shop: Shop, now: Message, settings: dict[str, Any], said: str
) -> None:
    shop.load(ORDERS, record("orders", id=1, name="a"))
    refused = shop.load(now, record("orders", id=2, name="b"), **settings)

    assert isinstance(refused.error, HeadwaterError)
    assert said in refused.error.message
    hint = refused.error.hint or ""
    assert "headwater " not in hint
    assert all(way in hint for way in ("the setting 'schema'", "drop the table"))
    assert shop.rows("SELECT id, name FROM orders") == [(1, "a")]

    with duckdb.connect(str(shop.folder / "warehouse.db")) as warehouse:
        warehouse.execute(f"DROP TABLE {SCHEMA}.orders")
    assert shop.load(now, record("orders", id=2, name="b"), **settings).status == "succeeded"
    assert shop.load(ORDERS, record("orders", id=3, name="c"), schema="another").status == "succeeded"

    assert shop.rows("SELECT id, name FROM orders") == [(2, "b")]
    assert shop.rows("SELECT id, name FROM another.orders") == [(3, "c")]
