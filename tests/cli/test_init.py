"""`headwater init`: a new project out of an example, which runs at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.project_templates import project_files, templates
from headwater.testing import ReplayServer
from tests.cli.cli_project import CliProject
from tests.mit_sdk.stream import EnvironmentUnavailable, stream

HELLO = [".gitignore", "README.md", "configuration.json", "connector.py", "requirements.txt"]


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def official() -> Callable[[Path], list[str]]:
    def operations(folder: Path) -> list[str]:
        try:
            return [operation["op"] for operation in stream(folder)]
        except EnvironmentUnavailable as reason:
            pytest.skip(f"cannot run it with fivetran-connector-sdk 2.13.1: {reason}")

    return operations


def test_a_new_project_runs_here_and_under_the_official_package(
    project: CliProject, official: Callable[[Path], list[str]]
) -> None:
    made = project.run("init", "new/shop")
    folder = project.path / "new" / "shop"
    found = files_in(folder)
    ran = project.run("debug", "new/shop")

    assert (made.code, made.err) == (0, "")
    assert made.out.splitlines()[-1] == "headwater debug new/shop"
    assert found == HELLO
    assert (ran.code, ran.err) == (0, "")
    assert "upsert" in official(folder)


def test_a_project_takes_along_the_helpers_it_uses_and_says_what_to_fill_in(project: CliProject) -> None:
    made = project.run("init", "list", "--template", "examples/source_examples/mailchimp", "--json")
    report = json.loads(made.out)
    shown = project.run("init", "list2", "--template", "mailchimp")

    assert made.code == 0
    assert report["fill_in"] == ["api_key"]
    assert report["template"] == "source_examples/mailchimp"
    assert report["files"] == files_in(project.path / "list")
    assert {"sdk_helpers/__init__.py", "sdk_helpers/http.py", "sdk_helpers/retry.py"} <= set(report["files"])
    assert not any(name.startswith(("expected", "replay", "example.toml")) for name in report["files"])
    assert "configuration.json" in (project.path / "list" / ".gitignore").read_text().split()
    assert "Fill in api_key in list2/configuration.json, then run:\n" in shown.out


def test_no_template_takes_along_what_belongs_to_the_test_of_its_example() -> None:
    of_the_test = re.compile(r"(example\.toml|expected/|seed[._]|source\.py)")
    taken = {each.name: [name for name in project_files(each) if of_the_test.match(name)] for each in templates()}

    assert {name: files for name, files in taken.items() if files} == {}


def test_a_project_takes_along_the_answers_that_its_readme_says_to_play_and_no_others() -> None:
    told = {}
    taken = {}
    for template in templates():
        files = project_files(template)
        told[template.name] = re.findall(r"headwater\.testing (\S+)", files.get("README.md", b"").decode())
        taken[template.name] = sorted({"replay" for name in files if name.startswith("replay/")})

    assert ["replay"] in told.values()
    assert taken == told


def test_a_new_project_syncs_from_the_answers_it_came_with(project: CliProject) -> None:
    project.run("init", "users", "--template", "detect_deletes")
    folder = project.path / "users"
    with ReplayServer(folder / "replay") as server:
        (folder / "configuration.json").write_text(json.dumps({"base_url": f"{server.url}/v1"}))
        ran = project.run("debug", "users")

    assert ran.code == 0
    assert "3 users: 3 new or changed, 0 gone" in ran.out + ran.err


def test_files_that_are_there_stay_unless_someone_says_so(project: CliProject, tmp_path: Path) -> None:
    project.write("connector.py", "mine")
    project.write(".gitignore", "mine")
    refused = project.run("init", ".")
    kept = files_in(project.path)
    replaced = project.run("init", ".", "--yes")

    assert (refused.code, refused.err.splitlines()[-1]) == (2, "Error: there is no terminal to ask on: say --yes")
    assert kept == [".gitignore", "connector.py"]
    assert replaced.code == 0
    assert (project.path / "connector.py").read_text() != "mine"
    assert (project.path / ".gitignore").read_text() == "mine"


def test_init_writes_through_no_link_out_of_the_folder(project: CliProject, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_text("mine")
    (project.path / "connector.py").symlink_to(outside)
    outcome = project.run("init", ".", "--yes")

    assert outcome.code == 1
    assert outcome.err.startswith("Error: connector.py leads out of the project\n")
    assert outside.read_text() == "mine"


def test_list_names_every_example_with_what_it_shows(project: CliProject) -> None:
    listed = project.run("init", "--list")
    as_json = json.loads(project.run("init", "--list", "--json").out)

    assert {
        "template": "quickstart/hello", "title": "Hello", "operations": ["upsert", "checkpoint"], "helpers": [],
    } in as_json  # fmt: skip
    assert [line.split()[0] for line in listed.out.splitlines()[2:]] == [each["template"] for each in as_json]
    line = next(line for line in listed.out.splitlines() if "/detect_deletes " in line)
    assert "upsert, delete, checkpoint" in line


WRONG = [
    # arguments                    code  said
    ([],                           2,    "Error: name the folder of the new project; . is this one\n"),
    (["x", "--template", "helo"],  1,    ("Error: there is no template 'helo': did you mean 'quickstart/hello'?\n"
                                         "See them all with `headwater init --list`.\n")),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "said"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_wrong_usage_of_init(project: CliProject, arguments: list[str], code: int, said: str) -> None:
    outcome = project.run("init", *arguments)

    assert (outcome.code, outcome.err.endswith(said)) == (code, True)
    assert files_in(project.path) == []
