"""`headwater check`: what it finds in a project, and that it finds nothing in a good one."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from headwater.checking import check
from headwater.checking.client_methods import client_method_findings
from headwater.checking.source import read_sources
from headwater.project import Project
from headwater.project_files import find_project_files
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
    ('from fivetran_connector_sdk.connector import Connector',
                                                     ("error: Fivetran's SDK has no module "
                                                     "fivetran_connector_sdk.connector")),
    ('input("your name? ")',                         "warning: input() waits for someone, and nobody is there"),
    ('breakpoint()',                                 "warning: breakpoint() waits for someone, and nobody is there"),
    ('from . import rows',                           "error: connector.py is in no package: `from .` fails"),
    ('from .rows import ROWS',                       "error: connector.py is in no package: `from .rows` fails"),
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
    ("rich; python_version >= '3'\n",          []),
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


OTHER_FILES: list[tuple[dict[str, str], list[str]]] = [
    # files                                                                    what is found
    ({"requirements.txt": "-r other.txt\n", "other.txt": "rich\n"},            []),
    ({"requirements.txt": "--requirement=of/a.txt # all\n", "of/a.txt": "-r../b.txt\n", "b.txt": "rich\n"}, []),
    ({"requirements.txt": "-r other.txt\nrich\n", "other.txt": "-r requirements.txt\n"}, []),
    ({"requirements.txt": "rich\n-r other.txt\n", "other.txt": "\nclick\n"},
     ["other.txt, line 2: warning: no file imports click"]),
    ({"requirements.txt": "rich\n-r other.txt\n"},
     ["requirements.txt, line 2: error: there is no other.txt"]),
    ({"requirements.txt": "rich\n-r ../outside.txt\n", "../outside.txt": "click\n"},
     ["requirements.txt, line 2: error: ../outside.txt is no file of the project, and is not read"]),
    ({"requirements.txt": "rich\n--requirement https://x/y.txt\n"},
     ["requirements.txt, line 2: error: https://x/y.txt is no file of the project, and is not read"]),
    ({"requirements.txt": "rich\n-c limits.txt\n--require-hashes\n", "limits.txt": "click\n"}, []),
]  # fmt: skip


@pytest.mark.parametrize(("files", "found"), OTHER_FILES, ids=[files["requirements.txt"] for files, _ in OTHER_FILES])
def test_what_is_required_in_other_files(project: CliProject, files: dict[str, str], found: list[str]) -> None:
    good(project).write("connector.py", f"import rich\n{GOOD}")
    for name, text in files.items():
        project.write(name, text)

    assert findings(project) == found


def test_a_link_to_requirements_outside_the_project_is_not_followed(project: CliProject, tmp_path: Path) -> None:
    good(project).write("connector.py", f"import rich\n{GOOD}")
    (tmp_path / "outside.txt").write_text("rich\n")
    project.write("requirements.txt", "rich\n-r linked.txt\n")
    (project.path / "linked.txt").symlink_to(tmp_path / "outside.txt")

    assert "requirements.txt, line 2: error: linked.txt is no file of the project, and is not read" in findings(project)


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
    ('"a"',                                               "error: schema() must return a list of tables, not str"),
    ('{"table": "a"}',                                    "error: schema() must return a list of tables, not dict"),
    ("None",                                              "error: schema() must return a list of tables, not NoneType"),
    ("(lambda: 'a') and tables()",                        None),
    ('[{"primary_key": ["i"]}]',                          "error: Entry missing table name: {'primary_key': ['i']}"),
    ('[{"table": "a", "keys": ["id"]}]',                  ("warning: schema(): a: the key 'keys' means "
                                                          "nothing and is ignored; known keys: columns, primary_key, "
                                                          "schema, table")),
]  # fmt: skip


@pytest.mark.parametrize(("returned", "found"), SCHEMAS, ids=[row[0] for row in SCHEMAS])
def test_what_schema_writes_out(project: CliProject, returned: str, found: str | None) -> None:
    functions = f"def tables(c):\n    return {returned}\ndef update(configuration, state): ...\n"
    text = f"{IMPORTS}{functions}connector = Connector(update, tables)\n"
    good(project).write("connector.py", text)

    assert findings(project) == ([f"connector.py, line 3: {found}"] if found else [])


CALLED = "error: update() is called with configuration=… and state=…, and "
SCHEMA_CALLED = "error: schema() is called with the configuration"
FUNCTIONS = [
    # the functions                                                      what is found
    ("def update(configuration, state): ...",                            None),
    ("def update(configuration: dict, state: dict = None): ...",         None),
    ("def update(*, state, configuration): ...",                         None),
    ("def update(**given): ...",                                         None),
    ("async_update = update = print",                                    None),
    ("from functools import wraps as update",                            None),
    ("@print\ndef update(c, s): ...",                                    None),
    ("def update(config, state): ...",                                   CALLED + "does not take configuration"),
    ("def update(configuration): ...",                                   CALLED + "does not take state"),
    ("def update(configuration, state, /): ...",                         CALLED + "does not take configuration, state"),
    ("def update(configuration, state, more): ...",                      CALLED + "wants more too"),
    ("def update(configuration, state): ...\ndef schema(): ...",         SCHEMA_CALLED),
    ("def update(configuration, state): ...\ndef schema(c): ...",        None),
    ("def schema(): ...\ndef update(configuration, state): ...",         None),  # it is not given
    ("def update(configuration, state): ...\ndef schema(*c): ...",       None),
    ("def update(configuration, state): ...\ndef schema(a, b): ...",     SCHEMA_CALLED),
]  # fmt: skip


@pytest.mark.parametrize(("functions", "found"), FUNCTIONS, ids=[row[0] for row in FUNCTIONS])
def test_what_the_functions_take(project: CliProject, functions: str, found: str | None) -> None:
    given = ", schema" if "\ndef schema" in functions else ""
    good(project).write("connector.py", f"{IMPORTS}{functions}\nconnector = Connector(update{given})\n")
    line = 3 if "schema" in functions else 2

    assert findings(project) == ([f"connector.py, line {line}: {found}"] if found else [])


OPTIONS = [
    # headwater.toml                            what is found
    ("retries = 3",                             None),
    ("destinaton = 'x'",                        "the key 'destinaton' is unknown"),
    ("[tables.orders]\nmod = 'live'",           "[tables.orders]: the key 'mod' is unknown"),
    ("retries = 'many'",                        "retries must be a whole number, not 'many'"),
    ("destination =",                           "it cannot be read: Invalid value (at end of document)"),
    ("destination = 'mongodb://me:pw@host'",    "destination: 'mongodb:' is of no known kind"),
    ("destination = 'duckdb:a.db'",             None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "found"), OPTIONS, ids=[row[0] for row in OPTIONS])
def test_what_headwater_toml_says(project: CliProject, text: str, found: str | None) -> None:
    good(project).write("headwater.toml", text)

    assert findings(project) == ([f"headwater.toml: error: {found}"] if found else [])


def test_a_module_that_hides_what_headwater_needs_fails_here(project: CliProject) -> None:
    good(project)
    project.write("duckdb.py", "")
    project.write("vcr.py", "")  # of an extra
    project.write("click/__init__.py", "")

    assert findings(project) == [
        "click/__init__.py: error: it hides the package 'click', which headwater needs",
        "duckdb.py: error: it hides the package 'duckdb', which headwater needs",
    ]


def test_a_folder_called_connector_py_is_no_connector(project: CliProject) -> None:
    good(project)
    (project.path / "connector.py").unlink()
    (project.path / "connector.py").mkdir()

    assert findings(project) == ["connector.py: error: it is a folder"]


FILES = [
    # file                  content                            what is found there
    ("requirements.txt",    b"caf\xe9\n",                      "requirements.txt: error: it cannot be read: "),
    ("pyproject.toml",      b"[project]\ndependencies = 'a'",  "pyproject.toml: error: dependencies is no list"),
    ("configuration.json",  b'{"a": null}',                    "configuration.json: error: a is null"),
    ("configuration.json",  b"[]",                             "configuration.json: error: it must hold a JSON object"),
    ("configuration.json",  b'{"a": "1", "a": "2"}',           "configuration.json: warning: a stands there twice"),
    ("configuration.json",  b'{"a": ' + b"[" * 99_999,         "configuration.json: error: it cannot be read: maximum"),
    ("configuration.json",  b"\xff",                           "configuration.json: error: it cannot be read: "),
    ("old.py",              b"# coding: latin-1\nX = '\xe9'",  None),
    ("old.py",              b"X = '\xe9'",                     "old.py, line 1: error: (unicode error)"),
    ("deep.py",             b"x = " + b"-" * 9000 + b"1",      "deep.py: error: Python cannot read the file: "),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "found"), FILES, ids=[f"{row[0]} {row[1][:30]!r}" for row in FILES])
def test_files_that_python_or_fivetran_cannot_read(
    project: CliProject, name: str, content: bytes, found: str | None
) -> None:
    good(project)
    (project.path / name).write_bytes(content)
    seen = findings(project)

    assert len(seen) == (0 if found is None else 1), seen
    assert seen == [] or seen[0].startswith(found or "")


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


def test_a_connector_that_is_a_link_is_not_said_to_be_missing(project: CliProject, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(GOOD)
    project.configuration({})
    (project.path / "connector.py").symlink_to(tmp_path / "elsewhere.py")

    assert findings(project) == ["connector.py: error: it cannot go into a package: it is a link"]


CLIENT = """\
import requests

