"""Canaries: secrets of the configuration, and characters that steer a terminal, in every place that prints them."""

from __future__ import annotations

import base64

import pytest

from tests.cli.cli_project import CliProject

SECRET = 'canary "käse"&x'
STEER = "\x1b[2J\x07\x9b31m\u202e\u2066\ud800"
CONFIGURATION = {"api_key": SECRET, "steer": STEER}

RAISES = 'key = configuration["api_key"]\n'
# fmt: off
WAYS = {
    "an exception":          RAISES + 'raise ValueError(f"https://host/?api_key={key}" + configuration["steer"])',
    "an exception's cause":  RAISES + 'try:\n    int(key)\nexcept ValueError as x:\n    raise KeyError(key) from x',
    "an exception's note":   RAISES + 'error = ValueError("x")\nerror.add_note(key)\nraise error',
    "op.error":              RAISES + 'op.error(key + configuration["steer"], "trace " + key)',
    "op.warning":            RAISES + 'op.warning(key + configuration["steer"])',
    "a message":             RAISES + 'log.info(key + configuration["steer"])\nlog.error("x", ValueError(key))',
    "print":                 RAISES + 'print(configuration["steer"], key)\nprint(key, file=sys.stderr)',
    "Python's own logging":  RAISES + 'logging.error(key + configuration["steer"])\nlogging.warning("%r", key)',
    "a warning":             RAISES + 'warnings.warn(key)',
    "a thread's traceback":  RAISES + 'def fail():\n    raise ValueError(key + configuration["steer"])\n'
                                      'thread = threading.Thread(target=fail)\nthread.start()\nthread.join()',
    "the state":             RAISES + 'op.checkpoint({"key": key, "long": "x" * 1945 + key, "steer": "\\x9b"})',
    "an encoded secret":     RAISES + 'raise ValueError(base64.b64encode(key.encode()).decode() + quote(key, safe=""))',
    "a table's name":        RAISES + 'op.upsert(key + "\\x1b[2J", {"a": 1})',
    "a column's name":       RAISES + 'op.upsert("orders", {"id": 1, key + "\\x1b[2J": [object()]})',
    "a value":               RAISES + 'op.upsert("orders", {"id": key + "\\x1b[2J"})\nop.checkpoint({})',
    "sys.exit":              RAISES + 'sys.exit(key + configuration["steer"])',
}
# fmt: on
# Where the message does not name the column or the value, there is nothing to black out.
MAY_SAY_NOTHING = {"a column's name", "a value"}
TOP = "import base64, logging, sys, threading, warnings\nfrom urllib.parse import quote\n"


@pytest.mark.parametrize("way", WAYS)
def test_no_secret_and_no_control_character_comes_out(project: CliProject, way: str) -> None:
    project.connector(WAYS[way], top=TOP).configuration(CONFIGURATION)
    project.write("headwater.toml", 'naming = "SOURCE"\n')
    outcome = project.debug("--debug")
    written = [*project.crash_reports(), project.path / "files" / "runs.db"]
    seen = outcome.out + outcome.err + "".join(path.read_text(errors="replace") for path in written)

    assert "SYNC PROGRESS" in outcome.out
    assert "***" in outcome.out + outcome.err or way in MAY_SAY_NOTHING
    assert [
        spelling for spelling in (SECRET, "canary", base64.b64encode(SECRET.encode()).decode()) if spelling in seen
    ] == []
    assert [
        character for character in outcome.out + outcome.err if character != "\n" and not character.isprintable()
    ] == []


def test_a_secret_in_the_wrong_place_of_the_configuration_is_not_shown(project: CliProject) -> None:
    project.connector("pass").configuration({"api_key": 12345678, "password": ["canary"]})
    number = project.debug()
    project.write("configuration.json", '{"password": "canary" "x"}')
    broken = project.debug()
    project.write("configuration.json", '["canary"]')
    listed = project.debug()

    for outcome in (number, broken, listed):
        assert "SYNC FAILED: " in outcome.out
        assert "canary" not in outcome.out + outcome.err
        assert "12345678" not in outcome.out + outcome.err
        assert outcome.code == 1


def test_an_import_that_fails_with_a_secret_is_redacted_too(project: CliProject) -> None:
    project.connector("pass").configuration({"api_key": SECRET})
    text = 'import json\nraise RuntimeError(json.load(open("configuration.json"))["api_key"])\n'
    project.write("connector.py", text)
    outcome = project.debug()

    assert "SYNC FAILED: RuntimeError: *** (connector.py, line 2)\n" in outcome.out
    assert "canary" not in outcome.out + "".join(path.read_text() for path in project.crash_reports())


def test_an_output_that_knows_only_ascii_does_not_end_a_sync(project: CliProject) -> None:
    project.connector('log.info("käse \\U0001f9c0")\nprint("käse")')
    outcome = project.run("debug", env_extra={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})

    assert r"connector k\xe4se \U0001f9c0" in outcome.out
    assert outcome.code == 0


def test_show_spells_out_what_would_steer_a_terminal(project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": 1, "a\\x1b[2Jb": "x\\x1b]0;hacked\\x07\\ny"})')
    project.write("headwater.toml", 'naming = "SOURCE"\n')
    project.debug()
    outcome = project.run("show", "orders")
    csv = project.run("show", "orders", "--format", "csv")

    assert r"a\x1b[2Jb" in outcome.out
    assert r"x\x1b]0;hacked\x07\ny" in outcome.out
    assert "\x1b" not in outcome.out
    assert '"x\x1b]0;hacked\x07\ny"' in csv.out  # a pipe gets the bytes as they are
