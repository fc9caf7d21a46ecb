"""`headwater configuration`: fields that are asked for, encryption, the environment, tests; and no secret shown."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cli.cli_project import IMPORTS, CliProject
from tests.cli.test_terminal import on_a_terminal
from tests.mit_sdk.stream import EnvironmentUnavailable, python

CANARY = "canary-4711-secret"
FORM = f"""{IMPORTS}
from fivetran_connector_sdk import ConfigurationForm, Test, form_field
REGIONS = [form_field.DropdownFieldParam("eu", "Europe"), form_field.DropdownFieldParam("us")]

def the_key_is_good(configuration):
    key = configuration["api_key"]
    return Test.success() if key[:6] == "canary" else Test.failure("not " + key)

def the_region_is_open(configuration):
    raise ValueError("closed for " + configuration["api_key"])

def configuration_form():
    form = ConfigurationForm()
    form.add_field(form_field.TextField("base_url", "Address", required=True, placeholder="https://example.com"))
    form.add_field(form_field.TextField("api_key", "Key", form_field.TextField.password, required=True))
    form.add_field(form_field.DropdownField("region", "Region", fields=REGIONS, description="Where it lies"))
    form.add_field(form_field.ToggleField("archived", "Archived too"))
    form.add_test(label="The key is good", func=the_key_is_good)
    return form

def update(configuration, state):
    op.upsert("seen", {{"id": 1, **configuration}})
    log.info(f"the key is {{configuration['api_key']}}")
    op.checkpoint({{}})

