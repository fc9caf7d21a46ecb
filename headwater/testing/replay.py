"""A real HTTP server on this machine that gives the recorded answers of an API and refuses everything else.

A folder holds `routes.toml` and the bodies it names:

    authentication = { X-API-Key = "k-123" }          # every request must send it, or is answered 401

    [[route]]
    request = "GET /orders?after=0&limit=2"           # method, path and the whole query, in any order
    answer = { file = "orders-1.json" }

    [[route]]
    request = "GET /orders?after=2&limit=2"
    faults = [{ status = 429, headers = { Retry-After = "1" } }, { status = 503 }]     # first these, one a request
    answer = { file = "orders-2.json", headers = { Link = '<{replay}/orders?after=4>; rel="next"' } }

A test then talks to it as to the API itself:

    with ReplayServer(Path("replay")) as server:
        rows = requests.get(f"{server.url}/orders", params={"after": "0", "limit": "2"}, ...).json()
    assert server.refused == []

docs/howto/write_an_example.md explains every key.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from headwater.testing.loopback import LoopbackServer
from headwater.testing.routes import Answer, Playback, Request, read_routes


@dataclass(frozen=True, slots=True)
class Received:
    """A request the server was sent, and how it answered.

    status   the answer's status; None when it hung up instead
    refused  why nothing recorded was given; None when something was
    """

    method: str
    target: str
    status: int | None
    refused: str | None = None


class ReplayServer(LoopbackServer):
    """Serves a folder of recorded answers on 127.0.0.1, on a port the system chooses.

    A context manager: it answers from the `with` line on, and has ended, its connections closed, after it.
    Any number of clients may ask at once; answers that follow one another are counted over all of them.

    Nothing is kept of what a request changed at the API: how often each was asked is all the server knows, and it
    forgets that with its end and with `serve`.

    port        another one than the system's choice, for people; a test has no need of it
    checkpoint  answer a connector that starts again from there, in a folder that `headwater verify` recorded

    Errors: ConfigurationError when the folder's routes cannot be read, or the port is taken.
    """

    def __init__(self, folder: Path, *, port: int = 0, checkpoint: int = 0) -> None:
        self._playback = Playback(read_routes(folder), checkpoint=checkpoint)
        self._received: list[Received] = []
        self._lock = threading.Lock()
        super().__init__(port)

    def serve(self, folder: Path, *, checkpoint: int = 0) -> None:
        """Serve another folder from now on, or the same one from its beginning: faults come again."""
        playback = Playback(read_routes(folder), checkpoint=checkpoint)
        with self._lock:
            self._playback = playback
            self._received.clear()

    @property
    def received(self) -> list[Received]:
        """The requests since the start or the last `serve`, in the order they came."""
        with self._lock:
            return list(self._received)

    @property
    def refused(self) -> list[Received]:
        """The requests for which nothing was recorded."""
        return [received for received in self.received if received.refused is not None]

    def answer(self, request: Request) -> Answer:
        """Choose the answer to a request and note it in `received`."""
        with self._lock:
            found, status, why = self._playback.answer(request)
            answer = found or _refusal(status, why)
            self._received.append(
                Received(request.method, request.target, None if answer.disconnect else answer.status, why or None)
            )
        self._closing.wait(answer.delay_seconds)
        return answer.at(self.url)


def _refusal(status: HTTPStatus, why: str) -> Answer:
    headers = {"Content-Type": "application/json"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="replay"'
    return Answer(status, headers, json.dumps({"error": why}).encode())
