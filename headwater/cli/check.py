"""`headwater check`: what is wrong with a project, without running it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from headwater.cli.arguments import json_option, project_argument
from headwater.log import printable, redact


@click.command("check")
@project_argument
@json_option
def command(project: Path, as_json: bool) -> None:
    """Say what will fail in PROJECT, here or on Fivetran, without running it: files, imports, schema, calls, secrets.

    The exit code is 1 when there is an error; warnings do not count. Example:

        headwater check examples/quickstart/weather
    """
    from dataclasses import asdict

    from headwater.checking import check
    from headwater.project import Project

    findings = check(Project(project))
    if as_json:
        click.echo(redact(json.dumps([asdict(finding) for finding in findings], indent=2)))
    else:
        for finding in findings:
            click.echo(printable(redact(f"{finding.place}: {finding.level}: {finding.what}\n  {finding.hint}")))
        click.echo(_summary([finding.level for finding in findings]))
    sys.exit(1 if any(finding.level == "error" for finding in findings) else 0)


def _summary(levels: list[str]) -> str:
    if not levels:
        return "Nothing was found."
    counts = {level: levels.count(level) for level in ("error", "warning")}
    return ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts.items() if count)
