"""A feed that gives the newest posts first, and that a sync may leave at any page.

A single cursor cannot say what is missing: after a sync that was interrupted on its way down, there is a hole between
its last page and what an earlier one had read. So the state holds which ranges of ids were delivered, and each sync
reads what lies between them, the newest first:

    {"posts": {"covered": [[40, 49], [55, 60]], ...}}         the hole from 50 to 54 comes next
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import Gap, RangeLedger
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "post", "primary_key": ["id"], "columns": {"id": "LONG", "text": "STRING"}}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    ledger = RangeLedger(state.get("posts", {}), unique=True)
    with ApiClient(configuration["base_url"]) as client:
        for each in ledger.gaps():
            gap: Gap | None = each
            while gap is not None:
                log.info(f"Reading posts below {gap.high or 'the newest'}, down to {gap.low or 'the first'}")
                page = client.get_json("posts", params={"newer_than": gap.low, "older_than": gap.high, "limit": 2})
                for post in page["posts"]:
                    op.upsert(table="post", data=post)
                gap = ledger.page(gap, [post["id"] for post in page["posts"]], exhausted=not page["has_more"])
                op.checkpoint(state={"posts": ledger.state()})


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
