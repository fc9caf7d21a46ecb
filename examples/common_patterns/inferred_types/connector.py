"""Types found in samples: some records of the source, kept beside the connector, say what the columns are.

The samples do not change from one sync to the next, so neither do the types; and they are there before the first row.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.http import ApiClient
from sdk_helpers.infer import infer_schema
from sdk_helpers.records import exact

SAMPLES = Path(__file__).with_name("samples.json")


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    samples = json.loads(SAMPLES.read_text(encoding="utf-8"), parse_float=Decimal)
    return [infer_schema("order", samples, ["id"], read_times=True)]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    [entry] = schema(configuration)
    with ApiClient(configuration["base_url"]) as client:
        for order in client.get_json("orders", parse_float=Decimal):
            # 19.5 and 7 stand in one column, which is DECIMAL: Fivetran's SDK takes both as text only.
            op.upsert(table="order", data=exact(order, entry["columns"]))
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
