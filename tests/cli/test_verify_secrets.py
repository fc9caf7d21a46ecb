"""`headwater verify` shows no secret, whichever way the connector's own text takes."""

from __future__ import annotations

import pytest

from tests.cli.cli_project import CliProject

CANARY = "canary-4711-secret"


@pytest.mark.parametrize(
    "says",
    [
        'print(configuration["api_key"])',
        'import sys; print(configuration["api_key"], file=sys.stderr)',
        'import sys; sys.stderr.buffer.write(configuration["api_key"].encode() + b"\\n")',
        'import logging; logging.basicConfig(level="INFO"); logging.info("asked with %s", configuration)',
    ],
)
def test_the_connectors_own_output_has_no_secret(project: CliProject, says: str) -> None:
    project.connector(f'{says}\nop.upsert("orders", {{"id": 1}})\nop.checkpoint({{"id": 1}})\n')
    project.configuration({"api_key": CANARY})
    outcome = project.run("verify")

    assert outcome.code == 0, outcome.err
    assert CANARY not in outcome.out + outcome.err
    assert "***" in outcome.err
