"""`headwater deploy`: against a stand-in for Fivetran's API, over real HTTP."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.cli_project import CliProject, Outcome
from tests.cli.fivetran_stand_in import KEY, Account, Fault
from tests.cli.test_terminal import on_a_terminal

CANARIES = ("canary", KEY)
TARGET = ("--destination", "warehouse", "--connection", "shop")


@pytest.fixture
def shop(deployable: CliProject) -> CliProject:
    return deployable


def deploy(project: CliProject, *flags: str) -> Outcome:
    """Deploy; whatever happens, no secret is shown."""
    outcome = project.run("deploy", *TARGET, *flags)
    assert [secret for secret in CANARIES if secret in outcome.out + outcome.err] == []
    return outcome


def test_a_new_connection_is_made_paused_with_its_configuration(shop: CliProject, account: Account) -> None:
    outcome = deploy(shop, "--python", "3.12", "--naming", "source", "--hybrid-deployment-agent-id", "agent_1")
    content = (shop.path / "files" / "shop.zip").read_bytes()

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        "connection conn_2: made, and paused: start it in the dashboard\n"
        f"package pkg_1, sha256 {hashlib.sha256(content).hexdigest()}\n"
    )
    assert account.packages == {"pkg_1": content}
    assert account.connections == {
        "conn_2": {
            "id": "conn_2", "group_id": "g3", "service": "connector_sdk", "paused": True, "run_setup_tests": True,
            "sync_frequency": "360", "destination_schema_names": "SOURCE_NAMING",
            "hybrid_deployment_agent_id": "agent_1",
            "config": {
                "schema": "shop", "package_id": "pkg_1", "python_version": "3.12",
                "secrets_list": [{"key": "api_key", "value": "canary-shop-key"}],
            },
        }
    }  # fmt: skip


def test_a_connection_that_is_there_keeps_its_configuration(shop: CliProject, account: Account) -> None:
    id = account.add_connection("shop", "pkg_0")
    account.add_connection("other", "pkg_0")
    refused = deploy(shop)
    untouched = dict(account.packages)
    updated = deploy(shop, "--yes", "--json")
    config = dict(account.connections[id]["config"])
    shop.write("other.json", '{"api_key": "canary-other"}')
    replaced = deploy(shop, "--yes", "--configuration", "other.json")

    assert (refused.code, refused.err.splitlines()[-1]) == (2, "Error: there is no terminal to ask on: say --yes")
    assert untouched == {}
    assert (updated.code, json.loads(updated.out)["created"]) == (0, False)
    assert config == {
        "schema": "shop", "package_id": json.loads(updated.out)["package"], "proxy_host_config_key": None,
        "secrets_list": [{"key": "old", "value": "kept"}],
    }  # fmt: skip
    assert replaced.code == 0
    assert account.connections[id]["config"]["secrets_list"] == [{"key": "api_key", "value": "canary-other"}]
    assert account.connections[id]["networking_method"] == "Directly"


def test_it_asks_first_and_says_who_shares_the_package(shop: CliProject, account: Account) -> None:
    account.packages["pkg_0"] = b""
    id = account.add_connection("shop", "pkg_0")
    account.add_connection("other", "pkg_0")
    del shop.environment["FIVETRAN_API_KEY"]
    with on_a_terminal(shop, "deploy", *TARGET) as (terminal, process):
        terminal.wait_for("API key: $")
        terminal.type(f"{KEY}\n")
        terminal.wait_for(r"Go on\? \[y/N\]: $")
        terminal.type("n\n")
        process.wait(timeout=30)
        terminal.all()

    assert (process.returncode, terminal.plain.splitlines()[-1]) == (1, "nothing was deployed")
    assert (
        "The connection shop in warehouse will run the new code; 1 more run the package it has now, and keep that; "
        "its configuration stays. Go on?"
    ) in terminal.plain.replace("\n", "")
    assert KEY not in terminal.plain
    assert (account.packages, account.connections[id]["config"]["package_id"]) == ({"pkg_0": b""}, "pkg_0")


def test_an_older_server_is_asked_by_its_older_path(shop: CliProject, account: Account) -> None:
    account.word = "connectors"
    made = deploy(shop)
    updated = deploy(shop, "--yes", "--proxy-id", "p1", "--proxy-host-config-key", "host")
    [connection] = account.connections.values()

    assert (made.code, updated.code) == (0, 0)
    assert (connection["proxy_agent_id"], connection["networking_method"]) == ("p1", "ProxyAgent")
    assert connection["config"]["proxy_host_config_key"] == "host"


LIST = "GET /v1/groups/g3/connections"
UPLOAD = "POST /v1/connector-sdk/packages"
CREATE = "POST /v1/connections"
DELETE = "DELETE /v1/connector-sdk/packages/pkg_1"
NOW = {"Retry-After": "0"}
FAULTS = [
    # what happens once, the exit code, how many packages are left, what is said
    ([Fault("GET /v1/groups", 429, NOW)],                 0, 1, ""),
    ([Fault("GET /v1/groups", 500, NOW), Fault(LIST, 0)], 0, 1, ""),
    ([Fault(UPLOAD, 429, NOW), Fault(CREATE, 503, NOW)],  0, 1, ""),
    ([Fault(LIST, 403)],                                  1, 0, f"Error: {LIST}: 403 fault for ***\n"),
    ([Fault(LIST, 429, NOW)] * 5,                         1, 0, f"Error: {LIST}: Fivetran answers 429, 5 times\n"),
    ([Fault(LIST, 302, {"Location": "/v1/groups"})],      1, 0, f"Error: {LIST}: 302 fault for ***\n"),
    ([Fault(UPLOAD, 413)],                                1, 0, f"Error: {UPLOAD}: 413 fault for ***\n"),
    ([Fault(CREATE, 400)],                                1, 0, f"Error: {CREATE}: 400 fault for ***\n"),
    ([Fault(CREATE, 500)],                                1, 0, f"Error: {CREATE}: 500 fault for ***\n"),
    ([Fault(CREATE, 400), Fault(DELETE, 403)],            1, 1, "The package pkg_1 stays at Fivetran, unused.\n"),
    ([Fault(UPLOAD, 0, after=True)],                      1, 1, "Look at Fivetran whether it was done before"),
]  # fmt: skip


@pytest.mark.parametrize(("faults", "code", "packages", "said"), FAULTS, ids=[str(n) for n in range(len(FAULTS))])
def test_each_step_may_fail(
    shop: CliProject, account: Account, faults: list[Fault], code: int, packages: int, said: str
) -> None:
    account.faults = list(faults)
    outcome = deploy(shop)

    assert (outcome.code, said in outcome.err, account.faults) == (code, True, []), outcome.err
    assert (len(account.packages), len(account.connections)) == (packages, 1 - code)


def test_a_connection_that_was_made_keeps_its_package_though_the_answer_got_lost(
    shop: CliProject, account: Account
) -> None:
    account.faults = [Fault(CREATE, 0, after=True)]
    outcome = deploy(shop)

    assert outcome.code == 1
    assert outcome.err.endswith(
        "Look at Fivetran whether it was done before you try again.\n"
        "The package pkg_1 stays at Fivetran: the connection conn_2 runs it.\n"
    )
    assert (list(account.packages), list(account.connections)) == (["pkg_1"], ["conn_2"])


def test_a_package_that_fivetran_has_is_run_without_an_upload(shop: CliProject, account: Account) -> None:
    account.packages["pkg_0"] = b"code"
    account.faults = [Fault(CREATE, 400)]
    (shop.path / "connector.py").unlink()  # nothing of the project is sent but its configuration
    refused = deploy(shop, "--package-id", "pkg_0")
    left = dict(account.packages)
    made = deploy(shop, "--package-id", "pkg_0")
    account.packages["pkg_1"] = b"other code"
    moved = deploy(shop, "--package-id", "pkg_1", "--yes", "--json")
    [connection] = account.connections.values()

    assert (refused.code, left) == (1, {"pkg_0": b"code"})
    assert (made.code, made.out.splitlines()[1]) == (0, f"package pkg_0, sha256 {hashlib.sha256(b'code').hexdigest()}")
    assert json.loads(moved.out)["package"] == connection["config"]["package_id"] == "pkg_1"
    assert UPLOAD not in account.requests
    assert not (shop.path / "files").exists()


def test_a120_a_value_may_be_null_at_fivetran_and_not_in_a_sync_here(shop: CliProject, account: Account) -> None:
    shop.configuration({"api_key": "${SHOP_KEY}", "region": None})
    here = shop.debug()
    there = deploy(shop)
    shop.configuration({"page_size": 100, "region": None})
    refused = deploy(shop, "--configuration", "configuration.json")
    [connection] = account.connections.values()

    assert (here.code, "these are not: region" in here.out) == (1, True)
    assert there.code == 0, there.err
    assert connection["config"]["secrets_list"] == [
        {"key": "api_key", "value": "canary-shop-key"}, {"key": "region", "value": None},
    ]  # fmt: skip
    assert (refused.code, "all values must be strings; these are not: page_size\n" in refused.err) == (1, True)


def test_a_naming_is_fixed_once_and_said_to_be(shop: CliProject, account: Account) -> None:
    account.add_connection("shop")
    outcome = deploy(shop, "--naming", "SOURCE", "--force")

    assert (outcome.code, outcome.err) == (0, "Note: the naming of shop was fixed when it was made, and stays\n")


def test_nobody_is_asked_for_a_key_where_nothing_may_be_asked(shop: CliProject, account: Account) -> None:
    del shop.environment["FIVETRAN_API_KEY"]
    with on_a_terminal(shop, "deploy", *TARGET, "--non-interactive") as (terminal, process):
        process.wait(timeout=30)
        terminal.all()

    assert process.returncode == 2
    assert "Error: there is no API key: set FIVETRAN_API_KEY, or give --api-key" in terminal.plain
    assert account.requests == []


def test_setup_tests_that_fail_make_the_deployment_fail(shop: CliProject, account: Account) -> None:
    account.setup_tests = [
        {"title": "Reach the source", "status": "PASSED", "message": ""},
        {"title": "Log in", "status": "FAILED", "message": "canary-shop-key is wrong"},
    ]
    outcome = deploy(shop)

    assert outcome.code == 1
    assert outcome.err == "setup test failed: Log in: *** is wrong\n"
    assert len(account.packages) == len(account.connections) == 1  # the connection is there, to be mended


WRONG = [
    # flags                                     code  what is said last
    (["--destination", "nowhere"],              1,    "There are: alpha, beta, warehouse.\n"),
    (["--connection", "Shop"],                  1,    "Use small letters, digits and _, and no digit first.\n"),
    (["--python", "3.9"],                       1,    "Use one of 3.14, 3.13, 3.12, 3.11, 3.10.\n"),
    (["--proxy-id", "p1"],                      1,    "Name it with --proxy-host-config-key.\n"),
    (["--proxy-host-config-key", "host"],       1,    "Name it with --proxy-id.\n"),
    (["--connection", "sheets"],                1,    "Choose another name.\n"),
    (["--package-id", "pkg_0"],                 1,    ("Error: Fivetran has no package pkg_0\n"
                                                       "See them with `headwater package list`.\n")),
    (["--package-id", "../groups"],             1,    ("Error: Fivetran has no package ../groups\n"
                                                       "See them with `headwater package list`.\n")),
    (["--configuration", "nowhere.json"],       1,    ("nowhere.json: No such file or directory\n"
                                                       "It is looked for where the command is typed, then in the "
                                                       "project.\n")),
    (["--api-key", "d3Jvbmc6a2V5"],             1,    "The API key is refused: take one that is valid, in base64.\n"),
    (["--state", "state.json"],                 2,    ("there is no --state here: Fivetran keeps the state; "
                                                       "`headwater state` is about the one that is kept here\n")),
    (["--profile", "a"],                        2,    "set FIVETRAN_DESTINATION_NAME and FIVETRAN_CONNECTION_NAME\n"),
    (["--api-key", ""],                         2,    "there is no API key: set FIVETRAN_API_KEY, or give --api-key\n"),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "code", "said"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_what_cannot_be_deployed(shop: CliProject, account: Account, flags: list[str], code: int, said: str) -> None:
    account.add_connection("sheets", service="google_sheets")
    account.add_connection("ours")
    outcome = deploy(shop, *flags)

    assert (outcome.code, outcome.err.endswith(said)) == (code, True), outcome.err
    assert (account.packages, len(account.connections)) == ({}, 2)


def test_a_fivetran_that_cannot_be_reached_is_said_in_a_sentence(shop: CliProject) -> None:
    settings = Path(shop.environment["HOME"]) / ".fivetran" / "connector_sdk" / "_config.json"
    settings.write_text('{"production_base_url": "https://127.0.0.1:1"}')
    outcome = deploy(shop)

    assert outcome.code == 1
    assert outcome.err == (
        "Error: GET /v1/groups: https://127.0.0.1:1 does not answer: Connection refused\n"
        "Check the network, and HTTPS_PROXY where a proxy stands in between.\n"
    )


def test_the_key_is_sent_in_the_clear_to_nobody_else(shop: CliProject) -> None:
    settings = Path(shop.environment["HOME"]) / ".fivetran" / "connector_sdk" / "_config.json"
    settings.write_text('{"production_base_url": "http://api.example.com"}')
    outcome = deploy(shop)

    assert outcome.code == 1
    assert "production_base_url must begin with https://, since it is sent the API key\n" in outcome.err
