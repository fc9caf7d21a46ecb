"""Arguments and flags that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

project_argument = click.argument("project", default=".", type=click.Path(path_type=Path, file_okay=False))
yes_option = click.option("--yes", "--non-interactive", "--force", "-y", "-f", "sure", is_flag=True, help="Do not ask.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
