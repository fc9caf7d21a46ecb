"""The environment of singer-sdk, built once for whichever test asks first; it never meets headwater's own."""

from __future__ import annotations

from pathlib import Path

from benchmarks.environment import built

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def sdk_interpreter() -> Path:
    """Give a Python that has singer-sdk and its tests for targets.

    Errors: EnvironmentUnavailable.
    """
    return built("singer_sdk", REQUIREMENTS, "--no-deps")


def tap_folder(folder: Path) -> Path:
    """Make a folder for the PATH with the command `tap-shop`, the tap that the pages show.

    Errors: EnvironmentUnavailable.
    """
    folder.mkdir()
    command = folder / "tap-shop"
    command.write_text(f'#!/bin/sh\nexec {sdk_interpreter()} docs/singer/tap_shop.py "$@"\n')
    command.chmod(0o755)
    return folder
