"""Crash reports: what a colleague needs to find out why a sync failed, in one file (rule E-08)."""

from __future__ import annotations

import os
import platform
import re
import traceback
from collections.abc import Iterator
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import headwater
from headwater.log import redact

if TYPE_CHECKING:
    from headwater.sync import Result

FOLDER = "crash-reports"
KEPT = 20

_NAME = re.compile(r"crash_\d{8}-\d{6}(_\d+)?\.log")


def crash_reports(project: Path) -> list[Path]:
    """List a project's crash reports, oldest first; other files in the folder are not ours."""
    folder = project / FOLDER
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_file())


def write_crash_report(project: Path, error: BaseException, result: Result | None, *, now: datetime) -> Path:
    """Write a crash report, secrets removed, for the owner's eyes only; the oldest ones go.

    result  how the sync ended; None when it did not begin

    Errors: OSError when the folder cannot be written.
    """
    folder = project / FOLDER
    folder.mkdir(exist_ok=True)
    path, descriptor = _new_file(folder, f"crash_{now:%Y%m%d-%H%M%S}")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(redact("\n".join(_lines(project, error, result, now))) + "\n")
    for old in crash_reports(project)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def _new_file(folder: Path, stem: str) -> tuple[Path, int]:
    number = 1
    while True:
        path = folder / (f"{stem}.log" if number == 1 else f"{stem}_{number}.log")
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            number += 1


def _lines(project: Path, error: BaseException, result: Result | None, now: datetime) -> Iterator[str]:
    yield f"time        {now.isoformat(timespec='seconds')}"
    yield f"project     {project}"
    yield f"headwater   {headwater.__version__}"
    yield f"python      {platform.python_version()} on {platform.platform()}"
    for package in ("duckdb", "pyarrow"):
        yield f"{package:<11} {metadata.version(package)}"
    yield ""
    if result is None:
        yield "the sync did not begin"
    else:
        yield from _counts(result)
    yield ""
    yield "".join(traceback.format_exception(error)).rstrip()


def _counts(result: Result) -> Iterator[str]:
    progress = result.progress
    yield f"after {result.seconds:.1f} s, with {progress.commits} checkpoints committed"
    yield f"state: {progress.state}"
    for kind, count in progress.calls.items():
        yield f"{kind:<11} {count}"
    for table, rows in dict(progress.rows).items():
        yield f"loaded      {table}: {rows}"
    for warning in result.warnings:
        yield f"warning     {warning}"
