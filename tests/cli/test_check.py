"""`headwater check`: what it finds in a project, and that it finds nothing in a good one."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from headwater.checking import check
from headwater.project import Project
from tests.cli.cli_project import IMPORTS, CliProject

ROOT = Path(__file__).parents[2]
EXAMPLES = [path.parent for path in sorted((ROOT / "examples").rglob("example.toml"))]
GOOD = f"""{IMPORTS}
def schema(configuration):
    return [{{"table": "orders", "primary_key": ["id"], "columns": {{"id": "LONG"}}}}]

def update(configuration, state):
    op.upsert("orders", {{"id": 1}})

connector = Connector(update=update, schema=schema)
"""


def findings(project: CliProject) -> list[str]:
    """Check in this process: the same call that the command makes."""
    return [f"{each.place}: {each.level}: {each.what}" for each in check(Project(project.path))]


def good(project: CliProject) -> CliProject:
    project.write("connector.py", GOOD)
    return project.configuration({})


def test_the_command_prints_what_is_wrong_and_what_to_do(project: CliProject) -> None:
    good(project)
    nothing = project.run("check")
    project.write("connector.py", GOOD.replace('op.upsert("orders",', 'op.delete("orders", key='))
    project.configuration({"page_size": 100, "api_key": "canary-4711-secret"})
    project.write("notes.txt", "\nthe key is canary-4711-secret\n")
    found = project.run("check")
    as_json = project.run("check", ".", "--json")

    assert (nothing.code, nothing.out) == (0, "Nothing was found.\n")
    assert (found.code, found.out) == (
        1,
        (
            "configuration.json: error: page_size is no string: int\n"
            "  Put quotes around the value, and convert it in the connector.\n"
            "connector.py, line 7: error: Fivetran's op.delete() has no argument 'key'\n"
            "  It takes table, keys, schema.\n"
            "notes.txt, line 2: error: the value of api_key in configuration.json stands here\n"
            "  Take it from the configuration, change the secret where it was made, and remove this.\n"
            "3 errors\n"
        ),
    )
    assert (as_json.code, [each["file"] for each in json.loads(as_json.out)]) == (
        1, ["configuration.json", "connector.py", "notes.txt"],
    )  # fmt: skip
    assert "canary-4711-secret" not in found.out + as_json.out


# Each line is put into update() of a good connector, as line 7.
CALLS = [
    # what is written                                what is found
    ('op.upsert(table="t", data={})',                None),
    ('yield op.upsert("t", {}, schema="s")',         None),
    ('args = []; op.upsert(*args, **{})',            None),
    ('log.info("x"); log.severe("x", ValueError())', None),
    ('log.Level.INFO',                               None),
    ('op.update("t", data={})',                      "error: Fivetran's op.update() has no argument 'data'"),
    ('op.delete("t", key={})',                       "error: Fivetran's op.delete() has no argument 'key'"),
    ('op.truncate("t", deferred=True)',              "error: Fivetran's op.truncate() has no argument 'deferred'"),
    ('op.upsert("t", {}, "s")',                      "error: Fivetran's op.upsert() takes 2 arguments by place, not 3"),
    ('op.upsert_many("t", [])',                      "error: Fivetran's SDK has no op.upsert_many()"),
    ('log.warn("x")',                                "error: Fivetran's SDK has no log.warn()"),
    ('import headwater',                             "error: it imports headwater, which Fivetran has not"),
    ('from fivetran_connector_sdk import TestResult', "error: Fivetran's SDK has no TestResult"),
    ('import sys; sys.exit(1)',                      "warning: sys.exit() ends the whole process"),
    ('import nowhere_to_be_found',                   ("error: nothing that is installed here provides "
                                                     "'nowhere_to_be_found'")),
    ('import json, os.path, requests, urllib3.util', None),
    ('import rich.table',                            ("error: rich.table is imported, but rich is not in "
                                                     "requirements.txt")),
    ('from sdk_helpers import keys',                 ("warning: it needs sdk_helpers/__init__.py, sdk_helpers/keys.py, "
                                                     "which Fivetran has not")),
    ('api_key = "4f2a9c81d0e7"',                     "warning: api_key is written out"),
    ('api_key = "<YOUR_API_KEY_1>"',                 None),
    ('get(token="4f2a9c81d0e7")',                    "warning: token is written out"),
    ('url = "postgresql://me:hunter22@db/x"',        "error: a password in an address stands here"),
    ('url = "postgresql://{user}:{password}@db/x"',  None),
    ('key = "AKIAIOSFODNN7ABCDEFG"',                 "error: an AWS access key stands here"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "found"), CALLS, ids=[row[0] for row in CALLS])
def test_what_is_called_and_imported(project: CliProject, line: str, found: str | None) -> None:
    good(project).write("connector.py", GOOD.replace('op.upsert("orders", {"id": 1})', line))

    assert findings(project) == ([f"connector.py, line 7: {found}"] if found else [])


def test_an_import_that_may_fail_or_is_for_type_checkers_needs_no_requirement(project: CliProject) -> None:
    top = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import rich\n"
        "try:\n    import orjson_or_so as json\nexcept ImportError:\n    import json\n"
    )
    good(project).write("connector.py", top + GOOD)

    assert findings(project) == []


RICH = version("rich")
REQUIREMENTS = [
    # requirements.txt                         what is found
    (f"rich=={RICH}\n",                        []),
    (f"# a\n-i https://x/simple\nRich[a]=={RICH} \\\n   --hash=sha256:ab  # b\n", []),
    ("rich==1.0\n", [f"line 1: warning: rich==1.0 is asked for, and {RICH} is installed here"]),
    ("rich\nclick\n",                          ["line 2: warning: no file imports click"]),
    ("rich\nrequests\nfivetran-connector-sdk==2.13.1\n", [
        "line 2: warning: requests is installed there already",
        "line 3: warning: fivetran-connector-sdk is installed there already"]),
    ("rich == == 3\nrich\n",                   ["line 1: error: this is no requirement: rich == == 3"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "found"), REQUIREMENTS, ids=[repr(row[0])[:40] for row in REQUIREMENTS])
def test_what_is_required(project: CliProject, text: str, found: list[str]) -> None:
    good(project).write("connector.py", f"import rich\n{GOOD}")
    project.write("requirements.txt", text)

    assert findings(project) == [f"requirements.txt, {each}" for each in found]
    assert (project.path / "requirements.txt").read_text() == text  # never changed


def test_a_pyproject_with_dependencies_takes_the_place_of_requirements(project: CliProject) -> None:
    good(project).write("connector.py", f"import rich\n{GOOD}")
    project.write("requirements.txt", "rich\n")
    project.write("pyproject.toml", "[tool.ruff]\n")
    with_a_tool_only = findings(project)
    project.write("pyproject.toml", "[project]\nname = 'x'\nversion = '1'\ndependencies = ['click']\n")

    assert with_a_tool_only == []
    assert findings(project) == [
        "connector.py, line 1: error: rich is imported, but rich is not in pyproject.toml",
        "pyproject.toml: warning: no file imports click",
    ]


SCHEMAS = [
    # what schema() returns                               what is found
    ('[{"table": name()}, {"table": "a"}]',               None),
    ('[{"table": "a", "primary_key": "id"}]',             "error: a: primary_key is the text 'id'; it must be a list"),
    ('[{"table": "a"}, {"table": "a", "columns": {}}]',   "error: Table already defined: a"),
    ('[{"primary_key": ["i"]}]',                          "error: Entry missing table name: {'primary_key': ['i']}"),
    ('[{"table": "a", "keys": ["id"]}]',                  ("warning: schema(): a: the key 'keys' means "
                                                          "nothing and is ignored; known keys: columns, primary_key, "
                                                          "schema, table")),
]  # fmt: skip


@pytest.mark.parametrize(("returned", "found"), SCHEMAS, ids=[row[0] for row in SCHEMAS])
def test_what_schema_writes_out(project: CliProject, returned: str, found: str | None) -> None:
    functions = f"def tables(c):\n    return {returned}\ndef update(c, s): ...\n"
    text = f"{IMPORTS}{functions}connector = Connector(update, tables)\n"
    good(project).write("connector.py", text)

    assert findings(project) == ([f"connector.py, line 3: {found}"] if found else [])


def test_the_layout_of_a_project(project: CliProject) -> None:
    empty = findings(project)
    good(project)
    project.write("connector.py", f"import lib\n{GOOD}".replace("connector =", "conector ="))
    project.write("lib/__init__.py", "")
    project.write("http.py", "")
    project.write("broken.py", "def x(:\n")
    project.write("drivers/odbc.deb", "")
    project.configuration({f"f{number}": "" for number in range(101)})
    (project.path / "link.csv").symlink_to("/etc/hostname")

    assert empty == [
        "configuration.json: warning: there is no configuration.json",
        "connector.py: error: there is no connector.py",
    ]
    assert findings(project) == [
        "broken.py, line 1: error: invalid syntax",
        "configuration.json: error: it has 101 fields; at most 100 are allowed",
        "connector.py: error: it defines no `connector`",
        "connector.py, line 1: error: lib/__init__.py is imported, but no part of a package",
        "drivers: error: drivers/ holds no installation.sh",
        "http.py: error: it hides the module 'http' from every other",
        "link.csv: error: it cannot go into a package: it is a link",
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_example_has_an_error(example: Path) -> None:
    assert [each for each in check(Project(example)) if each.level == "error"] == []
