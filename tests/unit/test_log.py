"""Logging: what authors may call, how it is written, and what never is."""

from __future__ import annotations

import base64
import html
import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from headwater.log import Level, Logging, Redactor, console_text, json_text, printable, redact, use_sink

NOON = datetime(2026, 11, 23, 12, 0, 0, 7_000, tzinfo=UTC)

Message = tuple[Level, str]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """The messages that reach the sink, all levels switched on."""
    messages: list[Message] = []
    monkeypatch.setattr(Logging, "LOG_LEVEL", Level.DEBUG)
    monkeypatch.setattr(Logging, "_sink", Logging._sink)
    use_sink(lambda level, text: messages.append((level, text)))
    return messages


@pytest.fixture
def known_secret() -> Iterator[str]:
    """A secret that the sink's own redactor knows, for one test."""
    before = redact.__dict__.copy()
    redact._secrets = set(redact._secrets)
    redact.add(["hunter-2-secret"])
    yield "hunter-2-secret"
    redact.__dict__.update(before)


# --- levels and methods


def test_a90_levels_have_the_numbers_of_the_original() -> None:
    assert {level.name: int(level) for level in Level} == {
        "DEBUG": 1, "FINE": 2, "INFO": 3, "WARNING": 4, "ERROR": 5, "SEVERE": 6, "CRITICAL": 7,
    }  # fmt: skip
    assert Logging.Level is Level  # type: ignore[attr-defined]  # how public connectors spell it


def test_a91_each_method_logs_at_its_level(said: list[Message]) -> None:
    Logging.debug("d")
    Logging.info("i")
    Logging.warning("w")
    Logging.error("e")
    Logging.critical("c")

    assert said == [
        (Level.DEBUG, "d"), (Level.INFO, "i"), (Level.WARNING, "w"), (Level.ERROR, "e"), (Level.CRITICAL, "c"),
    ]  # fmt: skip


OLDER = [
    # method          its level      what it is called now
    (Logging.fine,    Level.FINE,    "fine() is deprecated, use debug() instead for Python-style logging"),
    (Logging.severe,  Level.SEVERE,
     "severe() is deprecated, use error() or critical() instead for Python-style logging"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "level", "warning"), OLDER)
def test_a91_older_names_still_work_and_say_so_at_the_authors_line(
    said: list[Message], method: Callable[[str], None], level: Level, warning: str
) -> None:
    with pytest.warns(DeprecationWarning) as caught:
        method("m")

    assert said == [(level, "m")]
    assert [(str(each.message), each.filename) for each in caught] == [(warning, __file__)]


@pytest.mark.parametrize("threshold", list(Level))
def test_a90_quieter_messages_than_the_threshold_are_left_out(
    said: list[Message], monkeypatch: pytest.MonkeyPatch, threshold: Level
) -> None:
    monkeypatch.setattr(Logging, "LOG_LEVEL", threshold)
    for level in Level:
        Logging._log(level, level.name)

    assert [level for level, _ in said] == [level for level in Level if level >= threshold]


def test_a90_without_a_threshold_logging_is_a_type_error(said: list[Message], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Logging, "LOG_LEVEL", None)

    with pytest.raises(TypeError):
        Logging.info("m")


NO_TEXT = [
    # message              written
    (42,                   "42"),
    (1.5,                  "1.5"),
    (None,                 "null"),
    (True,                 "true"),
    ({"größe": [1, None]}, '{"größe": [1, null]}'),
    (["a", 1],             '["a", 1]'),
    (("a", 1),             '["a", 1]'),
]  # fmt: skip


@pytest.mark.parametrize(("message", "written"), NO_TEXT)
def test_a93_a_message_that_is_no_text_is_written_as_json(said: list[Message], message: Any, written: str) -> None:
    Logging.info(message)

    assert said == [(Level.INFO, written)]


@pytest.mark.parametrize("message", [b"m", ValueError("m"), {1}, NOON, {"at": NOON}])
def test_a93_a_message_that_json_cannot_hold_is_a_type_error(said: list[Message], message: Any) -> None:
    with pytest.raises(TypeError, match=r"^a log message must be text, or what JSON can hold, got \w+: "):
        Logging.info(message)

    assert said == []


@pytest.mark.parametrize("message", [42, None, {"a": 1}, ("a", 1), b"m"])
def test_a93_with_an_exception_a_message_must_be_text(said: list[Message], message: Any) -> None:
    with pytest.raises(TypeError, match=r"^a log message must be text, got \w+: "):
        Logging.error(message, KeyError("k"))

    assert said == []


def test_a93_a_list_may_come_with_an_exception_and_stays_as_it_is(said: list[Message]) -> None:
    message: Any = ["a"]
    Logging.error(message, KeyError("k"))

    assert said == [(Level.ERROR, "[\"a\"]\nKeyError: 'k'")]
    assert message == ["a"]


