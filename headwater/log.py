"""Logging for authors, and the one place where secrets are taken out of what is printed."""

from __future__ import annotations

import base64
import html
import json
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from enum import IntEnum
from functools import lru_cache


class Level(IntEnum):
    """How loud a message is; source: rule A-90."""

    DEBUG = 1
    FINE = 2
    INFO = 3
    WARNING = 4
    ERROR = 5
    SEVERE = 6
    CRITICAL = 7


Sink = Callable[[Level, str], None]


class Redactor:
    """Takes the values of secrets out of text, in every spelling a library may print them in."""

    _SECRET_NAME = re.compile(
        r"key|token|secret|passw|pwd|credential|private|auth|cert|dsn|connection.?string|signature|cookie|session|pin$",
        re.IGNORECASE,
    )
    _SECRET_SHAPE = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[A-Za-z0-9+/=_.~-]{20,}")
    _URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):([^/\s]+)(?=@)")

    def __init__(self) -> None:
        self._pattern: re.Pattern[str] | None = None
        self._secrets: set[str] = set()

    def learn(self, configuration: Mapping[str, object]) -> None:
        """Take the secrets of a configuration: by the field's name, or by the look of the value."""
        self.add(
            value
            for name, value in configuration.items()
            if isinstance(value, str) and (self._SECRET_NAME.search(name) or self._SECRET_SHAPE.fullmatch(value))
        )

    def add(self, secrets: Iterable[str]) -> None:
        """Take secrets; what has fewer than three characters cannot be told from other text."""
        for secret in secrets:
            # Libraries strip what they are given, and print a key of several lines line by line.
            lines = [line for line in secret.splitlines() if len(line) >= 8]
            self._secrets |= {part for part in (secret, secret.strip(), *lines) if len(part) >= 3}
        if self._secrets:
            longest_first = sorted(self._secrets, key=lambda secret: (-len(secret), secret))
            self._pattern = re.compile("|".join(pattern for secret in longest_first for pattern in _patterns(secret)))

    def __call__(self, text: str) -> str:
        if "://" in text:
            text = self._URL_PASSWORD.sub(r"\1:***", text)
        return self._pattern.sub("***", text) if self._pattern else text


def _patterns(secret: str) -> Iterator[str]:
    """Write the patterns of a secret: character by character, and as base64 and hexadecimal of its bytes."""
    yield "".join(map(_pattern, re.findall(r"\\+|[^\\]", secret)))
    raw = secret.encode("utf-8", "surrogatepass")
    yield from map(re.escape, _inside_base64(raw))
    if len(raw) >= 4:
        yield f"(?i:{raw.hex()})"


@lru_cache(maxsize=4096)
def _pattern(character: str) -> str:
    """Match a character, or a run of backslashes, as it is and as URLs, JSON, HTML and Python's own texts write it."""
    if character.isascii() and character.isalnum():
        return character
    if character[0] == "\\":
        count = len(character)
        # Bounds: a text of many backslashes must not take the time of their square.
        return rf"(?:\\{{{count},{8 * count}}}|(?i:%5c){{{count}}})"
    raw = character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass").hex(" ", 2).split()
    forms = [
        # What is quoted twice has a backslash more each time.
        rf"\\{{0,8}}{re.escape(character)}",
        "(?i:" + "".join(f"%{byte:02x}" for byte in raw) + ")",
        "(?i:" + "".join(rf"\\{{1,8}}x{byte:02x}" for byte in raw) + ")",
        "(?i:" + "".join(rf"\\{{1,8}}u{unit}" for unit in units) + ")",
    ]
    # No two forms may match the same text: each pair would double the time of a near miss.
    if (escaped := ascii(character)[1:-1]) != character:
        forms.append(r"\\{1,8}" + re.escape(escaped.removeprefix("\\")))
    if (escaped := html.escape(character)) != character:
        forms.append(re.escape(escaped))
    if character == " ":
        forms.append(r"\+")
    return f"(?:{'|'.join(sorted(forms, key=len, reverse=True))})"


def _inside_base64(raw: bytes) -> Iterator[str]:
    """Give what base64 writes for these bytes wherever they begin in a longer text, as after `user:` in Basic.

    >>> [part in "dXNlcjpzZWNyZXQtMQ==" for part in _inside_base64(b"secret-1")].count(True) > 0
    True
    """
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        # The first and the last character may also hold bits of what stands around.
        first = -(-before * 8 // 6)
        last = (before + len(raw)) * 8 // 6
        if last - first >= 6:
            yield text[first:last]
            if (other := text[first:last].replace("+", "-").replace("/", "_")) != text[first:last]:
                yield other


redact = Redactor()

# A source chooses names, values and error texts; none of them may steer a terminal, nor turn its text around.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Spell out control characters and what no encoding has, keeping line breaks and tabs.

    >>> printable("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text.replace("\r\n", "\n"))


def shortened(text: str, characters: int = 2000) -> str:
    """Cut a text that would fill the screen, its secrets taken out first: half of one would not be found.

    >>> shortened("x" * 3000, 3)
    'xxx… (3,000 characters)'
    """
    text = redact(text)
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text):,} characters)"