class Shop:
    def __init__(self):
        self.client, self.cache = None, {}
        self.client = requests.Session()

    def _send(self, path):
        return self.client.get(path).json()

    def _change(self, path, **body):
        return self.client.patch(path, json=body).json()

"""
METHODS = [
    # a method of the client                                            what is found, and the name it should have
    ("def get_orders(self) -> list[dict]: return self._send('o')",      None),
    ("def get_order(self, order_id) -> dict: return self._send('o')",   None),
    ("def get_order(self, order_id): return self._send('o')",           None),
    ("def create_order(self): return self.client.post('o')",            None),
    ("def search_orders(self): return self.client.post('search')",      None),
    ("def get_people(self) -> Iterator[dict]: yield self._send('p')",   None),
    ("def get_orders_by_day(self) -> Table: return self._send('o')",    None),
    ("def get_status(self) -> dict: return self._send('s')",            None),
    ("def get_settings(self, shop_id) -> dict: return self._send('s')", None),
    ("def get_page(self) -> list: return self._send('s')",              None),
    ("def upsert_order(self): self._send('o'); self._change('o')",      None),
    ("def add_to_cache(self, key): self.cache[key] = self.cache.get(1)", None),
    ("def list_cached(self): return list(self.cache)",                  None),
    ("def set_page_size(self, size): self.page_size = size",            None),
    ("def list_order(self): return self._send('o')",                    ("a GET is named get_…", "get_orders")),
    ("def fetch_order(self): return self._send('o')",                   ("a GET is named get_…", "get_order")),
    ("async def fetch_order(self): return self._send('o')",             ("a GET is named get_…", "get_order")),
    ("def list(self): return pages(self.client)",                       ("the word for list is get_…",
                                                                         "get_ and the resource")),
    ("def add_order(self): return self.client.post('o')",               ("a POST is named create_…", "create_order")),
    ("def edit_order(self, id): return self._change('o')",              ("a PATCH is named update_…", "update_order")),
    ("def set_order(self): self.client.request('PUT', 'o')",            ("a PUT is named update_…", "update_order")),
    ("def remove_order(self): requests.delete('o')",                    ("a DELETE is named delete_…", "delete_order")),
    ("def read_order(self): return self.get_request('o')",              ("a GET is named get_…", "get_order")),
    ("def get_order(self) -> list[dict]: return self._send('o')",       ("several are named by the plural",
                                                                         "get_orders")),
    ("def get_entry(self): yield from self._send('o')",                 ("several are named by the plural",
                                                                         "get_entries")),
    ("def get_person_by_day(self) -> list: return self._send('p')",     ("several are named by the plural",
                                                                         "get_people_by_day")),
    ("def get_orders(self, order_id) -> dict: return self._send('o')",  ("one is named by the singular", "get_order")),
]  # fmt: skip


@pytest.mark.parametrize(("method", "found"), METHODS, ids=[row[0] for row in METHODS])
def test_how_the_methods_of_a_service_client_are_named(
    project: CliProject, method: str, found: tuple[str, str] | None
) -> None:
    good(project).write("shop.py", f"{CLIENT}    {method}\n")
    name = method.partition("def ")[2].partition("(")[0]
    seen = [(each.place, each.level, each.what, each.hint) for each in check(Project(project.path))]

    assert seen == (
        [("shop.py, line 14", "warning", f"Shop.{name}: {found[0]}", f"Name it {found[1]}.")] if found else []
    )


def test_no_example_has_a_client_method_that_is_named_against_the_rules() -> None:
    sources = {example: read_sources(example, find_project_files(example).files) for example in EXAMPLES}

    assert {str(each): list(client_method_findings(found)) for each, found in sources.items()} == {
        str(each): [] for each in EXAMPLES
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_example_has_an_error(example: Path) -> None:
    assert [each for each in check(Project(example)) if each.level == "error"] == []
