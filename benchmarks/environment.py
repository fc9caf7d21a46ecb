"""Virtual environments of their own for headwater and for every peer, built from pinned lists in `requirements/`."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

from benchmarks.process import ROOT

REQUIREMENTS = Path(__file__).with_name("requirements")


class EnvironmentUnavailable(Exception):
    """An environment could not be built, mostly because there is no network."""


def headwater_interpreter() -> Path:
    """Give a Python with what headwater itself depends on, and nothing else; headwater comes from this checkout.

    Not the environment of its developers: that has pandas, and pyarrow spends a second on importing pandas
    as soon as it finds it.

    Errors: EnvironmentUnavailable.
    """
    return built("headwater", ROOT / "pyproject.toml")


def peer_interpreter(name: str) -> Path:
    """Give a Python with what requirements/<name>.txt lists; its dependencies are in the list.

    Errors: EnvironmentUnavailable.
    """
    return built(name, REQUIREMENTS / f"{name}.txt", "--no-deps")


def mit_sdk_interpreter() -> Path:
    """Give the Python that has fivetran-connector-sdk 2.13.1, in the environment the tests compare with.

    Errors: EnvironmentUnavailable; ForbiddenPackage when anything else of Fivetran's got into it.
    """
    from tests.mit_sdk import stream

    try:
        return stream.python()
    except stream.EnvironmentUnavailable as error:
        raise EnvironmentUnavailable(str(error)) from error


def built(name: str, requirements: Path, *options: str) -> Path:
    """Give the Python of `.venvs/bench_<name>`, built when it is missing or its requirements have changed.

    options  of `uv pip install`

    Errors: EnvironmentUnavailable.
    """
    folder = ROOT / ".venvs" / f"bench_{name}"
    python = folder / "bin" / "python"
    built_from = folder / "built-from"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (built_from.exists() and built_from.read_text() == wanted):
            _uv("venv", "--clear", "--python", sys.executable, folder)
            _uv("pip", "install", "--python", python, *options, "--requirement", requirements)
            built_from.write_text(wanted)
    return python


def _uv(*arguments: str | Path) -> None:
    command = [Path(sys.executable).with_name("uv"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        shown = " ".join(map(str, arguments))
        raise EnvironmentUnavailable(f"`uv {shown}` ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
