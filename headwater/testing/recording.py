"""Writes down what an API answered, without secrets, as a folder that the replay server and `verify --replay` read."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

from headwater.errors import ConfigurationError
from headwater.testing.routes import CONTENT_TYPES, METHODS, PLACEHOLDER, REMOVED, ROUTES_FILE, Answer, Request
from headwater.testing.scrubbing import Scrubber

_MARK = "# Recorded by headwater; secrets were removed."
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Recording:
    """Answers of an API, kept in memory until they are written: before the end it is not known what is secret.

    Any number of threads may add to it.

    configuration  its secrets are removed
    address        where the API lives, if the replay server shall stand in its place
    """

    def __init__(self, configuration: Mapping[str, object], *, address: str = "") -> None:
        self._scrubber = Scrubber(configuration)
        self._address = address
        self._exchanges: list[tuple[Request, Answer]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._exchanges)

    def add(self, request: Request, answer: Answer) -> None:
        with self._lock:
            self._exchanges.append((request, answer))

    def write(self, folder: Path) -> None:
        """Write the folder, in place of an earlier recording, whole or not at all.

        Errors: ConfigurationError when it holds anything but a recording.
        """
        require_recording_or_nothing(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            exchanges = list(self._exchanges)
        for request, answer in exchanges:
            self._scrubber.learn(request, answer)
        new = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            new.chmod(0o777 & ~_umask())
            writer = _Writer(new)
            for request, answer in exchanges:
                answer = self._scrubber.answer(request, answer)
                if self._address:
                    answer = with_placeholder(answer, self._address)
                writer.add(self._scrubber.request(request), answer)
            writer.close()
            if folder.exists():
                shutil.rmtree(folder)
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def require_recording_or_nothing(folder: Path) -> None:
    """Refuse to write over what is no recording.

    Errors: ConfigurationError.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    routes = folder / ROUTES_FILE
    if not routes.is_file() or not routes.read_text(encoding="utf-8", errors="replace").startswith(_MARK):
        raise ConfigurationError(
            f"{folder} is there already, and no recording of headwater's", hint="Name another folder, or remove it."
        )


def with_placeholder(answer: Answer, address: str) -> Answer:
    """Let the links in an answer lead to the replay server.

    >>> with_placeholder(Answer(body=b'{"next": "https:\\\\/\\\\/a.example\\\\/2"}'), "https://a.example").body
    b'{"next": "{replay}\\\\/2"}'
    """
    body = answer.body
    for spelling in (address, address.replace("/", "\\/")):
        body = body.replace(spelling.encode(), PLACEHOLDER.encode())
    headers = {name: value.replace(address, PLACEHOLDER) for name, value in answer.headers.items()}
    return replace(answer, headers=headers, body=body)


class _Writer:
    """Writes routes.toml and the bodies beside it, equal ones once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bodies: dict[tuple[str, str], str] = {}
        self._lines = [_MARK]

    def add(self, request: Request, answer: Answer) -> None:
        if request.method not in METHODS:
            raise ConfigurationError(
                f"{request.method} {request.target} cannot be recorded", hint=f"Methods: {', '.join(METHODS)}."
            )
        self._lines += ["", "[[route]]", f"request = {_text(f'{request.method} {request.target}')}"]
        headers = {name: value for name, value in request.headers.items() if name != "content-type"}
        for key, chosen in (
            ("authentication", {name: value for name, value in headers.items() if value == REMOVED}),
            ("headers", {name: value for name, value in headers.items() if value != REMOVED}),
        ):
            if chosen:
                self._lines.append(f"{key} = {_table(chosen)}")
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            self._lines.append(f"body = {_text(request.text)}")
        self._lines.append(f"answer = {_table(self._answer(request, answer))}")

    def _answer(self, request: Request, answer: Answer) -> dict[str, object]:
        written: dict[str, object] = {"status": answer.status} if answer.status != 200 else {}
        headers = dict(answer.headers)
        if answer.body:
            content_type = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
            suffix = _suffix(content_type)
            written["file"] = self._body(request, answer.body, suffix)
            if CONTENT_TYPES.get(suffix) == content_type:
                headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        if headers:
            written["headers"] = headers
        if answer.checkpoint:
            written["checkpoint"] = answer.checkpoint
        return written

    def _body(self, request: Request, body: bytes, suffix: str) -> str:
        key = (sha256(body).hexdigest(), suffix)
        if key not in self._bodies:
            words = re.sub(r"[^A-Za-z0-9]+", "-", request.path).strip("-")[-40:].strip("-")
            name = f"{len(self._bodies) + 1:04}{'-' if words else ''}{words}{suffix}"
            (self._folder / name).write_bytes(body)
            self._bodies[key] = name
        return self._bodies[key]

    def close(self) -> None:
        (self._folder / ROUTES_FILE).write_text("\n".join(self._lines) + "\n", encoding="utf-8")


def _suffix(content_type: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith("+json"):
        return ".json"
    return next((suffix for suffix, known in CONTENT_TYPES.items() if known.partition(";")[0] == kind), ".body")


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


# --- TOML


def _text(value: str) -> str:
    """Write a text as TOML does: JSON's escapes are TOML's, but for U+007F."""
    return json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(values: Mapping[str, object]) -> str:
    """Write an inline table of texts, numbers and tables.

    >>> _table({"status": 404, "headers": {"X Y": "a"}})
    '{ status = 404, headers = { "X Y" = "a" } }'
    """
    members = []
    for name, value in values.items():
        key = name if _BARE_KEY.fullmatch(name) else _text(name)
        written = _table(value) if isinstance(value, Mapping) else _text(value) if isinstance(value, str) else value
        members.append(f"{key} = {written}")
    return f"{{ {', '.join(members)} }}"
