"""The connector: what an author builds from `schema` and `update`.

Takes     the author's functions
Gives     an object the command line finds in connector.py under the name `connector`
Promises  `update` is called with the last committed state
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headwater.configuration_form import ConfigurationForm

Update = Callable[..., Any]
Schema = Callable[[dict[str, Any]], Any]


class Connector:
    """One connector: the author's functions. `headwater.Connector` adds what a script does with them.

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
