"""A queue that forgets what is acknowledged: acknowledge after the checkpoint, never before it.

A message that is acknowledged is gone from the queue, so it must be safe by then. Dies the connector between the two,
the message is delivered again, and the upsert by its id makes it one row. In the other order it would be lost.

The queue is Google Cloud Pub/Sub, over its REST API; the order is the same for every queue.
"""

import json
from base64 import b64decode
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.auth import Bearer
from sdk_helpers.http import ApiClient


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "event",
            "primary_key": ["message_id"],
            "columns": {"message_id": "STRING", "published_at": "UTC_DATETIME", "kind": "STRING", "body": "JSON"},
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    subscription = configuration["subscription"]
    with ApiClient(configuration["base_url"], auth=Bearer(configuration["token"])) as client:
        while batch := pulled(client, subscription, int(configuration["batch_size"])):
            for received in batch:
                op.upsert(table="event", data=event_row(received["message"]))
            op.checkpoint(state=state)  # returns when the rows are safe; the queue itself knows where we are
            ids = [received["ackId"] for received in batch]
            client.post(f"{subscription}:acknowledge", json={"ackIds": ids}, idempotent=True)
    log.info("The queue is empty")


def pulled(client: ApiClient, subscription: str, batch_size: int) -> list[dict[str, Any]]:
    """Take messages from the queue; they come again if they are not acknowledged in time."""
    answer = client.post_json(f"{subscription}:pull", json={"maxMessages": batch_size}, idempotent=True)
    messages: list[dict[str, Any]] = answer.get("receivedMessages", [])
    return messages


def event_row(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "message_id": message["messageId"],
        "published_at": message["publishTime"],
        "kind": message.get("attributes", {}).get("kind"),
        "body": json.loads(b64decode(message["data"])),
    }


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