def json_text(level: Level, message: str) -> str:
    """Write a message as one JSON object, as connectors do in production (rule A-93)."""
    return json.dumps({"level": level.name, "message": redact(message), "message_origin": "connector_sdk"})


def json_line(level: Level, message: str) -> None:
    print(json_text(level, message), file=sys.stdout, flush=True)  # noqa: T201 - this is the sink


def console_text(level: Level, message: str, *, now: datetime | None = None) -> str:
    """Write `HH:MM:SS.mmm LEVEL    connector message`, further lines indented (rule A-93)."""
    time = (now or datetime.now().astimezone()).strftime("%H:%M:%S.%f")[:-3]
    first, *rest = printable(redact(message)).split("\n")
    prefix = f"{time} {level.name:<8} connector "
    return "\n".join([prefix + first, *(" " * len(prefix) + line for line in rest)])


def console_line(level: Level, message: str, *, now: datetime | None = None) -> None:
    print(console_text(level, message, now=now), file=sys.stdout, flush=True)  # noqa: T201 - this is the sink


# As 2.13.1 says it: projects filter warnings by their text.
_DEPRECATED = "{}() is deprecated, use {} instead for Python-style logging"


class Logging:
    """What an author calls: `log.info("…")`. `LOG_LEVEL` holds the quietest level that is printed."""

    LOG_LEVEL: Level | int | None = Level.INFO
    _sink: Sink = staticmethod(json_line)

    @staticmethod
    def _log(level: Level, message: object, exception: BaseException | None = None) -> None:
        if Logging.LOG_LEVEL is None:
            raise TypeError("Logging.LOG_LEVEL is None; set it to a level")
        if level < Logging.LOG_LEVEL:
            return
        if not isinstance(message, str):
            message = _written(message, with_exception=bool(exception))
        if exception:
            trace = "".join(traceback.format_exception(exception, limit=1)).rstrip()
            message = f"{message}\n{trace}"
        Logging._sink(level, message)

    @staticmethod
    def debug(message: str) -> None:
        Logging._log(Level.DEBUG, message)

    @staticmethod
    def info(message: str) -> None:
        Logging._log(Level.INFO, message)

    @staticmethod
    def warning(message: str) -> None:
        Logging._log(Level.WARNING, message)

    @staticmethod
    def error(message: str, exception: BaseException | None = None) -> None:
        Logging._log(Level.ERROR, message, exception)

    @staticmethod
    def critical(message: str, exception: BaseException | None = None) -> None:
        Logging._log(Level.CRITICAL, message, exception)

    @staticmethod
    def fine(message: str) -> None:
        """Log at FINE; the older name of `debug`."""
        warnings.warn(_DEPRECATED.format("fine", "debug()"), DeprecationWarning, stacklevel=2)
        Logging._log(Level.FINE, message)

    @staticmethod
    def severe(message: str, exception: BaseException | None = None) -> None:
        """Log at SEVERE; the older name of `error`."""
        warnings.warn(_DEPRECATED.format("severe", "error() or critical()"), DeprecationWarning, stacklevel=2)
        Logging._log(Level.SEVERE, message, exception)


def _written(message: object, *, with_exception: bool) -> str:
    """Write a message that is no text, where the JSON form of 2.13.1 takes it (rule A-93).

    That form is the one of a deployed connector; the console form there takes text alone. With an exception a text is
    added to the message, which a list takes too.
    """
    if not with_exception or isinstance(message, list):
        with suppress(TypeError):  # json names a value inside; which message it was is said here
            return json.dumps(message, ensure_ascii=False)
    wanted = "text" if with_exception else "text, or what JSON can hold"
    raise TypeError(f"a log message must be {wanted}, got {type(message).__name__}: {shortened(repr(message))}")


def use_sink(sink: Sink) -> None:
    """Send every message of authors and of headwater itself to `sink`."""
    Logging._sink = staticmethod(sink)


# `Logging.Level.INFO` is how public connectors spell a level.
Logging.Level = Level  # type: ignore[attr-defined]  # in the class body the name would hide the enum from its annotations
