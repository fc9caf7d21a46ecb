"""State: what a checkpoint takes, and what the next sync starts from (rules A-36, A-125, C-04, C-11)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headwater.errors import ConfigurationError, ConnectorError
from headwater.state import MAX_STATE_BYTES, Commit, choose_state, dump_state, load_state, write_whole


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


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "state.json"
    write_whole(path, '{"a": "é"}', durable=durable)
    write_whole(path, "{}", durable=durable)

    assert path.read_text(encoding="utf-8") == "{}"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_whole(path, "{}")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")

    assert path.read_text(encoding="utf-8") == "{}"
    assert list(tmp_path.iterdir()) == [path]
