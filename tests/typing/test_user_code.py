"""User code that a type checker accepts, and what it refuses; the code itself is never run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import headwater

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
ACCEPTED = ("every_operation.py", "form.py")
REFUSED = "wrong_uses.py"


def mypy(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", ROOT / ".mypy_cache" / "user_code", "--no-pretty", *arguments],
        cwd=ROOT, capture_output=True, encoding="utf-8", timeout=250, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.slow
def test_every_right_use_passes_and_every_wrong_use_is_an_error() -> None:
    said = mypy("--strict", *(FOLDER / name for name in (*ACCEPTED, REFUSED)))

    assert said == "Success: no issues found in 3 source files\n"


@pytest.mark.slow
def test_each_wrong_use_is_reported_once_it_is_not_ignored(tmp_path: Path) -> None:
    text = (FOLDER / REFUSED).read_text(encoding="utf-8")
    bare = tmp_path / REFUSED
    bare.write_text(re.sub(r"  # type: ignore\[.*", "", text), encoding="utf-8")
    expected = {line for line, written in enumerate(text.splitlines(), start=1) if "# type: ignore" in written}

    reported = {int(line) for line in re.findall(rf"{REFUSED}:(\d+): error", mypy("--strict", bare))}

    assert reported == expected


def test_package_says_that_it_is_typed() -> None:
    assert (Path(headwater.__file__).parent / "py.typed").is_file()
