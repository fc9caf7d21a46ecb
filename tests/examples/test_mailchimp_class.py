"""The Mailchimp class on its own, as a script or a notebook uses it, against recorded answers."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from headwater.testing import ReplayServer
from sdk_helpers.http import AuthError, NotFound
from sdk_helpers.settings import MissingSettings, WrongSettings

SOURCE = Path(__file__).parents[2] / "examples" / "source_examples" / "mailchimp" / "mailchimp.py"
MEMBER = "lists/l%201/members/3e3417d7ef77d5932a6734b916515ed5"  # ada@example.com
ROUTES = f"""
authentication = {{ Authorization = "Basic YW55OmstMS11czY=" }}    # any:k-1-us6

[[route]]
request = "GET /lists?count=1000&offset=0&exclude_fields=lists._links"
answer = {{ text = '{{"lists": [], "total_items": 0}}' }}

[[route]]
request = "GET /lists/l%201?exclude_fields=_links"
answer = {{ text = '{{"id": "l 1", "name": "Newsletter"}}' }}

[[route]]
request = "GET /{MEMBER}?exclude_fields=_links"
answer = {{ status = 404, text = '{{"title": "Resource Not Found"}}' }}

[[route]]
request = "POST /lists/l%201/members"
json = {{ email_address = "ada@example.com", status = "subscribed" }}
answer = {{ text = '{{"id": "3e34", "status": "subscribed"}}' }}

[[route]]
request = "PATCH /{MEMBER}"
json = {{ merge_fields = {{ FNAME = "Ada" }} }}
answer = {{ text = '{{"id": "3e34", "merge_fields": {{"FNAME": "Ada"}}}}' }}

[[route]]
request = "DELETE /{MEMBER}"
answer = {{ status = 204 }}
"""


@pytest.fixture(scope="module")
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mailchimp_example", SOURCE)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReplayServer]:
    (tmp_path / "routes.toml").write_text(ROUTES, encoding="utf-8")
    with ReplayServer(tmp_path) as server:
        yield server
        assert server.refused == []


@pytest.fixture
def mailchimp(module: ModuleType, server: ReplayServer) -> Any:
    return module.Mailchimp("k-1-us6", base_url=server.url)


def test_no_lists_are_an_empty_table_with_its_columns(mailchimp: Any) -> None:
    lists = mailchimp.get_lists()

    assert (lists.num_rows, lists.columns) == (0, ["id", "name", "date_created", "stats"])


def test_one_is_a_value_and_what_is_not_there_is_none(mailchimp: Any) -> None:
    assert mailchimp.get_list("l 1") == {"id": "l 1", "name": "Newsletter"}
    assert mailchimp.get_member("l 1", "Ada@example.com") is None


def test_members_are_created_updated_and_deleted(mailchimp: Any, server: ReplayServer) -> None:
    created = mailchimp.create_member("l 1", "ada@example.com", "subscribed")
    updated = mailchimp.update_member("l 1", "ada@example.com", merge_fields={"FNAME": "Ada"})
    mailchimp.delete_member("l 1", "ada@example.com")

    assert (created["status"], updated["merge_fields"]) == ("subscribed", {"FNAME": "Ada"})
    assert [received.method for received in server.received] == ["POST", "PATCH", "DELETE"]


def test_argument_wins_over_configuration_and_that_over_the_environment(
    module: ModuleType, server: ReplayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILCHIMP_API_KEY", "k-1-us6")
    monkeypatch.setenv("MAILCHIMP_BASE_URL", "http://127.0.0.1:1")
    made = module.Mailchimp(configuration={"api_key": "", "base_url": server.url})

    assert made.get_lists().num_rows == 0


@pytest.mark.parametrize(
    ("api_key", "error", "message"),
    [
        (None,     MissingSettings, "api_key (or the environment variable MAILCHIMP_API_KEY)"),
        ("nodash", WrongSettings,   "api_key must end in its data centre"),
        ("k-us",   WrongSettings,   "api_key must end in its data centre"),
    ],
)  # fmt: skip
def test_unusable_key_is_refused_without_being_shown(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, api_key: str | None, error: type[Exception], message: str
) -> None:
    monkeypatch.delenv("MAILCHIMP_API_KEY", raising=False)
    with pytest.raises(error) as raised:
        module.Mailchimp(api_key)

    assert message in str(raised.value)
    assert api_key is None or api_key not in str(raised.value)


def test_wrong_key_and_other_404s_are_errors(module: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "routes.toml").write_text(ROUTES, encoding="utf-8")
    with ReplayServer(tmp_path) as server:
        with pytest.raises(AuthError):
            module.Mailchimp("k-2-us6", base_url=server.url).get_lists()
        with pytest.raises(NotFound):
            module.Mailchimp("k-1-us6", base_url=server.url).delete_member("gone", "ada@example.com")
