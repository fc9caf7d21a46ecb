"""`headwater deploy`: bring a connector to Fivetran."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headwater.cli.arguments import json_option, project_argument, yes_option
from headwater.cli.asking import confirmed
from headwater.cli.fivetran_account import api_key_option, fivetran_api
from headwater.log import printable, redact

if TYPE_CHECKING:
    from headwater.deploying import Deployed, Deployment
    from headwater.fivetran_rest import FivetranApi
    from headwater.project import Project

F = TypeVar("F", bound=Callable[..., Any])


def _answered(flag: str, answer: str) -> Callable[[F], F]:
    """Make a flag that Fivetran's own command has and this one does not: it says what to type instead."""

    def refuse(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value is not None and not ctx.resilient_parsing:
            raise click.UsageError(f"there is no {flag} here: {answer}", ctx)

    return click.option(flag, hidden=True, expose_value=False, is_eager=True, callback=refuse)


_NO_PROFILES = "give the flags themselves, or set FIVETRAN_DESTINATION_NAME and FIVETRAN_CONNECTION_NAME"


@click.command("deploy")
@project_argument
@api_key_option
@click.option("--destination", envvar="FIVETRAN_DESTINATION_NAME", help="Left out: the only one there is.")
@click.option("--connection", envvar="FIVETRAN_CONNECTION_NAME", required=True, help="Its name; made if it is new.")
@click.option("--configuration", type=click.Path(path_type=Path, dir_okay=False), help="Send this configuration file.")
@click.option("--package-id", help="Run this package, which Fivetran has, and upload nothing.")
@click.option("--python-version", "--python", envvar="FIVETRAN_PYTHON_VERSION", help="Which Python runs it there.")
@click.option("--hybrid-deployment-agent-id", "hybrid_agent", envvar="FIVETRAN_HD_AGENT_ID", help="Run on this agent.")
@click.option("--proxy-id", "proxy", help="Reach the source through this proxy agent.")
@click.option("--proxy-host-config-key", "proxy_host_key", help="The field with that host, if not host or hosts.")
@click.option(
    "--naming",
    type=click.Choice(["FIVETRAN", "SOURCE"], case_sensitive=False),
    envvar="FIVETRAN_NAMING",
    help="How to name things; one that is there keeps its own.",
)
@click.option("--vendor", is_flag=True, help="Put in the sdk_helpers modules that the project uses.")
@_answered("--state", "Fivetran keeps the state; `headwater state` is about the one that is kept here")
@_answered("--options-file", _NO_PROFILES)
@_answered("--profile", _NO_PROFILES)
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
    from headwater.deploying import Deployment
    from headwater.project import Project

    folder = Project(project)
    api = fivetran_api(api_key, ask=not sure)
    values = _configuration(folder, configuration)
    asked = Deployment(**wanted, **values)
    sys.exit(deploy_and_print(folder, api, asked, sure=sure, as_json=as_json))


def deploy_and_print(
    project: Project, api: FivetranApi, wanted: Deployment, *, sure: bool, as_json: bool = False
) -> int:
    """Deploy a project and print what was done; give the exit code.

    sure  an existing connection is updated without a question
    """
    from headwater.cli.author_call import author_call
    from headwater.deploying import deploy

    def ask(question: str) -> bool:
        return confirmed(question, sure=sure)

    deployed = author_call(project, lambda: deploy(project, api, wanted, ask))
    if deployed is None:
        click.echo("nothing was deployed")
        return 1
    _print(deployed, as_json)
    return 1 if deployed.failed_tests else 0


def _configuration(project: Project, option: Path | None) -> dict[str, Any]:
    """Give the configuration that is named, and how to find the one for a new connection."""
    from headwater.configuration import VARIABLE, find_configuration, read_configuration_to_deploy

    def found() -> dict[str, str | None]:
        return sendable(read_configuration_to_deploy(find_configuration(project.path, option)))

    named = option is not None or bool(os.environ.get(VARIABLE))
    return {"configuration": found() if named else None, "configuration_if_new": found}


def sendable(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """Resolve and decrypt the values that are not null."""
    from headwater.configuration_values import usable_values

    return {**values, **usable_values({field: value for field, value in values.items() if value is not None})}


def _print(deployed: Deployed, as_json: bool) -> None:
    if as_json:
        report = {
            "connection": deployed.connection,
            "created": deployed.created,
            "package": deployed.package_id,
            "sha256": deployed.sha256,
            "notes": deployed.notes,
            "failed_tests": [{"title": title, "message": message} for title, message in deployed.failed_tests],
        }
        click.echo(redact(json.dumps(report, indent=2)))
        return
    done = "made, and paused: start it in the dashboard" if deployed.created else "updated"
    click.echo(printable(redact(f"connection {deployed.connection}: {done}")))
    click.echo(printable(f"package {deployed.package_id}, sha256 {deployed.sha256}"))
    for note in deployed.notes:
        click.echo(printable(f"Note: {note}"), err=True)
    for title, message in deployed.failed_tests:
        click.echo(printable(redact(f"setup test failed: {title}: {message}")), err=True)
