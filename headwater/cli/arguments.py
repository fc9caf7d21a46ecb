"""Arguments and flags that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class ProjectFolder(click.Path):
    """A folder; the empty text is none: `reset "$SHOP" --yes` must not reset this folder where SHOP is not set."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it is empty; . is this folder", param, ctx)
        return super().convert(value, param, ctx)


project_argument = click.argument("project", default=".", type=ProjectFolder())
yes_option = click.option("--yes", "--non-interactive", "--force", "-y", "-f", "sure", is_flag=True, help="Do not ask.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
