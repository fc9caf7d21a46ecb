"""singer-sdk's own tests for targets, over the real command: pytest runs this in singer-sdk's environment.

HEADWATER_TARGET is the command, HEADWATER_CONFIG the file with its settings.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from singer_sdk import Target  # type: ignore[import-not-found,unused-ignore]  # only in .venvs/bench_singer_sdk
from singer_sdk.exceptions import (  # type: ignore[import-not-found,unused-ignore]  # the same
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
)
from singer_sdk.testing import get_target_test_class  # type: ignore[import-not-found,unused-ignore]  # the same
from singer_sdk.testing.runners import TargetTestRunner  # type: ignore[import-not-found,unused-ignore]  # the same
from singer_sdk.testing.suites import SingerTestSuite  # type: ignore[import-not-found,unused-ignore]  # the same
from singer_sdk.testing.target_tests import (  # type: ignore[import-not-found,unused-ignore]  # the same
    TargetMultipleStateMessages,
    TargetRecordMissingRequiredProperty,
)

COMMAND = os.environ["HEADWATER_TARGET"]
CONFIG = Path(os.environ["HEADWATER_CONFIG"])
# What the suite expects as exceptions, a command says in words.
ERRORS = {
    "came before the stream's SCHEMA": RecordsWithoutSchemaException,
    "has no value for this primary-key column": MissingKeyPropertiesError,
}


class CommandTarget(Target):  # type: ignore[misc,unused-ignore]  # typed only where singer-sdk is installed
    """Hands everything to `target-headwater`, and what that writes to the suite."""

    name = "target-headwater"
    config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {"destination": {"type": "string"}}}

    def process_lines(self, file_input: Iterable[str]) -> None:
        self._run("--config", str(CONFIG), lines="".join(file_input))

    def process_endofpipe(self) -> None:
        """Do nothing: the command has seen the end of the pipe."""

    @classmethod
    def print_version(cls, *_: object, **__: object) -> None:
        cls._run("--version")

    @classmethod
    def print_about(cls, output_format: str | None = None) -> None:
        cls._run("--about", *([f"--format={output_format}"] if output_format else []))

    @staticmethod
    def _run(*arguments: str, lines: str = "") -> None:
        done = subprocess.run([COMMAND, *arguments], input=lines, capture_output=True, text=True, check=False)
        sys.stdout.write(done.stdout)
        if done.returncode:
            kind = next((kind for words, kind in ERRORS.items() if words in done.stderr), RuntimeError)
            raise kind(done.stderr)


class TextRunner(TargetTestRunner):  # type: ignore[misc,unused-ignore]  # typed only where singer-sdk is installed
    """Keeps the STATE lines as text.

    TargetMultipleStateMessages compares with text, and the SDK's runner gives objects: no target can pass it
    (singer-sdk 0.54.9 leaves it out of its suite).
    """

    @staticmethod
    def _clean_sync_output(raw_records: str) -> list[str]:
        return raw_records.splitlines()


LEFT_OUT = SingerTestSuite(kind="target", tests=[TargetMultipleStateMessages, TargetRecordMissingRequiredProperty])


class TestTarget(get_target_test_class(CommandTarget, config=json.loads(CONFIG.read_text()), custom_suites=[LEFT_OUT])):  # type: ignore[misc,unused-ignore]  # made at run time
    @pytest.fixture
    def runner(self) -> TextRunner:
        return TextRunner(target_class=CommandTarget, config=json.loads(CONFIG.read_text()))
