"""State: what a checkpoint takes, and what the next sync starts from (rules A-36, A-125, C-04, C-11)."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from headwater.errors import ConfigurationError, ConnectorError
from headwater.state import MAX_STATE_BYTES, MAX_STATE_LEVELS, Commit, choose_state, dump_state, load_state


@pytest.mark.parametrize(
    ("state",                          "text"),
    [
        ({},                               "{}"),
        ({"cursor": 3},                    '{"cursor": 3}'),
        ({"a": {"b": [1, None, True]}},    '{"a": {"b": [1, null, true]}}'),
        ({"a": float("nan")},              '{"a": NaN}'),
        ({"a": "é\x00"},                   '{"a": "\\u00e9\\u0000"}'),
        ({"a": "\ud800"},                  '{"a": "\\ud800"}'),
        ({1: "a"},                         '{"1": "a"}'),
        ({"a": 10**400},                   '{"a": 1' + "0" * 400 + "}"),
    ],
)  # fmt: skip
def test_a_state_is_written_as_json(state: dict[str, Any], text: str) -> None:
    assert dump_state(state) == text


@pytest.mark.parametrize(
    ("state",                       "message"),
    [
        (None,                          "the state must be a dict, not NoneType"),
        ([],                            "the state must be a dict, not list"),
        ("{}",                          "the state must be a dict, not str"),
        ({"a": datetime.now(UTC)},      "Object of type datetime is not JSON serializable"),
        ({"a": Decimal(1)},             "Object of type Decimal is not JSON serializable"),
        ({"a": {1, 2}},                 "Object of type set is not JSON serializable"),
        ({(1, 2): 3},                   "keys must be str, int, float, bool or None, not tuple"),
    ],
)  # fmt: skip
def test_what_json_has_not_is_refused(state: Any, message: str) -> None:
    with pytest.raises(TypeError) as refused:
        dump_state(state)

    assert str(refused.value) == message


def test_a_state_of_10_megabytes_is_the_largest() -> None:
    frame = len(dump_state({"a": ""}))
    largest = {"a": "x" * (MAX_STATE_BYTES - frame)}

    assert len(dump_state(largest)) == MAX_STATE_BYTES
    with pytest.raises(ConnectorError) as refused:
        dump_state({"a": largest["a"] + "x"})
    assert str(refused.value) == (
        "the state has 10,000,001 bytes; at most 10,000,000 are allowed\n"
        "Keep cursors in the state, not rows or lists of ids."
    )


@pytest.mark.parametrize("wrap", [lambda inner: {"a": inner}, lambda inner: {"a": 1, "b": [inner]}])
def test_a_state_is_nested_500_levels_deep_at_most(wrap: Callable[[Any], dict[str, Any]]) -> None:
    deepest = nested(wrap, MAX_STATE_LEVELS)

    assert load_state(dump_state(deepest), "the state") == deepest
    with pytest.raises(ConnectorError) as refused:
        dump_state(nested(wrap, MAX_STATE_LEVELS + 1))
    assert str(refused.value) == (
        "the state is nested too deep: at most 500 levels are allowed\nKeep cursors in the state, in one dict or a few."
    )


def test_a_raised_recursion_limit_lets_no_state_through_that_the_next_sync_cannot_read() -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(50_000)
    try:
        with pytest.raises(ConnectorError, match="nested too deep"):
            dump_state(nested(lambda inner: {"a": inner}, 10_000))
    finally:
        sys.setrecursionlimit(before)


def nested(wrap: Callable[[Any], dict[str, Any]], levels: int) -> dict[str, Any]:
    """Wrap an empty dict until there are so many levels of dicts and lists."""
    inner: Any = {}
    added = 2 if any(isinstance(each, list) for each in wrap(0).values()) else 1
    depth = 1
    while depth + added <= levels:
        inner, depth = wrap(inner), depth + added
    return inner if depth == levels else {"a": inner}


@pytest.mark.parametrize("text", ["", "{", "nonsense", '{"a": 1} x', "[" * 100_000])
def test_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^files/state\.json is not JSON: "):
        load_state(text, "files/state.json")


@pytest.mark.parametrize("text", ["[]", "null", "1", '"{}"'])
def test_a_state_is_an_object(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^files/state\.json must hold a JSON object, not "):
        load_state(text, "files/state.json")


COMMITTED = Commit(epoch=7, sequence=3, state='{"n": 2}', previous='{"n": 1}')


@pytest.mark.parametrize(
    ("committed", "copy",            "chosen",          "edited"),
    [
        (None,        None,              "{}",              False),  # the first sync
        (None,        "{}",              "{}",              False),
        (None,        '{"n": 9}',        '{"n": 9}',        True),   # written by hand before the first sync
        (COMMITTED,   None,              '{"n": 2}',        False),  # the copy was removed
        (COMMITTED,   '{"n": 2}',        '{"n": 2}',        False),
        (COMMITTED,   '{\n  "n": 2\n}',  '{"n": 2}',        False),  # layout is no edit
        (COMMITTED,   '{"n": 1}',        '{"n": 2}',        False),  # a crash came between commit and copy
        (COMMITTED,   '{"n": 0}',        '{"n": 0}',        True),   # a person set it back
        (COMMITTED,   "{}",              "{}",              True),
        (COMMITTED,   '{"n": "2"}',      '{"n": "2"}',      True),
        (COMMITTED,   '{"n": 2.0}',      '{"n": 2.0}',      True),   # for Python 2 == 2.0, and 1 == True
        (COMMITTED,   '{"n": true}',     '{"n": true}',     True),
    ],
)  # fmt: skip
def test_the_copy_wins_only_when_a_person_edited_it(
    committed: Commit | None, copy: str | None, chosen: str, edited: bool
) -> None:
    assert choose_state(committed, copy) == (chosen, edited)


@pytest.mark.parametrize("copy", ['{"n": NaN}', '{"n": 1}'])
def test_a_state_with_nan_equals_its_copy(copy: str) -> None:
    committed = Commit(1, 2, state='{"n": 2}', previous=copy)

    assert choose_state(committed, copy) == ('{"n": 2}', False)


def test_the_order_of_keys_is_no_edit() -> None:
    committed = Commit(1, 1, state='{"a": 1, "b": 2}', previous="{}")

    assert choose_state(committed, '{"b": 2, "a": 1}') == ('{"a": 1, "b": 2}', False)


def test_the_state_hash_is_of_the_text() -> None:
    assert COMMITTED.state_hash == hashlib.sha256(b'{"n": 2}').hexdigest()
