"""`headwater package create`, `update` and `list`: against a stand-in for Fivetran's API, over real HTTP."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.cli.cli_project import CliProject, Outcome
from tests.cli.fivetran_stand_in import KEY, Account, Fault

NOW = {"Retry-After": "0"}


def package(project: CliProject, *words: str) -> Outcome:
    """Run the command; whatever happens, no secret is shown."""
    outcome = project.run("package", *words)
    assert [secret for secret in ("canary", KEY) if secret in outcome.out + outcome.err] == []
    return outcome


def test_create_uploads_a_new_package(deployable: CliProject, account: Account) -> None:
    account.faults = [Fault("POST /v1/connector-sdk/packages", 429, NOW)]
    made = package(deployable, "create", "--yes")
    as_json = json.loads(package(deployable, "CREATE", ".", "--json").out)
    content = (deployable.path / "files" / "shop.zip").read_bytes()

    assert (made.code, made.err, made.out.splitlines()[-2:]) == (
        0, "", [f"sha256 {hashlib.sha256(content).hexdigest()}", "package pkg_1"],
    )  # fmt: skip
    assert account.packages == {"pkg_1": content, "pkg_2": content}
    assert (as_json["package"], as_json["sha256"]) == ("pkg_2", hashlib.sha256(content).hexdigest())


def test_update_asks_before_it_changes_what_several_connections_run(deployable: CliProject, account: Account) -> None:
    account.packages["pkg_0"] = b"old"
    account.add_connection("first", "pkg_0")
    alone = package(deployable, "update", "pkg_0")
    content = account.packages["pkg_0"]
    account.packages["pkg_0"] = b"old"
    account.add_connection("second", "pkg_0")
    refused = package(deployable, "update", "pkg_0")
    kept = account.packages["pkg_0"]
    sure = package(deployable, "update", "pkg_0", ".", "--yes")

    assert (alone.code, alone.out.splitlines()[-1]) == (0, "package pkg_0")
    assert content == (deployable.path / "files" / "shop.zip").read_bytes()
    assert (refused.code, refused.err.splitlines()[-1]) == (2, "Error: there is no terminal to ask on: say --yes")
    assert kept == b"old"
    assert (sure.code, account.packages) == (0, {"pkg_0": content})


def test_list_shows_all_pages_or_the_first_few(deployable: CliProject, account: Account) -> None:
    nothing = package(deployable, "list")
    account.packages = {f"pkg_{number}": bytes([number]) for number in range(3)}
    account.add_connection("shop", "pkg_1")
    shown = package(deployable, "list")
    few = json.loads(package(deployable, "list", "--limit", "2", "--json").out)
    digest = [hashlib.sha256(content).hexdigest() for content in account.packages.values()]

    assert (nothing.code, nothing.out) == (0, "Fivetran has no packages of yours.\n")
    assert shown.out == (
        f"  package  connections  updated               sha256\n"
        f"  -------  -----------  --------------------  {'-' * 64}\n"
        f"  pkg_0    0            2026-11-02T00:00:00Z  {digest[0]}\n"
        f"  pkg_1    1            2026-11-02T00:00:00Z  {digest[1]}\n"
        f"  pkg_2    0            2026-11-02T00:00:00Z  {digest[2]}\n"
    )
    assert few == [
        {
            "id": f"pkg_{number}", "connections": ["conn_1"] * number, "sha256": digest[number],
            "created_at": "2026-11-01T00:00:00Z", "created_by": "ada",
            "updated_at": "2026-11-02T00:00:00Z", "updated_by": "bea",
        }
        for number in range(2)
    ]  # fmt: skip


def test_pages_that_go_in_a_circle_come_to_an_end(deployable: CliProject, account: Account) -> None:
    account.packages = {f"pkg_{number}": b"" for number in range(4)}
    account.next_cursor = "2"
    outcome = package(deployable, "list")

    assert (outcome.code, outcome.err) == (
        1, "Error: GET /v1/connector-sdk/packages: Fivetran gives the same page again\nTry again later.\n",
    )  # fmt: skip


WRONG = [
    # words                                    code  what is said last
    (["update"],                               2,    ("Error: say which package: headwater package update ID; "
                                                      "`headwater package list` shows them\n")),
    (["update", "pkg_9"],                      1,    "See them with `headwater package list`.\n"),
    (["create", ".", "x"],                     2,    "Error: this is one word too many: x\n"),
    (["list", "."],                            2,    "Error: this is one word too many: .\n"),
    (["list", "--limit", "0"],                 2,    "0 is not in the range x>=1.\n"),
    ([".", "--limit", "1"],                    2,    "Error: --limit goes with list\n"),
    ([".", "--api-key", "a"],                  2,    "Error: --api-key goes with create, update and list\n"),
    (["./create"],                             1,    "Name the folder that holds connector.py.\n"),
    (["list", "--api-key", "d3Jvbmc6a2V5"],    1,    "The API key is refused: take one that is valid, in base64.\n"),
    (["list", "--api-key", ""],                2,    "there is no API key: set FIVETRAN_API_KEY, or give --api-key\n"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "said"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_wrong_usage_of_package(
    deployable: CliProject, account: Account, words: list[str], code: int, said: str
) -> None:
    outcome = package(deployable, *words)

    assert (outcome.code, outcome.out, outcome.err.endswith(said)) == (code, "", True), outcome.err
    assert account.packages == {}
