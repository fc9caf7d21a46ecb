"""A mailbox, newest mail first: today's mail is there after the first page, ten years of it some syncs later.

Each sync reads a number of pages and stops. The next one first reads what has come in since, then goes on
downwards where the last one stopped. Which stretches of time have been read is kept by a `RangeLedger`, as
times, not positions: mail that is deleted or moved meanwhile does no harm. The mailbox is Microsoft 365's
(Graph), asked with an OAuth 2.0 refresh token.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

from sdk_helpers.auth import OAuth2RefreshToken, TokenFile, TokenInState
from sdk_helpers.cursors import Gap, RangeLedger, instant
from sdk_helpers.http import ApiClient
from sdk_helpers.settings import Secret, read_settings

COLUMNS = "id,receivedDateTime,from,toRecipients,subject,bodyPreview,hasAttachments,conversationId"


@dataclass(frozen=True)
class Settings:
    """What the configuration holds.

    token_file  where renewed tokens are kept; None keeps them in the state, which is right on Fivetran
    """

    client_id: str
    client_secret: Secret
    refresh_token: Secret
    tenant: str = "organizations"
    page_size: int = 100
    pages_per_sync: int = 50
    token_file: str | None = None
    base_url: str = "https://graph.microsoft.com/v1.0"
    login_url: str = "https://login.microsoftonline.com"


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "messages",
            "primary_key": ["id"],
            "columns": {"id": "STRING", "received_at": "UTC_DATETIME", "to": "JSON", "has_attachments": "BOOLEAN"},
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    settings = read_settings(Settings, configuration)
    client = mail_client(settings, state)
    # Two messages may come in the same second.
    ledger = RangeLedger(state.get("mail", {}), unique=False)
    pages_left = settings.pages_per_sync
    for gap in ledger.gaps():
        rest: Gap | None = gap
        while rest is not None and pages_left > 0:
            messages, is_last = newest_messages(client, rest, settings.page_size)
            for message in messages:
                op.upsert(table="messages", data=message_row(message))
            received = [instant(message["receivedDateTime"]) for message in messages]
            rest = ledger.page(rest, received, exhausted=is_last)
            state["mail"] = ledger.state()
            op.checkpoint(state=state)
            pages_left -= 1
    if ledger.gaps()[1:] or not ledger.state()["bottom"]:
        log.info("There is older mail; the next sync goes on with it")


def newest_messages(client: ApiClient, gap: Gap, page_size: int) -> tuple[list[dict[str, Any]], bool]:
    """Give the newest messages of a gap, and whether these are all."""
    bounds = [("ge", gap.low), ("lt", gap.high)]
    conditions = [f"receivedDateTime {comparison} {graph_time(time)}" for comparison, time in bounds if time]
    answer = client.get_json(
        "me/messages",
        params={
            "$select": COLUMNS,
            "$orderby": "receivedDateTime desc",
            "$filter": " and ".join(conditions) or None,
            "$top": page_size,
        },
    )
    return answer["value"], "@odata.nextLink" not in answer


def graph_time(time: datetime) -> str:
    """Write a time in UTC as Graph has it.

    >>> graph_time(instant("2024-03-01T10:30:00+01:00"))
    '2024-03-01T09:30:00Z'
    """
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def message_row(message: dict[str, Any]) -> dict[str, Any]:
    """Choose the columns of a message; a draft has no sender."""
    return {
        "id": message["id"],
        "conversation_id": message["conversationId"],
        "received_at": message["receivedDateTime"],
        "sender": (message.get("from") or {}).get("emailAddress", {}).get("address"),
        "to": [recipient["emailAddress"]["address"] for recipient in message["toRecipients"]],
        "subject": message["subject"],
        "preview": message["bodyPreview"],
        "has_attachments": message["hasAttachments"],
    }


def mail_client(settings: Settings, state: dict[str, Any]) -> ApiClient:
    auth = OAuth2RefreshToken(
        f"{settings.login_url}/{settings.tenant}/oauth2/v2.0/token",
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        client_auth="body",
        refresh_token=settings.refresh_token,
        parameters={"scope": "offline_access https://graph.microsoft.com/Mail.Read"},
        store=TokenFile(settings.token_file) if settings.token_file else TokenInState(state, save=op.checkpoint),
    )
    # Without this, a message has another id once somebody moves it to another folder.
    return ApiClient(settings.base_url, auth=auth, headers={"Prefer": 'IdType="ImmutableId"'})


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
