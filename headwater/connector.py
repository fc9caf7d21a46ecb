"""The connector: what an author builds from `schema` and `update`.

Takes     the author's functions
Gives     an object the command line finds in connector.py under the name `connector`
Promises  `update` is called with the last committed state
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.errors import ConfigurationError
from headwater.log import Level

if TYPE_CHECKING:
    from headwater.configuration_form import ConfigurationForm

Update = Callable[..., Any]
Schema = Callable[[dict[str, Any]], Any]


class Connector:
    """One connector.

    update              called as `update(configuration=…, state=…)`; may be a generator: what it yields is ignored
    schema              called as `schema(configuration)`; without it every table is found from the operations
    configuration_form  called without arguments, to ask for the configuration
    """

    def __init__(
        self,
        update: Update,
        schema: Schema | None = None,
        configuration_form: Callable[[], ConfigurationForm] | None = None,
    ) -> None:
        if not callable(update):
            raise TypeError(f"Connector(update=…) takes a function, not {type(update).__name__}")
        self.update_method = update
        self.schema_method = schema
        self.configuration_form_method = configuration_form

    def debug(
        self,
        project_path: str | None = None,
        configuration: dict[str, Any] | None = None,
        state: dict[str, Any] | None = None,
        naming: str | None = None,
        log_level: Level | int = Level.DEBUG,
    ) -> bool:
        """Run one sync into the project's files/warehouse.db, as `headwater debug` does.

        project_path   the project's folder; left out, the folder of the calling script
        configuration  instead of the project's configuration.json
        state          instead of the committed state

        Errors: SystemExit(1) when the sync fails, after its summary has been printed.
        """
        from headwater.cli.debug import debug_connector

        project = Path(project_path) if project_path else _folder_of_the_caller()
        debug_connector(self, project, configuration=configuration, state=state, naming=naming, log_level=log_level)
        return True


def _folder_of_the_caller() -> Path:
    name = sys._getframe(2).f_globals.get("__file__")
    if name is None:
        raise ConfigurationError(
            "debug() was called outside a file",
            hint="Give it the project: connector.debug(project_path='…').",
        )
    return Path(name).resolve().parent