@pytest.mark.parametrize("method", [Logging.error, Logging.critical])
def test_a92_an_exception_is_appended_with_one_frame_of_its_traceback(
    said: list[Message], method: Callable[..., None]
) -> None:
    try:
        _outer()
    except ZeroDivisionError as error:
        method("no answer", error)

    ((_, text),) = said
    first, *rest = text.split("\n")
    assert (first, rest[0], rest[-1]) == (
        "no answer",
        "Traceback (most recent call last):",
        "ZeroDivisionError: division by zero",
    )
    assert sum(line.startswith("  File ") for line in rest) == 1


def _outer() -> float:
    return _inner()


def _inner() -> float:
    return 1 / 0


# --- how a message is written


CONSOLE = [
    # level         message        what is written
    (Level.INFO,    "asked",       "12:00:00.007 INFO     connector asked"),
    (Level.CRITICAL, "gone",       "12:00:00.007 CRITICAL connector gone"),
    (Level.SEVERE,  "a\nb",        "12:00:00.007 SEVERE   connector a\n                                b"),
    (Level.INFO,    "",            "12:00:00.007 INFO     connector "),
    (Level.INFO,    "a\r\nb",      "12:00:00.007 INFO     connector a\n                                b"),
]  # fmt: skip


@pytest.mark.parametrize(("level", "message", "written"), CONSOLE)
def test_a93_a_console_line_has_time_level_and_origin(level: Level, message: str, written: str) -> None:
    assert console_text(level, message, now=NOON) == written


@pytest.mark.parametrize("message", ["asked", "a\nb", '"', "é", "\ud800", "\x1b[2J"])
def test_a93_a_json_line_is_one_line_of_ascii_that_holds_the_message(message: str) -> None:
    line = json_text(Level.WARNING, message)

    assert line.isascii() and line.isprintable()
    assert json.loads(line) == {"level": "WARNING", "message": message, "message_origin": "connector_sdk"}


SPELLED_OUT = [
    # text               printed              because it would
    ("a\x1b[2Jb",        r"a\x1b[2Jb",        "clear the screen"),
    ("a\x1b]0;t\x07",    r"a\x1b]0;t\x07",    "set the window's title"),
    ("a\x9b2J",          r"a\x9b2J",          "clear the screen, in one character"),
    ("a\rb",             r"a\rb",             "overwrite the line"),
    ("a\x08b",           r"a\x08b",           "overwrite a character"),
    ("a\x00b",           r"a\x00b",           "end a text in C"),
    ("a\x7f",            r"a\x7f",            "delete"),
    ("a\u202eb",         r"a\u202eb",         "turn the text around"),
    ("a\u2066b",         r"a\u2066b",         "isolate a direction"),
    ("a\u2028b",         r"a\u2028b",         "break the line"),
    ("a\ud800b",         r"a\ud800b",         "not be encodable"),
    ("a\tb\nc",          "a\tb\nc",           "not: tabs and line breaks are text"),
    ("a\r\nb",           "a\nb",              "not: it is a line break"),
    ("Größe 数量 🚰",     "Größe 数量 🚰",     "not: it is text"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "printed", "because"), SPELLED_OUT, ids=[each for *_, each in SPELLED_OUT])
def test_what_would_steer_a_terminal_is_spelled_out(text: str, printed: str, because: str) -> None:
    assert printable(text) == printed


@pytest.mark.parametrize("write", [console_text, json_text])
def test_both_forms_of_a_line_leave_secrets_out(known_secret: str, write: Callable[[Level, str], str]) -> None:
    assert known_secret not in write(Level.INFO, f"GET /?key={known_secret}")


# --- secrets


SECRETS = [
    "correct-horse-battery",
    "p@ss word/with+all=of&them?",
    "quote\"back\\slash'tick",
    "pässwörd-ключ-🔑",
    "line one\nline two of it",
    "two\\\\backslashes and \\\n a line",
    "%41%42 percent",
    "<tag>&amp;",
    "tab\tand\x01control",
    "  padded with blanks  ",
]
SPELLINGS: list[tuple[str, Callable[[str], str]]] = [
    ("as it is",               lambda s: s),
    ("stripped",               lambda s: s.strip()),
    ("in a path",              lambda s: urllib.parse.quote(s)),
    ("in a query",             lambda s: urllib.parse.quote(s, safe="")),
    ("in a form",              lambda s: urllib.parse.quote_plus(s)),
    ("in a small query",       lambda s: _small_hex(urllib.parse.quote(s, safe=""))),
    ("in a URL of requests",   lambda s: str(requests.Request("GET", "http://h/", params={"k": s}).prepare().url)),
    ("in JSON",                lambda s: json.dumps({"k": s})),
    ("in JSON with Unicode",   lambda s: json.dumps({"k": s}, ensure_ascii=False)),
    ("in JSON in JSON",        lambda s: json.dumps(json.dumps({"k": s}))),
    ("as a Python text",       repr),
    ("as ASCII",               ascii),
    ("as Python bytes",        lambda s: repr(s.encode())),
    ("in HTML",                html.escape),
    ("in base64",              lambda s: base64.b64encode(s.encode()).decode()),
    ("in base64 for URLs",     lambda s: base64.urlsafe_b64encode(s.encode()).decode()),
    ("in Basic after a:",      lambda s: base64.b64encode(f"a:{s}".encode()).decode()),
    ("in Basic after ab:",     lambda s: base64.b64encode(f"ab:{s}".encode()).decode()),
    ("in Basic after user:",   lambda s: base64.b64encode(f"user:{s}".encode()).decode()),
    ("before something",       lambda s: base64.b64encode(f"{s}:x".encode()).decode()),
    ("in hexadecimal",         lambda s: s.encode().hex().upper()),
]  # fmt: skip


