"""Mailchimp's Marketing API as one class: a method for each endpoint, named after what it gives.

It serves a connector, a script and a notebook alike:

    mailchimp = Mailchimp("0123456789abcdef-us6")    # or MAILCHIMP_API_KEY in the environment
    mailchimp.get_lists().to_csv("lists.csv")

Methods are named by the rules of Parsons: `get_<one>` gives a value, or None when there is no such thing;
`get_<many>` gives a Table, an empty one with its columns when there is nothing; `create_`, `update_`, `delete_`.
Arguments are the parameters of the endpoint; None is not sent.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sdk_helpers.auth import Basic
from sdk_helpers.http import ApiClient, NotFound
from sdk_helpers.paging import Offset, paginate
from sdk_helpers.settings import Secret, WrongSettings, read_settings
from sdk_helpers.tables import Table

LIST_COLUMNS = ["id", "name", "date_created", "stats"]
MEMBER_COLUMNS = ["list_id", "id", "email_address", "status", "last_changed", "merge_fields", "tags"]


@dataclass(frozen=True)
class Settings:
    """What it needs: arguments, else the configuration, else MAILCHIMP_API_KEY and so on in the environment.

    base_url   None: the data centre that the key names
    page_size  records asked for at a time, 1000 at most
    """

    api_key: Secret
    base_url: str | None = None
    page_size: int = 1000


class Mailchimp:
    """The lists of one account, and their members.

    configuration  of a connector; an argument wins over it, and it wins over the environment

    Errors: those of `sdk_helpers.settings` here, those of `sdk_helpers.http` from every method.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        page_size: int | None = None,
        configuration: Mapping[str, str] | None = None,
    ) -> None:
        settings = read_settings(
            Settings, configuration, prefix="MAILCHIMP_", api_key=api_key, base_url=base_url, page_size=page_size
        )
        self._client = ApiClient(
            settings.base_url or f"https://{data_centre(settings.api_key)}.api.mailchimp.com/3.0",
            auth=Basic("any", settings.api_key),  # Mailchimp looks at the password only
        )
        self._page_size = settings.page_size

    def get_lists(self, *, since_date_created: datetime | None = None) -> Table:
        """GET /lists"""
        records = self._records("lists", "lists", since_date_created=since_date_created)
        return Table(records, columns=LIST_COLUMNS)

    def get_list(self, list_id: str) -> dict[str, Any] | None:
        """GET /lists/{list_id}"""
        return self._one(f"lists/{_part(list_id)}")

    def get_members(
        self, list_id: str, *, status: str | None = None, since_last_changed: datetime | None = None
    ) -> Table:
        """GET /lists/{list_id}/members, those changed longest ago first."""
        records = self._records(
            f"lists/{_part(list_id)}/members",
            "members",
            status=status,
            since_last_changed=since_last_changed,
            sort_field="last_changed",
            sort_dir="ASC",
        )
        return Table(records, columns=MEMBER_COLUMNS)

    def get_member(self, list_id: str, email_address: str) -> dict[str, Any] | None:
        """GET /lists/{list_id}/members/{subscriber_hash}"""
        return self._one(member_path(list_id, email_address))

    def create_member(
        self, list_id: str, email_address: str, status: str, *, merge_fields: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """POST /lists/{list_id}/members; refused (RequestRefused) when the list has this address."""
        body = _without_none(email_address=email_address, status=status, merge_fields=merge_fields)
        return dict(self._client.post_json(f"lists/{_part(list_id)}/members", json=body))

    def update_member(
        self,
        list_id: str,
        email_address: str,
        *,
        status: str | None = None,
        merge_fields: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """PATCH /lists/{list_id}/members/{subscriber_hash}; what is not given stays."""
        body = _without_none(status=status, merge_fields=merge_fields)
        return dict(self._client.request_json("PATCH", member_path(list_id, email_address), json=body).value)

    def delete_member(self, list_id: str, email_address: str) -> None:
        """DELETE /lists/{list_id}/members/{subscriber_hash}: archives, so that the member can come back."""
        self._client.delete(member_path(list_id, email_address))

    def _one(self, path: str) -> dict[str, Any] | None:
        try:
            return dict(self._client.get_json(path, params={"exclude_fields": "_links"}))
        except NotFound:
            return None

    def _records(self, path: str, name: str, **params: object) -> list[dict[str, Any]]:
        # Members that change while pages are read go to the end, and those behind them move up: so each page
        # begins a little before the end of the last one, and paging fails if even that was not enough.
        overlap = min(50, self._page_size // 2)
        by = Offset("offset", size=self._page_size, size_param="count", total="total_items", overlap=overlap, key="id")
        params["exclude_fields"] = f"{name}._links"
        return list(paginate(self._client, path, by, records=name, params=params).records())


def data_centre(api_key: str) -> str:
    """Read the data centre off the end of an API key, where Mailchimp puts it.

    >>> data_centre("0123456789abcdef-us6")
    'us6'
    """
    match = re.search(r"-([a-z]+\d+)$", api_key)
    if match is None:
        raise WrongSettings("api_key must end in its data centre, like ...-us6: copy all of it")
    return match[1]


def member_path(list_id: str, email_address: str) -> str:
    """Where a member is: Mailchimp names members by the MD5 of their address in lower case.

    >>> member_path("ab12", "Ada@Example.com")
    'lists/ab12/members/3e3417d7ef77d5932a6734b916515ed5'
    """
    digest = hashlib.md5(email_address.lower().encode(), usedforsecurity=False).hexdigest()
    return f"lists/{_part(list_id)}/members/{digest}"


def _part(text: str) -> str:
    return quote(text, safe="")


def _without_none(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
