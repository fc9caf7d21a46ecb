"""The account at Fivetran that `deploy` and `package` work on, and the key to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headwater.cli.asking import require_terminal

if TYPE_CHECKING:
    from headwater.fivetran_rest import FivetranApi

api_key_option = click.option(
    "--api-key", envvar="FIVETRAN_API_KEY", help="Your key, in base64; asked for if left out."
)


def fivetran_api(key: str | None, *, ask: bool) -> FivetranApi:
    """Give the API to call with `key`; without one it is asked for.

    Errors: click.UsageError where there is no key, and nobody may be asked or can answer.
    """
    from headwater.fivetran_rest import FivetranApi, base_url

    return FivetranApi((key or "").strip() or _typed_key(ask), base_url())


def _typed_key(ask: bool) -> str:
    otherwise = "there is no API key: set FIVETRAN_API_KEY, or give --api-key"
    if not ask:
        raise click.UsageError(otherwise)
    require_terminal(otherwise)
    return str(click.prompt("API key", hide_input=True))
