"""`coerce.strict` against the package it mirrors: each value, each type, over real gRPC."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from headwater.types import coerce, infer
from headwater.types.names import TYPE_NAMES, ColumnType
from tests.mit_sdk.connectors.values.values import all_values
from tests.mit_sdk.stream import Operation, wire

UNDECLARED = "UNDECLARED"
RAISED = (TypeError, ValueError, AttributeError, OverflowError)

MitStream = Callable[..., list[Operation]]


def test_strict_gives_what_2_13_1_streams_and_raises_what_it_raises(mit_stream: MitStream) -> None:
    streamed = [comparable(operation) for operation in mit_stream("values") if operation["op"] == "upsert"]
    expected = [comparable(operation) for operation in expected_operations()]

    assert len(streamed) == len(expected) == (len(TYPE_NAMES) + 1) * len(all_values())
    assert [pair for pair in zip(streamed, expected, strict=True) if pair[0] != pair[1]] == []


def test_every_operation_has_its_line_in_the_stream(mit_stream: MitStream) -> None:
    operations = mit_stream("operations", state={"last": 4})

    assert operations == [
        {"op": "schema", "tables": [orders_declared()]},
        orders("upsert", id=["int", 1], total=["null", True], note=["string", "undeclared"]),
        orders("upsert", id=["int", 2]),
        orders("upsert", id=["int", 3]),
        orders("upsert", id=["int", 4]),
        {
            "op": "upsert",
            "schema": "sales",
            "table": "enums",
            "data": {"colour": ["string", "red"], "level": ["long", 7]},
        },
        orders("update", id=["int", 1], total=["double", 0.1]),
        orders("delete", id=["int", 2]),
        {"op": "warning", "message": "half done"},
        {"op": "checkpoint", "state": {"last": 5, "place": "Bergen"}},
        {"op": "truncate", "schema": "sales", "table": "enums"},
    ]


def test_a_failing_update_ends_the_stream_with_its_error(mit_stream: MitStream) -> None:
    *before, last = mit_stream("operations", state={"fail": True})

    assert before[-1] == {"op": "truncate", "schema": "sales", "table": "enums"}
    assert last["op"] == "failure"
    assert "failed while executing update() error: the source is gone\n" in last["message"]


def expected_operations() -> Iterator[Operation]:
    for type_name in (*TYPE_NAMES, UNDECLARED):
        for name, value in all_values().items():
            try:
                yield upsert(type_name, {"name": ["string", name], "value": coerced(type_name, value)})
            except RAISED as error:
                texts = {"table": type_name, "name": name, "error": type(error).__name__}
                texts["message"] = ascii(str(error))
                yield upsert("raised", {column: ["string", text] for column, text in texts.items()})


def coerced(type_name: str, value: object) -> list[object]:
    if type_name != UNDECLARED:
        return wire(type_name, coerce.strict(ColumnType(type_name, 38, 10), value))
    if value is None:
        return wire(type_name, None)
    inferred, content = infer.strict(value)
    return wire(inferred.name, content)


def upsert(table: str, data: Mapping[str, object]) -> Operation:
    return {"op": "upsert", "schema": None, "table": table, "data": data}


def orders(operation: str, **data: list[object]) -> Operation:
    return {"op": operation, "schema": None, "table": "orders", "data": data}


def orders_declared() -> dict[str, object]:
    return {"schema": None, "table": "orders", "columns": {"id": ["INT", True], "total": ["DOUBLE", False]}}


def comparable(operation: Operation) -> str:
    return json.dumps(operation, sort_keys=True)  # as text, in which NaN equals NaN and -0.0 is not 0.0