def _small_hex(text: str) -> str:
    parts = text.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("spell", [spell for _, spell in SPELLINGS], ids=[name for name, _ in SPELLINGS])
def test_a_secret_is_taken_out_in_every_spelling(secret: str, spell: Callable[[str], str]) -> None:
    redactor = Redactor()
    redactor.add([secret])
    spelled = spell(secret)

    shown = redactor(f"<before>{spelled}<after>")

    assert shown.startswith("<before>") and shown.endswith("<after>")
    assert "***" in shown
    # At most the two characters remain that base64 shares with what stands around a secret on either side.
    assert _longest_shared_run(shown.replace("***", "\x00"), spelled, spell, secret) <= 8


def _longest_shared_run(shown: str, spelled: str, spell: Callable[[str], str], secret: str) -> int:
    """Measure the longest piece of the spelled secret itself that is still shown."""
    around = spell("")  # what belongs to the spelling, not to the secret
    kept = shown.removeprefix("<before>").removesuffix("<after>")
    return max((len(piece) for piece in kept.split("\x00") if piece not in around), default=0)


LEARNT = [
    # name of the value       value                               a secret
    ("api_key",               "abc",                              True),
    ("API-KEY",               "abc",                              True),
    ("password",              "abc",                              True),
    ("clientSecret",          "abc",                              True),
    ("access_token",          "abc",                              True),
    ("dsn",                   "abc",                              True),
    ("ConnectionString",      "abc",                              True),
    ("anything",              "sk_live_51HxAbcDefGhiJklMno",      True),
    ("api_key",               "ab",                               False),
    ("api_key",               "",                                 False),
    ("base_url",              "https://example.com",              False),
    ("region",                "eu-west-1",                        False),
    ("note",                  "a sentence of many words, 1 2 3",  False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "is_secret"), LEARNT)
def test_a_secret_is_known_by_its_name_or_its_look(name: str, value: str, is_secret: bool) -> None:
    redactor = Redactor()
    redactor.learn({name: value})

    assert redactor(f"[{value}]") == ("[***]" if is_secret else f"[{value}]")


def test_a_secret_that_holds_another_is_taken_out_whole() -> None:
    redactor = Redactor()
    redactor.add(["abc"])
    redactor.add(["abcdef"])

    assert redactor("abcdef abc") == "*** ***"


URLS = [
    # text                                        printed
    ("postgres://app:s3@db/shop",                 "postgres://app:***@db/shop"),
    ("postgres://app:a@b:c@db/shop",              "postgres://app:***@db/shop"),
    ("http://:p@h",                               "http://:***@h"),
    ("http://h:8080/a@b",                         "http://h:8080/a@b"),
    ("http://h/?mail=a:b@c",                      "http://h/?mail=a:b@c"),
    ("mail a:b@c",                                "mail a:b@c"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "printed"), URLS)
def test_a_password_in_a_url_goes_although_nobody_has_named_it(text: str, printed: str) -> None:
    assert Redactor()(text) == printed


def test_nothing_is_taken_out_of_a_text_without_secrets() -> None:
    redactor = Redactor()
    redactor.add(["correct-horse-battery"])
    text = "correct horse, battery: base64 Y29ycmVjdA== and %20 and \\n"

    assert redactor(text) == text


@pytest.mark.parametrize("secret", ['"quoted', "\\" * 4 + "x", "é" * 40, " " * 9 + "x", "%&+ " * 9, "'\n" * 9])
@pytest.mark.parametrize("spell", [spell for _, spell in SPELLINGS], ids=[name for name, _ in SPELLINGS])
def test_no_near_miss_takes_long(secret: str, spell: Callable[[str], str]) -> None:
    redactor = Redactor()
    redactor.add([secret])
    near_misses = "".join(f"{spell(character * 50)}|{spell(secret[:-1])}|" for character in set(secret)) * 50

    before = time.process_time()
    redactor(near_misses)

    assert time.process_time() - before < 1
