"""What a script does with its connector: `connector.deploy()` and `connector.generate_configuration()`."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

from headwater import Connector
from tests.cli.cli_project import CliProject
from tests.cli.fivetran_stand_in import KEY, Account

FORM = """\
from headwater import ConfigurationForm, Connector, Test, form_field

def reachable(configuration):
    return Test.success() if configuration["host"] == "db" else Test.failure("no such host")

def form():
    host = form_field.TextField("host", "Host")
    return ConfigurationForm().add_field(host).add_test(label="Reachable", func=reachable)

connector = Connector(update=print, configuration_form=form)
"""


DEPLOY = (
    "project_path deploy_key group connection hd_agent_id configuration config_path python_version "
    "prompt_mode naming proxy_id proxy_host_config_key target_package_id"
)


def run_script(project: CliProject, line: str) -> subprocess.CompletedProcess[str]:
    """Run a script of one line beside connector.py."""
    connector = project.path / "connector.py"
    connector.write_text(connector.read_text(encoding="utf-8").replace("fivetran_connector_sdk", "headwater"))
    project.write("script.py", f"from connector import connector\nfrom headwater.authoring import PromptMode\n{line}\n")
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=project.path, env=project.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("debug", "project_path configuration state naming log_level"),
        ("run", "port configuration state log_level"),
        ("generate_configuration", "project_path run_tests disable_encryption"),
        ("deploy", DEPLOY),
    ],
)  # fmt: skip
def test_a06_methods_have_the_parameters_of_the_original_in_order(method: str, parameters: str) -> None:
    assert list(inspect.signature(getattr(Connector, method)).parameters) == ["self", *parameters.split()]


def test_a06_deploy_does_what_the_command_does(deployable: CliProject, account: Account) -> None:
    ended = run_script(
        deployable,
        f'connector.deploy(".", {KEY!r}, "warehouse", "shop", None, configuration={{"api_key": "${{SHOP_KEY}}"}}, '
        'python_version="3.12", naming="SOURCE_NAMING")',
    )
    [connection] = account.connections.values()

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("connection conn_2: made, and paused: start it in the dashboard\n")
    assert (connection["group_id"], connection["destination_schema_names"]) == ("g3", "SOURCE_NAMING")
    assert connection["config"]["secrets_list"] == [{"key": "api_key", "value": "canary-shop-key"}]
    assert connection["config"]["python_version"] == "3.12"


def test_a06_deploy_asks_before_it_changes_a_connection_unless_told_not_to(
    deployable: CliProject, account: Account
) -> None:
    account.add_connection("shop", "pkg_0")
    asked = run_script(deployable, f'connector.deploy(".", {KEY!r}, "warehouse", "shop", "")')
    sure = run_script(
        deployable,
        f'connector.deploy(".", {KEY!r}, "warehouse", "shop", "", prompt_mode=PromptMode.YES)',
    )

    assert asked.returncode == 1
    assert "there is no terminal to ask on" in asked.stderr
    assert (sure.returncode, "updated" in sure.stdout) == (0, True)


@pytest.mark.parametrize(
    ("host", "code", "shown"),
    [("db", 0, "Reachable: passed\n"), ("moon", 1, "Reachable: failed: no such host\n")],
)
def test_a06_generate_configuration_runs_the_tests_of_the_form(
    project: CliProject, host: str, code: int, shown: str
) -> None:
    project.write("connector.py", FORM)
    project.configuration({"host": host})
    ended = run_script(project, "connector.generate_configuration(run_tests=True)")

    assert (ended.returncode, ended.stdout) == (code, shown)


def test_a06_generate_configuration_asks_on_a_terminal_only(project: CliProject) -> None:
    project.write("connector.py", FORM)
    project.configuration({"host": "kept"})
    ended = run_script(project, "connector.generate_configuration()")

    assert ended.returncode == 1
    assert "there is no terminal to ask on" in ended.stderr
    assert json.loads((project.path / "configuration.json").read_text()) == {"host": "kept"}


def test_a_script_is_run_by_debug_too(project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": 1})')
    ended = run_script(project, "connector.debug()")

    assert (ended.returncode, project.ids()) == (0, [1])
