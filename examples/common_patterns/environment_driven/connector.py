"""One connector for the machine of its author and for the one where it runs: the environment says which it is.

`FIVETRAN_DEPLOYMENT_MODEL` is `local_debug` under `headwater debug` and `fivetran debug`, and something else on
Fivetran. Here the connector then reads a sandbox, and only the first page of it.
"""

import os
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient
from sdk_helpers.paging import PageNumber, paginate


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "user", "primary_key": ["id"], "columns": {"id": "LONG", "name": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    local = is_local()
    base_url = configuration["sandbox_url" if local else "live_url"]
    log.info(f"Connection {os.environ.get('FIVETRAN_CONNECTION_NAME', 'without a name')} reads {base_url}")
    with ApiClient(base_url) as client:
        pages = paginate(
            client, "users", PageNumber(total_pages="pages"), records="users", max_pages=1 if local else None
        )
        for user in pages.records():
            op.upsert(table="user", data=user)
        log.info(f"users: {pages.stopped_because}")
    op.checkpoint(state=state)


def is_local() -> bool:
    # A machine that does not say what it is counts as live: a live connection reading a sandbox is the worse mistake.
    return os.environ.get("FIVETRAN_DEPLOYMENT_MODEL") == "local_debug"


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
