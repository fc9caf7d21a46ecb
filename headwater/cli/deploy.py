"""`headwater deploy`: bring a connector to Fivetran."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headwater.cli.arguments import json_option, project_argument, yes_option
from headwater.cli.asking import confirmed, require_terminal
from headwater.log import printable, redact

if TYPE_CHECKING:
    from headwater.deploying import Deployed
    from headwater.project import Project


@click.command("deploy")
@project_argument
@click.option("--api-key", envvar="FIVETRAN_API_KEY", help="Your key, in base64; asked for if left out.")
@click.option("--destination", envvar="FIVETRAN_DESTINATION_NAME", help="Left out: the only one there is.")
@click.option("--connection", envvar="FIVETRAN_CONNECTION_NAME", required=True, help="Its name; made if it is new.")
@click.option("--configuration", type=click.Path(path_type=Path, dir_okay=False), help="Send this configuration file.")
@click.option("--python-version", "--python", envvar="FIVETRAN_PYTHON_VERSION", help="Which Python runs it there.")
@click.option("--hybrid-deployment-agent-id", "hybrid_agent", envvar="FIVETRAN_HD_AGENT_ID", help="Run on this agent.")
@click.option("--proxy-id", "proxy", help="Reach the source through this proxy agent.")
@click.option("--proxy-host-config-key", "proxy_host_key", help="The field of the configuration with that host.")
@click.option(
    "--naming",
    type=click.Choice(["FIVETRAN", "SOURCE"], case_sensitive=False),
    envvar="FIVETRAN_NAMING",
    help="How to name things; for a new connection.",
)
@click.option("--vendor", is_flag=True, help="Put in the sdk_helpers modules that the project uses.")
@yes_option
@json_option
def command(
    project: Path, api_key: str | None, configuration: Path | None, sure: bool, as_json: bool, **wanted: Any
) -> None:
    """Package PROJECT, upload it to Fivetran, and make or update a connection there; Fivetran then tests it.

    A new connection gets configuration.json and is paused; one that is there keeps its configuration, unless
    --configuration names a file. Not tried on Fivetran itself yet, only against a stand-in for its API. Example:

        headwater deploy shop --destination warehouse --connection shop
    """
    from headwater.cli.author_call import author_call
    from headwater.deploying import Deployment, deploy
    from headwater.fivetran_rest import FivetranApi, base_url
    from headwater.project import Project

    folder = Project(project)
    api = FivetranApi(_key(api_key), base_url())
    values = _configuration(folder, configuration)
    asked = Deployment(**wanted, **values)
    deployed = author_call(folder, lambda: deploy(folder, api, asked, lambda question: confirmed(question, sure=sure)))
    if deployed is None:
        click.echo("nothing was deployed")
        sys.exit(1)
    _print(deployed, as_json)
    sys.exit(1 if deployed.failed_tests else 0)


def _key(given: str | None) -> str:
    if given:
        return given
    require_terminal("there is no API key: set FIVETRAN_API_KEY, or give --api-key")
    return str(click.prompt("API key", hide_input=True))


def _configuration(project: Project, option: Path | None) -> dict[str, Any]:
    """Give the configuration that is named, and how to find the one for a new connection."""
    from headwater.configuration import VARIABLE, find_configuration, read_configuration
    from headwater.configuration_values import usable_values

    def found() -> dict[str, str]:
        return usable_values(read_configuration(find_configuration(project.path, option)))

    named = option is not None or bool(os.environ.get(VARIABLE))
    return {"configuration": found() if named else None, "configuration_if_new": found}


def _print(deployed: Deployed, as_json: bool) -> None:
    if as_json:
        report = {
            "connection": deployed.connection,
            "created": deployed.created,
            "package": deployed.package_id,
            "sha256": deployed.package.sha256,
            "failed_tests": [{"title": title, "message": message} for title, message in deployed.failed_tests],
        }
        click.echo(redact(json.dumps(report, indent=2)))
        return
    done = "made, and paused: start it in the dashboard" if deployed.created else "updated"
    click.echo(printable(redact(f"connection {deployed.connection}: {done}")))
    click.echo(printable(f"package {deployed.package_id}, sha256 {deployed.package.sha256}"))
    for title, message in deployed.failed_tests:
        click.echo(printable(redact(f"setup test failed: {title}: {message}")), err=True)
