"""Nested records to flat tables: nothing lost, children tied to their parents, collisions noticed."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from sdk_helpers import flatten
from sdk_helpers.flatten import Flattener, NameCollision


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(flatten).failed == 0


def test_objects_become_columns_and_lists_become_child_tables() -> None:
    order = {
        "id": 7,
        "buyer": {"name": "Ada", "address": {"city": "London"}},
        "note": None,
        "items": [{"sku": "a", "discounts": [{"off": 1}, {"off": 2}]}, {"sku": "b", "discounts": []}],
        "tags": ["x", None],
    }

    item, discount = "orders_items_position", "orders_items_discounts_position"

    assert list(Flattener("orders", ["id"]).rows(order)) == [
        ("orders", {"id": 7, "buyer_name": "Ada", "buyer_address_city": "London", "note": None}),
        ("orders_items", {"orders_id": 7, item: 0, "sku": "a"}),
        ("orders_items_discounts", {"orders_id": 7, item: 0, discount: 0, "off": 1}),
        ("orders_items_discounts", {"orders_id": 7, item: 0, discount: 1, "off": 2}),
        ("orders_items", {"orders_id": 7, item: 1, "sku": "b"}),
        ("orders_tags", {"orders_id": 7, "orders_tags_position": 0, "value": "x"}),
        ("orders_tags", {"orders_id": 7, "orders_tags_position": 1, "value": None}),
    ]


def test_the_schema_names_every_table_and_its_key() -> None:
    sample = {"id": 1, "items": [{"parts": [{"n": 1}]}]}

    assert Flattener("orders", ["id"]).schema([sample]) == [
        {"table": "orders", "primary_key": ["id"]},
        {"table": "orders_items", "primary_key": ["orders_id", "orders_items_position"]},
        {
            "table": "orders_items_parts",
            "primary_key": ["orders_id", "orders_items_position", "orders_items_parts_position"],
        },
    ]


def test_lists_of_lists_are_children_of_children() -> None:
    rows = list(Flattener("m", ["id"]).rows({"id": 1, "grid": [[5, 6], []]}))

    assert rows == [
        ("m", {"id": 1}),
        ("m_grid", {"m_id": 1, "m_grid_position": 0}),
        ("m_grid_value", {"m_id": 1, "m_grid_position": 0, "m_grid_value_position": 0, "value": 5}),
        ("m_grid_value", {"m_id": 1, "m_grid_position": 0, "m_grid_value_position": 1, "value": 6}),
        ("m_grid", {"m_id": 1, "m_grid_position": 1}),
    ]


@pytest.mark.parametrize(
    ("max_depth", "expected"),
    [
        (1, [("t", {"id": 1, "a": {"b": {"c": 2}}, "l": [{"x": {"y": 3}}]})]),
        (2, [("t", {"id": 1, "a_b": {"c": 2}}), ("t_l", {"t_id": 1, "t_l_position": 0, "x": {"y": 3}})]),
        (3, [("t", {"id": 1, "a_b_c": 2}), ("t_l", {"t_id": 1, "t_l_position": 0, "x_y": 3})]),
    ],
)
def test_what_lies_below_the_depth_limit_stays_whole(max_depth: int, expected: list[Any]) -> None:
    record = {"id": 1, "a": {"b": {"c": 2}}, "l": [{"x": {"y": 3}}]}

    assert list(Flattener("t", ["id"], max_depth=max_depth).rows(record)) == expected


def test_nesting_without_end_stops_at_the_depth_limit() -> None:
    record: dict[str, Any] = {"id": 1}
    record["self"] = record

    ((_, row),) = Flattener("t", ["id"], max_depth=3).rows(record)

    assert row == {"id": 1, "self_id": 1, "self_self_id": 1, "self_self_self": record}


@pytest.mark.parametrize(
    ("records", "fields"),
    [
        ([{"id": 1, "a": {"b": 1}, "a_b": 2}], ("a.b", "a_b")),
        ([{"id": 1, "a": {"b": 1}}, {"id": 2, "a_b": 2}], ("a.b", "a_b")),
        ([{"id": 1, "Name": 1, "name": 2}], ("Name", "name")),
        ([{"id": 1, "a-b": 1, "a b": 2}], ("a-b", "a b")),
        ([{"id": 1, 1: "x", "1": "y"}], ("1", "1")),
        ([{"id": 1, "l": [{"t_id": 5}]}], ("key of t_l", "l.t_id")),
        ([{"id": 1, "a": {"l": [1]}, "a_l": [2]}], ("a.l", "a_l")),
    ],
)
def test_two_fields_in_one_column_are_noticed(records: list[dict[Any, Any]], fields: tuple[str, str]) -> None:
    flattener = Flattener("t", ["id"])

    with pytest.raises(NameCollision) as raised:
        for record in records:
            list(flattener.rows(record))

    assert all(field in str(raised.value) for field in fields)


def test_a_collision_is_solved_by_a_name() -> None:
    flattener = Flattener("t", ["id"], names={"a.b": "nested_b", "lines": "items"})

    assert list(flattener.rows({"id": 1, "a": {"b": 1}, "a_b": 2, "lines": [3]})) == [
        ("t", {"id": 1, "nested_b": 1, "a_b": 2}),
        ("t_items", {"t_id": 1, "t_items_position": 0, "value": 3}),
    ]


@pytest.mark.parametrize("record", [{}, {"id": None}, {"ID2": 1}])
def test_a_record_without_its_key_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="t: primary key id missing"):
        list(Flattener("t", ["id"]).rows(record))


@pytest.mark.parametrize("primary_key", ["id", []])
def test_a_primary_key_that_is_no_list_is_refused(primary_key: Any) -> None:
    with pytest.raises(ValueError, match="must be a list"):
        Flattener("t", primary_key)


def test_a_key_may_lie_in_an_object() -> None:
    rows = list(Flattener("t", ["meta_id"]).rows({"meta": {"id": 5}, "l": [1]}))

    assert rows == [("t", {"meta_id": 5}), ("t_l", {"t_meta_id": 5, "t_l_position": 0, "value": 1})]
