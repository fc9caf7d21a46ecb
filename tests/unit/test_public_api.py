"""What an author imports: cheap to load, and callable as on Fivetran."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headwater
from headwater import ByteStream, ConfigurationForm, Connector, FileUpload, Test, form_field
from headwater import Logging as log
from headwater import Operations as op
from headwater.compat import fivetran
from headwater.connector import Connector as DefinedConnector
from headwater.destinations.memory import MemoryDestination
from headwater.errors import ConnectorError
from headwater.options import Options
from headwater.project import MODULE, Project
from headwater.schema import Table
from headwater.state import Commit
from headwater.sync import Progress, Result, Sync

HEAVY = {"duckdb", "pyarrow", "pandas", "numpy", "rich", "requests", "click", "sqlite3"}


def imported_by(program: str) -> tuple[int, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"],
        capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "program",
    [
        "import headwater",
        "from headwater import Connector, Operations as op, Logging as log",
        "from headwater import ConfigurationForm, form_field, Test, FileUpload, ByteStream",
        "import headwater.compat.fivetran as f; f.install(); from fivetran_connector_sdk import Connector, Operations",
    ],
)
def test_public_import_loads_nothing_heavy(program: str) -> None:
    code, modules = imported_by(program)

    assert (code, HEAVY & modules) == (0, set())


def test_a01_public_names_are_those_of_the_original_and_the_connector() -> None:
    assert set(headwater.__all__) == {
        "ByteStream", "FileUpload", "Logging", "Operations", "ConfigurationForm", "Test", "form_field", "Connector",
    }  # fmt: skip
    assert [name for name in headwater.__all__ if not hasattr(headwater, name)] == []


DEBUG = "self, project_path=None, configuration=None, state=None, naming=None, log_level=1"
FIELD = "description=None, required=False"
SIGNATURES: list[tuple[str, Callable[..., Any], str]] = [
    # rule    callable                      its parameters; `*` before those that are keyword-only
    ("A-03",  Connector,                    "update, schema=None, configuration_form=None"),
    ("A-06",  Connector.debug,              DEBUG),
    ("A-20",  op.upsert,                    "table, data, *, schema=None, file=None"),
    ("A-21",  op.update,                    "table, modified, *, schema=None, file=None"),
    ("A-22",  op.delete,                    "table, keys, *, schema=None"),
    ("A-23",  op.truncate,                  "table, *, schema=None"),
    ("A-24",  op.checkpoint,                "state"),
    ("A-25",  op.error,                     "message, trace=None"),
    ("A-26",  op.warning,                   "message"),
    ("A-91",  log.debug,                    "message"),
    ("A-91",  log.fine,                     "message"),
    ("A-91",  log.info,                     "message"),
    ("A-91",  log.warning,                  "message"),
    ("A-91",  log.error,                    "message, exception=None"),
    ("A-91",  log.severe,                   "message, exception=None"),
    ("A-91",  log.critical,                 "message, exception=None"),
    ("A-100", ConfigurationForm,            ""),
    ("A-100", ConfigurationForm.add_field,  "self, field"),
    ("A-100", ConfigurationForm.add_test,   "self, *, label, func"),
    ("A-101", form_field.TextField,         f"name, label, field_type='plain_text', *, {FIELD}, placeholder=None"),
    ("A-101", form_field.DropdownField,     f"name, label, *, fields, {FIELD}, placeholder=None"),
    ("A-101", form_field.DropdownFieldParam, "value, label=None, description=None"),
    ("A-101", form_field.ToggleField,       f"name, label, *, {FIELD}"),
    ("A-102", Test.success,                 ""),
    ("A-102", Test.failure,                 "message"),
    ("A-110", FileUpload,                   "path, stream, expected_bytes=None"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "callable_", "expected"), SIGNATURES, ids=[name for _, _, name in SIGNATURES])
def test_signature_is_that_of_the_original(rule: str, callable_: Callable[..., Any], expected: str) -> None:
    assert parameters(callable_) == expected, rule


def parameters(callable_: Callable[..., Any]) -> str:
    """Write the parameters without their types."""
    signature = inspect.signature(callable_)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    shown = [each.replace(default=int(each.default)) if each.name == "log_level" else each for each in bare]
    return str(inspect.Signature(shown))[1:-1]


# --- what a connector may import from fivetran_connector_sdk

THERE = "It has ByteStream, ConfigurationForm, Connector, FileUpload, Logging, Operations, Test, form_field."


def run_aliased(program: str, folder: Path) -> str:
    """Run a program in which fivetran_connector_sdk is headwater; give what it prints."""
    prelude = "import headwater.compat.fivetran as f; f.install()\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + program], cwd=folder,
        capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.rstrip()


IMPORTS = [
    # a line of a connector                                               what it prints afterwards: `x`
    ("from fivetran_connector_sdk import Operations as x",                "Operations"),
    ("from fivetran_connector_sdk.operations import Operations as x",     "Operations"),
    ("from fivetran_connector_sdk.logger import Logging as x",            "Logging"),
    ("from fivetran_connector_sdk.connector import Connector as x",       "Connector"),
    ("from fivetran_connector_sdk.configuration_form import ConfigurationForm as x", "ConfigurationForm"),
    ("from fivetran_connector_sdk.form_field import TextField as x",      "TextField"),
    ("from fivetran_connector_sdk.file_upload import FileUpload as x",    "FileUpload"),
    ("from fivetran_connector_sdk.test import Test as x",                 "Test"),
    ("import fivetran_connector_sdk as sdk; x = sdk.operations.Operations", "Operations"),
    ("import fivetran_connector_sdk as sdk; x = sdk.form_field.ToggleField", "ToggleField"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "name"), IMPORTS, ids=[line for line, _ in IMPORTS])
def test_a02_what_connectors_import_is_there(line: str, name: str, tmp_path: Path) -> None:
    assert run_aliased(f"{line}\nprint(x.__name__)", tmp_path) == name


def test_a01_a_star_gives_what_it_gives_there_and_the_version_is_that_of_the_interface(tmp_path: Path) -> None:
    program = """
