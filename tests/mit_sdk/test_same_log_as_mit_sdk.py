"""What is no text as a log message: where fivetran-connector-sdk 2.13.1 takes it, headwater does."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.mit_sdk.stream import ROOT, RUN_SECONDS, EnvironmentUnavailable, python

MESSAGES = [
    "'text'", "'a\\nb'", "''", "42", "1.5", "float('nan')", "True", "None", "{'rows': 3, 'of': [1, None]}", "{1: 2}",
    "[]", "['a', 1]", "('a', 1)", "b'm'", "{1, 2}", "ValueError('m')", "datetime(2024, 2, 29)", "Decimal(1)",
    "{'at': datetime(2024, 2, 29)}", "{(1, 2): 3}",
]  # fmt: skip

# Prints what each message becomes, or the class of what is raised.
SCRIPT = """
import json
import sys
from datetime import datetime
from decimal import Decimal

{imported}

for text in json.loads(sys.argv[1]):
    for call in ("log.info({{}})", "log.error({{}}, KeyError('k'))", "log.critical({{}}, None)"):
        try:
            eval(call.format(text))
        except Exception as error:  # whatever it is, it is the answer
            print(json.dumps(type(error).__name__))
"""
THEIRS = "from fivetran_connector_sdk import Logging as log\nlog.LOG_LEVEL = log.Level.INFO"
OURS = "from headwater import Logging as log"


def written(interpreter: str, imported: str) -> list[object]:
    """What each call wrote as JSON, as a sync on Fivetran does, or what it raised."""
    ended = subprocess.run(
        [interpreter, "-c", SCRIPT.format(imported=imported), json.dumps(MESSAGES)],
        cwd=ROOT, capture_output=True, text=True, timeout=RUN_SECONDS, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_a93_what_the_json_form_takes_as_a_message_is_taken_and_nothing_else() -> None:
    try:
        theirs = written(str(python()), THEIRS)
    except EnvironmentUnavailable as reason:
        pytest.skip(f"cannot compare with fivetran-connector-sdk 2.13.1: {reason}")
    ours = written(sys.executable, OURS)
    calls = [(text, method) for text in MESSAGES for method in ("info", "error", "critical")]

    assert len(theirs) == len(ours) == len(calls)
    assert [each for each in zip(calls, theirs, ours, strict=True) if kind(each[1]) != kind(each[2])] == []


def kind(answer: object) -> object:
    return answer["level"] if isinstance(answer, dict) else answer
