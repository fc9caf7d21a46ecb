"""Stands in front of a live API on this machine, passes everything on, and writes down what was answered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import requests

from headwater.errors import ConfigurationError
from headwater.testing.loopback import LoopbackServer
from headwater.testing.recording import Recording, require_recording_or_nothing, with_placeholder
from headwater.testing.routes import Answer, Request

# Longer than an API takes; a connector has a time-out of its own.
TIMEOUT_SECONDS = 300
# About one connection only (RFC 9110, section 7.6.1), or set anew here.
_NOT_PASSED_ON = {
    "connection", "keep-alive", "proxy-authorization", "proxy-authenticate", "te", "trailer", "transfer-encoding",
    "upgrade", "host", "content-length", "accept-encoding", "content-encoding",
}  # fmt: skip


class RecordingServer(LoopbackServer):
    """Answers on 127.0.0.1 what a live API answers, and at its end writes the folder for a `ReplayServer`.

    A context manager, like `ReplayServer`; give `url` to the connector in the API's place. Links to the API in
    answers are made to lead here. When the `with` block ends with an exception, nothing is written.

    api            the address the connector would have: https://api.example.com/v1
    folder         made, or replaced if it holds an earlier recording
    configuration  its secrets are removed; what requests send to prove who they are, always is

    Errors: ConfigurationError when the address is none, or the folder holds something else.
    """

    def __init__(
        self, api: str, folder: Path, *, configuration: Mapping[str, object] | None = None, port: int = 0
    ) -> None:
        parts = urlsplit(api)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
            raise ConfigurationError(f"{api} is not the address of an API", hint="Like https://api.example.com/v1.")
        require_recording_or_nothing(folder)
        self._api = api.rstrip("/")
        self._folder = folder
        self.recording = Recording(configuration or {}, address=self._api)
        self._session = requests.Session()
        # Nothing is added to what the connector sends: no headers of its own, nor a password from ~/.netrc.
        self._session.headers.clear()
        self._session.auth = lambda prepared: prepared
        super().__init__(port)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._session.close()
        if kind is None:
            self.recording.write(self._folder)

    def answer(self, request: Request) -> Answer:
        """Ask the API; what it does not answer, as when nobody listens, is cut off here, too, and not written down."""
        try:
            response = self._session.request(
                request.method,
                self._api + request.target,
                headers={
                    **{name: value for name, value in request.headers.items() if name not in _NOT_PASSED_ON},
                    "Accept-Encoding": "gzip",
                },
                data=request.body,
                allow_redirects=False,
                timeout=TIMEOUT_SECONDS,
            )
        except requests.RequestException:
            return Answer(disconnect=True)
        # `content` is what the body was before it was compressed for the way.
        answer = Answer(response.status_code, _headers(response), response.content)
        self.recording.add(request, answer)
        return with_placeholder(answer, self._api).at(self.url)


def _headers(response: requests.Response) -> dict[str, str]:
    lines = response.raw.headers
    names = {name.lower(): name for name in lines if name.lower() not in _NOT_PASSED_ON | {"date", "server"}}
    # Several cookies cannot be one line.
    return {name: ("\n" if low == "set-cookie" else ", ").join(lines.getlist(low)) for low, name in names.items()}
