"""What is promised of every helper: it works alone, shows an example, is tested, and is used in the catalogue."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sdk_helpers

HELPERS = Path(sdk_helpers.__file__).parent
ROOT = HELPERS.parent
MODULES = sorted(path.stem for path in HELPERS.glob("*.py") if path.stem != "__init__")
# A helper that needs one of these imports it where it is used, and says so: not everybody has it. Windows, where
# authors may debug with Fivetran's SDK, has no fcntl.
LATE = (
    "boto3", "botocore", "duckdb", "fcntl", "numpy", "openpyxl", "pandas", "polars", "psycopg", "pyarrow", "sqlalchemy"
)  # fmt: skip

each_helper = pytest.mark.parametrize("module", MODULES)


def siblings_said(module: str) -> set[str]:
    """Read the last column of the table in the package's docstring."""
    [row] = [line for line in str(sdk_helpers.__doc__).splitlines() if line.split()[:1] == [module]]
    return set(re.findall(r"\w+", re.split(r" {2,}|(?= -$)", row)[-1]))


def siblings_imported(module: str) -> set[str]:
    """Find the siblings that a module cannot be imported without."""
    return {
        node.module
        for node in ast.parse((HELPERS / f"{module}.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
    }


def with_their_own(modules: set[str]) -> set[str]:
    more = modules.union(*(siblings_imported(each) for each in modules))
    return modules if more == modules else with_their_own(more)


def helpers_imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sdk_helpers."):
            yield node.module.removeprefix("sdk_helpers.")


@each_helper
def test_helper_needs_the_siblings_it_names_and_nothing_else(module: str, tmp_path: Path) -> None:
    needed = with_their_own(siblings_imported(module))
    copies = tmp_path / "sdk_helpers"
    copies.mkdir()
    for name in ["__init__", module, *needed]:
        shutil.copy(HELPERS / f"{name}.py", copies)
    hidden = dict.fromkeys(["headwater", *LATE])
    script = (
        f"import sys; sys.modules.update({hidden!r}); sys.path.insert(0, {str(tmp_path)!r}); "
        f"import sdk_helpers.{module} as module; print(module.__file__)"
    )
    # -I: without the checkout, which the current folder and PYTHONPATH would bring in.
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.stdout.strip(), done.stderr) == (str(copies / f"{module}.py"), "")
    assert siblings_said(module) == needed


@each_helper
def test_helper_never_imports_headwater(module: str) -> None:
    tree = ast.parse((HELPERS / f"{module}.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}

    assert {name for name in imported if name.partition(".")[0] in ("headwater", "fivetran_connector_sdk")} == set()


@each_helper
def test_helper_has_a_doctest_that_holds(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"sdk_helpers.{module}"))

    assert result.attempted > 0
    assert result.failed == 0


@each_helper
def test_helper_has_a_test_file_and_an_example(module: str) -> None:
    examples = [path for path in (ROOT / "examples").rglob("*.py") if module in helpers_imported(path)]

    assert (Path(__file__).with_name(f"test_{module}_helper.py")).is_file()
    assert examples != []


def test_example_readmes_name_the_modules_to_copy() -> None:
    wrong = {}
    for readme in (ROOT / "examples").rglob("README.md"):
        used = set().union(*(set(helpers_imported(path)) for path in readme.parent.rglob("*.py")))
        text = " ".join(readme.read_text(encoding="utf-8").split())
        named = re.search(r"copy its `__init__\.py` and its modules? ([\w, ]+?) into a folder", text)
        said = set(re.findall(r"\w+", named[1])) - {"and"} if named else set()
        if readme.parent.joinpath("example.toml").is_file() and said != with_their_own(used):
            wrong[str(readme.parent.relative_to(ROOT))] = (sorted(said), sorted(with_their_own(used)))

    assert wrong == {}
