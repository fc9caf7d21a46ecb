"""No command shows a secret, whichever way the connector's own text takes."""

from __future__ import annotations

import json

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


TALKATIVE_FORM = """
import logging
from fivetran_connector_sdk import ConfigurationForm, Connector, Test, form_field
from fivetran_connector_sdk import Logging as log

def say():
    text = open("configuration.json").read()
    print(text)
    log.info(text)
    logging.basicConfig(level="INFO")
    logging.info("asked with %s", text)

def key_is_good(configuration):
    say()
    return Test.success()

def configuration_form():
    say()
    form = ConfigurationForm()
    form.add_field(form_field.TextField(name="api_key", label="Key", field_type=form_field.TextField.password))
    form.add_test(label="The key is good", func=key_is_good)
    return form

def update(configuration, state):
    pass

connector = Connector(update=update, configuration_form=configuration_form)
"""
COMMANDS = [["configuration", "--test"], ["configuration", "--test", "--json"], ["package"], ["package", "--json"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_a_form_prints_has_no_secret_and_is_not_mixed_with_the_answer(
    project: CliProject, command: list[str]
) -> None:
    project.write("connector.py", TALKATIVE_FORM)
    project.write("requirements.txt", "")
    project.configuration({"api_key": CANARY})
    outcome = project.run(*command)

    assert outcome.code == 0, outcome.err
    assert CANARY not in outcome.out + outcome.err
    assert "***" in outcome.err
    assert "***" not in outcome.out
    if "--json" in command:
        json.loads(outcome.out)


def test_a_folder_is_asked_for_where_a_script_gives_its_configuration_first(project: CliProject) -> None:
    project.write("shop.py", "from headwater import Connector\nConnector(lambda **_: None).debug({'api_key': 'x'})\n")
    outcome = project.run("python", "shop.py")

    assert outcome.code == 1
    assert "the first argument is the project's folder, not its configuration" in outcome.err