connector = Connector(update=update, configuration_form=configuration_form)
"""


@pytest.fixture
def shop(project: CliProject) -> CliProject:
    project.environment["HOME"] = str(project.path.parent)
    project.write("connector.py", FORM)
    return project


def key_file(project: CliProject) -> Path:
    return Path(project.environment["HOME"]) / ".fivetran" / "connector_sdk" / "config_encryption_key"


def stored(project: CliProject) -> dict[str, str]:
    values: dict[str, str] = json.loads((project.path / "configuration.json").read_text())
    return values


def enter(project: CliProject, *answers: tuple[str, str], flags: tuple[str, ...] = ()) -> str:
    """Answer each question on a terminal; give all that was seen."""
    with on_a_terminal(project, "configuration", *flags) as (terminal, process):
        for question, answer in answers:
            terminal.wait_for(question)
            terminal.type(f"{answer}\n")
        process.wait(timeout=30)
        terminal.all()
    assert process.returncode == 0, terminal.plain
    return terminal.plain


ANSWERS = [
    (r"Address \(https://example.com\): $", ""),
    (r"Address is required\nAddress .*: $", "https://shop.example.com"),
    (r"Key: $", CANARY),
    (r"  2  us\n1 to 2, or the value: $", "3"),
    (r"none of them\n1 to 2, or the value: $", "2"),
    (r"Archived too \[y/N\]: $", "y"),
]


def test_what_is_entered_is_what_the_connector_gets_and_the_password_is_encrypted(shop: CliProject) -> None:
    seen = enter(shop, *ANSWERS)
    values = stored(shop)
    ran = shop.debug()
    shown = shop.run("show", "seen", "--format", "json")

    assert CANARY not in seen + ran.out + (shop.path / "configuration.json").read_text()
    assert {**values, "api_key": "…"} == {
        "base_url": "https://shop.example.com", "api_key": "…", "region": "us", "archived": "true",
    }  # fmt: skip
    assert values["api_key"].startswith("fivetran_encrypted:")
    assert stat.S_IMODE((shop.path / "configuration.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file(shop).stat().st_mode) == 0o600
    assert ran.code == 0
    assert "the key is ***" in ran.out
    assert json.loads(shown.out)[0]["api_key"] == CANARY  # the connector chose to load it


def test_the_official_package_decrypts_what_was_entered(shop: CliProject) -> None:
    try:
        interpreter = python()
    except EnvironmentUnavailable as reason:
        pytest.skip(f"cannot compare with fivetran-connector-sdk 2.13.1: {reason}")
    enter(shop, *ANSWERS)
    program = (
        "import json\n"
        "from fivetran_connector_sdk_common.configuration_decryption import decrypt_configuration_values\n"
        "print(decrypt_configuration_values(json.load(open('configuration.json')))['api_key'])"
    )
    theirs = subprocess.run(
        [interpreter, "-c", program], cwd=shop.path, env=shop.environment, capture_output=True, text=True, timeout=60
    )

    assert theirs.stdout == f"{CANARY}\n"


def test_asked_again_what_was_entered_is_kept(shop: CliProject) -> None:
    shop.configuration({"base_url": "https://a.example.com", "api_key": "${SHOP_KEY}", "region": "eu", "other": "x"})
    seen = enter(
        shop,
        (r"Address .*\[https://a.example.com\]: $", ""),
        (r"Key \[leave empty to keep it\]: $", ""),
        (r"1 to 2, or the value \[eu\]: $", ""),
        (r"Archived too \[y/N\]: $", ""),
    )

    assert "SHOP_KEY" not in seen
    assert stored(shop) == {
        "base_url": "https://a.example.com", "api_key": "${SHOP_KEY}", "region": "eu", "other": "x",
        "archived": "false",
    }  # fmt: skip
    assert not key_file(shop).exists()


def test_values_come_from_the_environment_and_are_kept_out_of_the_log(shop: CliProject) -> None:
    shop.configuration({"api_key": "${SHOP_KEY}", "plain": "$${SHOP_KEY}"})
    ran = shop.run("debug", env_extra={"SHOP_KEY": CANARY})
    [row] = json.loads(shop.run("show", "seen", "--format", "json").out)
    missing = shop.debug()

    assert (ran.code, row["api_key"], row["plain"]) == (0, CANARY, "${SHOP_KEY}")
    assert CANARY not in ran.out + ran.err
    assert missing.code == 1
    assert "api_key: the environment has no variable SHOP_KEY\n" in missing.out


def test_the_tests_of_the_form_run_on_what_was_entered(shop: CliProject) -> None:
    shop.configuration({"api_key": "${SHOP_KEY}"})
    good = shop.run("configuration", "--test", env_extra={"SHOP_KEY": CANARY})
    bad = shop.run("configuration", "--test", "--json", env_extra={"SHOP_KEY": "another-canary-0815"})
    text = FORM.replace("func=the_key_is_good)", "func=the_region_is_open)").replace("The key is good", "Open")
    shop.write("connector.py", text)
    raised = shop.run("configuration", "--test", env_extra={"SHOP_KEY": CANARY})

    assert (good.code, good.out) == (0, "The key is good: passed\n")
    assert (bad.code, json.loads(bad.out)) == (
        1, [{"test": "the_key_is_good", "label": "The key is good", "ok": False, "message": "not ***"}],
    )  # fmt: skip
    assert raised.code == 1
    assert raised.out.startswith("Open: failed: ValueError: closed for *** (connector.py, line ")


# What goes wrong with an encrypted value.
SEALED = "fivetran_encrypted:" + "A" * 64
KEY = "A" * 43 + "="
WRONG_KEY = "api_key cannot be decrypted: it was encrypted with another key"
DAMAGES = [
    # key file  value                  what is said
    (None,      SEALED,                "api_key is encrypted, and the key is missing: "),
    (KEY,       SEALED,                WRONG_KEY),
    (KEY,       "fivetran_encrypted:#", WRONG_KEY),
    (KEY,       "fivetran_encrypted:", WRONG_KEY),
    ("AAAA",    SEALED,                " has 3 bytes, not 32\n"),
    ("#",       SEALED,                " cannot be read\n"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "said"), DAMAGES, ids=range(len(DAMAGES)))
def test_a_value_that_cannot_be_decrypted_stops_the_sync(
    shop: CliProject, key: str | None, value: str, said: str
) -> None:
    shop.configuration({"api_key": value})
    if key is not None:
        key_file(shop).parent.mkdir(parents=True)
        key_file(shop).write_text(key)
    ran = shop.debug()

    assert (ran.code, said in ran.out) == (1, True), ran.out
    assert "Enter the values again with `headwater configuration`.\n" in ran.out


def test_a_key_file_that_a_killed_command_left_empty_is_no_key(shop: CliProject) -> None:
    shop.configuration(GOOD)
    key_file(shop).parent.mkdir(parents=True)
    key_file(shop).touch()
    outcome = shop.run("configuration", "--yes")
    ran = shop.debug()

    assert (outcome.code, ran.code) == (0, 0), outcome.err + ran.out
    assert stat.S_IMODE(key_file(shop).stat().st_mode) == 0o600
    assert stored(shop)["api_key"].startswith("fivetran_encrypted:")


def test_without_a_terminal_or_a_form_it_says_what_to_do(shop: CliProject) -> None:
    no_terminal = shop.run("configuration")
    shop.connector("pass")
    no_form = shop.run("configuration", "--test")

    assert (no_terminal.code, no_terminal.err.splitlines()[-1]) == (
        2, "Error: there is no terminal to ask on: write configuration.json, and have it checked with --yes",
    )  # fmt: skip
    assert (no_form.code, no_form.out) == (1, "")
    assert no_form.err.startswith("Error: <project>/connector.py has no configuration form\n")


GOOD = {"base_url": "https://shop.example.com", "api_key": CANARY, "region": "us"}


def test_where_nothing_may_be_asked_the_file_is_checked_and_its_passwords_are_encrypted(shop: CliProject) -> None:
    shop.configuration({**GOOD, "more": "1"})
    outcome = shop.run("configuration", "--yes", "--json")
    values = stored(shop)
    ran = shop.debug()

    assert (outcome.code, json.loads(outcome.out)) == (0, {"written": "<project>/configuration.json"})
    assert values.pop("api_key").startswith("fivetran_encrypted:")
    assert values == {"base_url": GOOD["base_url"], "region": "us", "archived": "false", "more": "1"}
    assert ran.code == 0


REFUSED = [
    # what is in the file             what is said
    ({"base_url": ""},                "base_url is required, and configuration.json has none"),
    ({"region": "asia"},              "region must be one of eu, us"),
    ({"archived": "yes"},             "archived must be one of true, false"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "said"), REFUSED, ids=[row[1] for row in REFUSED])
def test_what_the_form_does_not_take_is_refused_and_the_file_stays(
    shop: CliProject, values: dict[str, str], said: str
) -> None:
    shop.configuration({**GOOD, **values})
    outcome = shop.run("configuration", "--non-interactive")

    assert (outcome.code, outcome.out, outcome.err.splitlines()[0]) == (1, "", f"Error: {said}")
    assert stored(shop) == {**GOOD, **values}
    assert CANARY not in outcome.err


def test_a_password_that_no_sync_could_decrypt_is_not_called_checked(shop: CliProject) -> None:
    shop.configuration({**GOOD, "api_key": SEALED})
    outcome = shop.run("configuration", "--yes")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"Error: api_key is encrypted, and the key is missing: {key_file(shop)}\n")
    assert not key_file(shop).exists()  # a new one would open nothing


FAILURES = {
    "at import": FORM.replace("def update", "raise ValueError(open('configuration.json').read())\ndef update"),
    "in update": FORM.replace("    op.checkpoint({})", "    raise ValueError(str(configuration))"),
    "in the form": FORM.replace("    form = C", "    raise ValueError(open('configuration.json').read()); form = C"),
    "in schema": FORM.replace("update=update,", "update, lambda c: 1 / c,"),
    "not Python": FORM.replace("def update(", f"'{CANARY}' def update("),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_no_command_shows_the_secret_whatever_fails(shop: CliProject, failure: str) -> None:
    shop.write("connector.py", FAILURES[failure])
    shop.configuration({"api_key": CANARY})
    commands = [["debug"], ["debug", "--log-format", "json"], ["configuration", "--test"], ["package"], ["check"],
                ["runs", "--run", "1"], ["runs", "--json"], ["state", "get"]]  # fmt: skip
    seen = "".join(outcome.out + outcome.err for outcome in (shop.run(*command) for command in commands))
    written = [path for path in shop.path.rglob("*") if path.is_file() and path.suffix not in (".py", ".json", ".db")]

    assert CANARY not in seen
    assert [path for path in written if CANARY.encode() in path.read_bytes()] == []