before = set(dir())
from fivetran_connector_sdk import *
print(sorted(set(dir()) - before - {"before"}))
import fivetran_connector_sdk as sdk
print(sdk.__version__, hasattr(sdk, "errors"), hasattr(sdk, "log"))
"""

    assert run_aliased(program, tmp_path).splitlines() == [
        "['ByteStream', 'ConfigurationForm', 'FileUpload', 'Logging', 'Operations', 'Test', 'form_field']",
        "2.13.1 False False",
    ]


NOT_THERE = [
    # a line of a connector                              the name     what to do
    ("from fivetran_connector_sdk import sink",          "sink",      THERE),
    ("import fivetran_connector_sdk.protos",             "protos",    THERE),
    ("from fivetran_connector_sdk.helpers import x",     "helpers",   THERE),
    ("from fivetran_connector_sdk import operation",     "operation", f"Did you mean Operations? {THERE}"),
    ("from fivetran_connector_sdk import op",            "op",        f"Did you mean Operations? {THERE}"),
    ("from fivetran_connector_sdk import log",           "log",       f"Did you mean Logging? {THERE}"),
    ("from fivetran_connector_sdk import logging",       "logging",   f"Did you mean Logging? {THERE}"),
    ("from fivetran_connector_sdk import Conector",      "Conector",  f"Did you mean Connector? {THERE}"),
    ("from fivetran_connector_sdk import TextField",     "TextField", f"Did you mean form_field? {THERE}"),
    ("from fivetran_connector_sdk import config",        "config",
     f"'config' is a module of its own here: write `import config`. {THERE.replace('It', 'fivetran_connector_sdk')}"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "name", "hint"), NOT_THERE, ids=[line for line, *_ in NOT_THERE])
def test_a_name_that_is_not_there_is_refused_with_those_that_are(
    line: str, name: str, hint: str, tmp_path: Path
) -> None:
    (tmp_path / "config.py").write_text("")
    program = f"try:\n    {line}\nexcept ImportError as error:\n    print(error)"

    assert run_aliased(program, tmp_path) == f"fivetran_connector_sdk has no {name!r}\n{hint}"


def test_an_attribute_that_is_not_there_is_an_attribute_error_that_says_the_same(tmp_path: Path) -> None:
    program = (
        "import fivetran_connector_sdk as sdk\ntry:\n    sdk.Table\nexcept AttributeError as error:\n    print(error)"
    )

    assert run_aliased(program, tmp_path) == f"fivetran_connector_sdk has no 'Table'\n{THERE}"


def test_a110_a_byte_stream_is_anything_that_reads_bytes() -> None:
    class Chunks:
        def read(self, size: int = -1, /) -> bytes:
            return b""

    assert isinstance(Chunks(), ByteStream)
    assert not isinstance("text", ByteStream)


# --- a connector and its project


def project(folder: Path, text: str) -> Project:
    (folder / "connector.py").write_text(text, encoding="utf-8")
    return Project(folder)


@pytest.fixture(autouse=True)
def _imports_of_connectors_are_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for name in (MODULE, "neighbour", "fivetran_connector_sdk"):
        monkeypatch.setitem(sys.modules, name, None)  # so that what the test imports goes away again
        monkeypatch.delitem(sys.modules, name)


def test_a03_a_connector_keeps_the_functions_it_is_given() -> None:
    def update(configuration: dict[str, str], state: dict[str, Any]) -> None: ...

    def schema(configuration: dict[str, str]) -> list[Any]:
        return []

    connector = Connector(update=update, schema=schema, configuration_form=ConfigurationForm)

    assert connector.update_method is update
    assert connector.schema_method is schema
    assert connector.configuration_form_method is ConfigurationForm


def test_a03_a_connector_without_a_function_is_refused_at_once() -> None:
    with pytest.raises(TypeError) as caught:
        Connector(update="update")  # type: ignore[arg-type]  # that is what is tested

    assert str(caught.value) == "Connector(update=…) takes a function, not str"


def test_a05_connector_py_is_imported_under_its_name_with_its_folder_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("GREETING = 'hello'\n", encoding="utf-8")
    fivetran.install()

    connector = project(
        tmp_path,
        "from fivetran_connector_sdk import Connector\n"
        "from neighbour import GREETING\n"
        "def update(configuration, state): return __name__, GREETING\n"
        "connector = Connector(update=update)\n",
    ).load_connector()

    assert isinstance(connector, DefinedConnector)
    assert connector.update_method({}, {}) == ("connector_connector_code", "hello")


@pytest.mark.parametrize("text", ["", "connector = None\n", "Connector = object\n"])
def test_a05_connector_py_without_a_connector_is_refused_with_what_to_write(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConnectorError) as caught:
        project(tmp_path, text).load_connector()

    assert str(caught.value) == (
        f"{tmp_path / 'connector.py'} defines no `connector`\n"
        "End it with: connector = Connector(update=update, schema=schema)"
    )


CALLS: list[tuple[Callable[[], None], str]] = [
    (lambda: op.upsert("t", {"id": 1}),   "upsert"),
    (lambda: op.update("t", {"id": 1}),   "update"),
    (lambda: op.delete("t", {"id": 1}),   "delete"),
    (lambda: op.truncate("t"),            "truncate"),
    (lambda: op.checkpoint({}),           "checkpoint"),
    (lambda: op.warning("w"),             "warning"),
    (lambda: op.error("e"),               "error"),
]  # fmt: skip


@pytest.mark.parametrize("call", [call for call, _ in CALLS], ids=[name for _, name in CALLS])
def test_an_operation_outside_a_sync_is_refused(call: Callable[[], None]) -> None:
    with pytest.raises(ConnectorError) as caught:
        call()

    assert caught.value.message == "no sync is running, so this operation has nowhere to go"


# --- in a sync


class Silent:
    """Is told what happens in a sync, and keeps it to itself."""

    def table_changed(self, table: Table) -> None: ...

    def committed(self, commit: Commit) -> None: ...

    def progress(self, progress: Progress) -> None: ...


def in_a_sync(action: Callable[[], None]) -> Result:
    """Run an update() that does this."""
    destination = MemoryDestination("test")
    destination.open()
    return Sync(Connector(update=lambda configuration, state: action()), {}, destination, Options(), Silent()).run()


MESSAGES: list[tuple[Any, Any, Exception]] = [
    # message   trace   error
    (None,      None,   TypeError("Message must be a string, got NoneType")),
    (1,         None,   TypeError("Message must be a string, got int")),
    ("",        None,   ValueError("Message must be a non-empty string")),
    (" \n",     None,   ValueError("Message must be a non-empty string")),
    ("m",       1,      TypeError("Trace must be a string, got int")),
]  # fmt: skip


@pytest.mark.parametrize(("message", "trace", "error"), MESSAGES)
def test_a32_a_message_is_text_with_something_in_it(message: Any, trace: Any, error: Exception) -> None:
    result = in_a_sync(lambda: op.error(message, trace))

    assert (type(result.error), str(result.error)) == (type(error), str(error))


def test_a34_a_wrong_call_can_be_caught_by_the_author_and_changes_nothing() -> None:
    caught: list[str] = []

    def action() -> None:
        for table in (None, "", 1):
            try:
                op.upsert(table, {"id": 1})  # type: ignore[arg-type]  # that is what is tested
            except (TypeError, ValueError) as error:
                caught.append(str(error))

    result = in_a_sync(action)

    assert (result.status, sum(result.progress.calls.values())) == ("succeeded", 0)
    assert caught == [
        "Table name must be a string, got NoneType",
        "Table name must be a non-empty string",
        "Table name must be a string, got int",
    ]


def test_a20_signatures_stay_the_same_while_a_sync_runs() -> None:
    seen: list[str] = []

    def action() -> None:
        seen.extend([parameters(op.upsert), parameters(op.update), parameters(op.delete), parameters(op.truncate)])

    result = in_a_sync(action)

    assert result.error is None
    assert seen == [
        "table, data, *, schema=None, file=None",
        "table, modified, *, schema=None, file=None",
        "table, keys, *, schema=None",
        "table, *, schema=None",
    ]


def test_a04_update_is_called_with_keywords_and_schema_with_the_configuration() -> None:
    called: list[Any] = []

    def schema(given: dict[str, str], /) -> list[Any]:
        called.append(given)
        return []

    def update(*, configuration: dict[str, str], state: dict[str, Any]) -> None:
        called.append((configuration, state))

    destination = MemoryDestination("test")
    destination.open()
    sync = Sync(Connector(update, schema), {"k": "v"}, destination, Options(), Silent(), state='{"last": 3}')
    result = sync.run()

    assert result.error is None
    assert called == [{"k": "v"}, ({"k": "v"}, {"last": 3})]


def test_a08_what_update_gives_back_means_nothing_and_a_generator_is_exhausted() -> None:
    def update(configuration: dict[str, str], state: dict[str, Any]) -> Any:
        yield op.upsert("t", {"id": 1})
        yield 7
        yield op.upsert("t", {"id": 2})

    destination = MemoryDestination("test")
    destination.open()
    result = Sync(Connector(update), {}, destination, Options(), Silent()).run()

    assert (result.status, result.progress.calls["upserts"]) == ("succeeded", 2)


def test_a08_any_other_iterator_is_a_value_like_others_and_nobody_runs_it() -> None:
    def update(configuration: dict[str, str], state: dict[str, Any]) -> Any:
        return filter(lambda number: op.upsert("t", {"id": number}), range(3))

    destination = MemoryDestination("test")
    destination.open()
    result = Sync(Connector(update), {}, destination, Options(), Silent()).run()

    assert (result.status, result.progress.calls["upserts"]) == ("succeeded", 0)
