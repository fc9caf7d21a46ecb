"""The configuration: where it is found, and what is refused (rules A-120 to A-122)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater.configuration import check_configuration, find_configuration, read_configuration
from headwater.errors import ConfigurationError


def given(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


FOUND = [
    # option        variable        own     which wins
    ("option.json", "variable.json", True,  "option.json"),
    ("option.json", None,            True,  "option.json"),
    (None,          "variable.json", True,  "variable.json"),
    (None,          "",              True,  "configuration.json"),
    (None,          None,            True,  "configuration.json"),
    (None,          "variable.json", False, "variable.json"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "variable", "own", "wins"), FOUND)
def test_a122_option_then_variable_then_the_projects_own(
    tmp_path: Path, option: str | None, variable: str | None, own: bool, wins: str
) -> None:
    if own:
        given(tmp_path / "configuration.json", "{}")
    environment = {} if variable is None else {"FIVETRAN_CONFIGURATION": variable}

    found = find_configuration(tmp_path, Path(option) if option else None, environment)

    assert found.name == wins


def test_a_file_is_looked_for_where_the_command_is_typed_and_then_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, project = tmp_path / "here", tmp_path / "project"
    here.mkdir()
    project.mkdir()
    monkeypatch.chdir(here)
    both = Path("both.json")
    given(here / both, "{}")
    given(project / both, "{}")
    given(project / "theirs.json", "{}")

    assert find_configuration(project, both, {}) == both
    assert find_configuration(project, Path("theirs.json"), {}) == project / "theirs.json"
    assert find_configuration(project, None, {"FIVETRAN_CONFIGURATION": "theirs.json"}) == project / "theirs.json"
    assert find_configuration(project, Path("nowhere.json"), {}) == Path("nowhere.json")


def test_a122_without_any_file_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_configuration(tmp_path, None, {})

    assert str(caught.value) == (
        f"there is no configuration: {tmp_path / 'configuration.json'} does not exist\n"
        "Write {} into it if the connector needs none, or name a file with --configuration."
    )


READ = [
    # content                                       the configuration
    ("{}",                                          {}),
    ('{"key": "value", "empty": ""}',               {"key": "value", "empty": ""}),
    (b"\xef\xbb\xbf" + b'{"key": "value"}',         {"key": "value"}),
    ('{"path": "C:\\\\data"}',                      {"path": "C:\\data"}),
    ('{"größe": "数量"}',                            {"größe": "数量"}),
    ('{"key": "first", "key": "second"}',           {"key": "second"}),
]  # fmt: skip


@pytest.mark.parametrize(("content", "configuration"), READ)
def test_a_configuration_is_read_as_it_is_written(
    tmp_path: Path, content: bytes | str, configuration: dict[str, str]
) -> None:
    assert read_configuration(given(tmp_path / "c.json", content)) == configuration


STRINGS = '\nPut quotes around them, as in "page_size": "100", and convert them in the connector.'
BACKSLASH = "\nIn JSON a backslash in a value is written twice."
EMPTY = "\nIt is empty: write {} into it."
QUOTES = "\nIn JSON names and texts stand in double quotes, and no comma follows the last one."
REFUSED = [
    # content                             what is said after the path
    ("[]",                                " must hold a JSON object, not list"),
    ('"text"',                            " must hold a JSON object, not str"),
    ("null",                              " must hold a JSON object, not NoneType"),
    ('{"n": 1}',                          ": all values must be strings; these are not: n" + STRINGS),
    ('{"a": "x", "n": null, "b": true}',  ": all values must be strings; these are not: n, b" + STRINGS),
    ('{"list": [], "object": {}}',        ": all values must be strings; these are not: list, object" + STRINGS),
    ("",                                  " is not JSON: Expecting value: line 1 column 1 (char 0)" + EMPTY),
    ('{"a": "b",}',                       (" is not JSON: Expecting property name enclosed in double quotes: line 1 "
                                          "column 11 (char 10)" + QUOTES)),
    ('{"a": ' + "[" * 100_000,            (" is not JSON: maximum recursion depth exceeded while decoding a JSON array "
                                          "from a unicode string\nWrite it as {\"name\": \"value\"}.")),
    ('{"path": "C:\\data"}',              " is not JSON: Invalid \\escape: line 1 column 13 (char 12)" + BACKSLASH),
]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), REFUSED, ids=[content[:40] for content, _ in REFUSED])
def test_a120_what_is_no_object_of_texts_is_refused_by_name(tmp_path: Path, content: str, said: str) -> None:
    path = given(tmp_path / "c.json", content)

    with pytest.raises(ConfigurationError) as caught:
        read_configuration(path)

    assert str(caught.value) == f"{path}{said}"


def test_a120_a_refusal_does_not_show_the_values(tmp_path: Path) -> None:
    path = given(tmp_path / "c.json", '{"pin": 4711, "key": ["hunter2"]}')

    with pytest.raises(ConfigurationError) as caught:
        read_configuration(path)

    assert not {"4711", "hunter2"} & set(str(caught.value).replace("'", " ").split())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "No such file or directory"),
        (Path.mkdir, "Is a directory"),
        (lambda path: path.write_bytes(b"\xff{}"), "it is not in UTF-8\nSave it as UTF-8."),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, make: Any, said: str) -> None:
    path = tmp_path / "c.json"
    make(path)

    with pytest.raises(ConfigurationError) as caught:
        read_configuration(path)

    assert str(caught.value) == f"the configuration cannot be read: {path}: {said}"


@pytest.mark.parametrize(("fields", "accepted"), [(0, True), (100, True), (101, False)])
def test_a121_a_hundred_fields_are_the_limit(fields: int, accepted: bool) -> None:
    configuration = {f"field_{number}": "x" for number in range(fields)}

    if accepted:
        assert check_configuration(json.loads(json.dumps(configuration)), "here") == configuration
    else:
        with pytest.raises(ConfigurationError) as caught:
            check_configuration(configuration, "here")
        assert str(caught.value) == "here has 101 fields; at most 100 are allowed"
