"""Run a connector through fivetran-connector-sdk 2.13.1 (MIT) and see the operations it puts on the wire.

    python tests/mit_sdk/stream.py PROJECT_DIR [--state JSON]

prints one JSON object per line; from a test, `stream(project, state=...)` gives them as a list:

    {"op": "schema", "tables": [{"schema": null, "table": "orders", "columns": {"id": ["INT", true]}}]}
    {"op": "upsert", "schema": null, "table": "orders", "data": {"id": ["int", 1], "note": ["null", true]}}
    {"op": "truncate", "schema": null, "table": "orders"}
    {"op": "checkpoint", "state": {"cursor": 7}}
    {"op": "warning", "message": "half done"}      {"op": "task", "message": "...", "trace": "..."}
    {"op": "file", "schema": null, "path": "a.pdf", "bytes": 3, "is_last": false}
    {"op": "failure", "message": "failed while executing update() error: ..."}

A column is [wire type, value], times as in 2024-02-29T01:02:03.500Z; in the schema it is
[declared type, whether it is in the primary key]. Bytes are in base64, NaN is NaN.

The package lives in a virtual environment of its own, .venvs/mit_sdk, which the first call builds. What the
connector imports beside it comes from the environment of this project. The configuration is the project's
configuration.json, or {}.
"""

from __future__ import annotations

import argparse
import base64
import fcntl
import hashlib
import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venvs" / "mit_sdk"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
RECORDER = Path(__file__).with_name("record.py")
RUN_SECONDS = 300

Operation = dict[str, Any]


class EnvironmentUnavailable(Exception):
    """The virtual environment of the MIT package could not be built, mostly because there is no network."""


class ForbiddenPackage(Exception):
    """A package whose licence forbids its use here got into the environment."""


def stream(project: Path, *, state: dict[str, Any] | None = None, server: str | None = None) -> list[Operation]:
    """The operations of one sync of `project`, as the MIT package streams them.

    server  `host:port` of a server to call instead, with the package's own client

    Errors: EnvironmentUnavailable; RuntimeError when the project cannot be started.
    """
    return [json.loads(line) for line in _recorded(project.resolve(), json.dumps(state or {}), server)]


@cache  # to start the package takes seconds
def _recorded(project: Path, state: str, server: str | None) -> list[str]:
    command: list[str | Path] = [
        python(), RECORDER, project,
        "--state", state,
        *(["--server", server] if server else []),
        "--also-import-from", sysconfig.get_path("purelib"), ROOT,
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if ended.returncode:
        end = ended.stderr[-4000:]
        raise RuntimeError(f"{project}: the MIT package ended with {ended.returncode}:\n{end}")
    return ended.stdout.splitlines()


def wire(type_name: str, value: object) -> list[Any]:
    """The [wire type, value] pair under which `stream` shows a strictly coerced value.

    >>> wire("UTC_DATETIME", datetime(2024, 2, 29, 1, 2, 3, 500000)), wire("BOOLEAN", True), wire("INT", None)
    (['utc_datetime', '2024-02-29T01:02:03.500Z'], ['bool', True], ['null', True])
    """
    if value is None:
        return ["null", True]
    if isinstance(value, bytes):
        value = base64.b64encode(value).decode("ascii")
    elif isinstance(value, date):
        value = timestamp_text(value)
    return ["bool" if type_name == "BOOLEAN" else type_name.lower(), value]


def timestamp_text(value: date) -> str:
    """A date or datetime as protobuf writes a timestamp: with 0, 3 or 6 digits after the seconds."""
    if not isinstance(value, datetime):
        return f"{value.isoformat()}T00:00:00Z"
    text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
    return text.removesuffix("000").removesuffix(".000") + "Z"


def python() -> Path:
    """The interpreter that has the MIT package; builds its environment if that is missing or out of date.

    Errors: EnvironmentUnavailable, ForbiddenPackage.
    """
    interpreter = ENVIRONMENT / "bin" / "python"
    wanted = requirements_digest()
    built = ENVIRONMENT / "built-from"
    with _lock():
        if not (built.exists() and built.read_text() == wanted):
            _build(interpreter)
            built.write_text(wanted)
        _refuse_forbidden()
    return interpreter


def requirements_digest() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def _build(interpreter: Path) -> None:
    _uv("venv", "--clear", "--python", sys.executable, ENVIRONMENT)
    _uv("pip", "install", "--python", interpreter, "--no-deps", "--requirement", REQUIREMENTS)


def _uv(*arguments: str | Path) -> None:
    command = [Path(sys.executable).with_name("uv"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if ended.returncode:
        shown = " ".join(map(str, arguments))
        raise EnvironmentUnavailable(f"`uv {shown}` ended with {ended.returncode}:\n{ended.stderr[-2000:]}")


def _refuse_forbidden() -> None:
    metadata = ENVIRONMENT.glob("lib/*/site-packages/fivetran_connector_sdk*.dist-info")
    fivetran = {path.name.removesuffix(".dist-info") for path in metadata}
    if fivetran != {"fivetran_connector_sdk-2.13.1"}:
        raise ForbiddenPackage(f"{ENVIRONMENT} holds {sorted(fivetran)}; delete it and repair {REQUIREMENTS}")


@contextmanager
def _lock() -> Iterator[None]:
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    with ENVIRONMENT.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project", type=Path, metavar="PROJECT_DIR")
    parser.add_argument("--state", type=json.loads, default={}, metavar="JSON")
    arguments = parser.parse_args()
    for operation in stream(arguments.project, state=arguments.state):
        print(json.dumps(operation))


if __name__ == "__main__":
    main()
