"""A source's HTTP answers: kept in one sync, and given in its place in later ones."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from headwater.errors import ConfigurationError
from headwater.testing.interception import answer_with, listen, load_vcr, refuse_network
from headwater.testing.recording import Recording, require_recording_or_nothing
from headwater.testing.routes import Answer, Playback, Request, read_routes
from headwater.testing.scrubbing import Scrubber
from headwater.verifying.trial import Meeting, Source


class LiveSource(Source):
    """The live source; its answers are written to `folder` when the sync has gone well."""

    def __init__(self, folder: Path, configuration: Mapping[str, str]) -> None:
        load_vcr()
        require_recording_or_nothing(folder)
        self._folder = folder
        self._configuration = configuration

    def meets(self, checkpoint: int) -> Meeting:
        meeting = _Listening(self._folder, self._configuration)
        listen(meeting)
        return meeting

    def count(self) -> int:
        """How many answers are in the folder."""
        return sum(len(route.answers) for route in read_routes(self._folder))


class _Listening(Meeting):
    """Keeps each answer, and at which checkpoint it was given."""

    def __init__(self, folder: Path, configuration: Mapping[str, str]) -> None:
        self._folder = folder
        self._recording = Recording(configuration)
        self._checkpoints = 0

    def committed(self) -> None:
        self._checkpoints += 1

    def answered(self, request: Request, answer: Answer) -> None:
        self._recording.add(request, replace(answer, checkpoint=self._checkpoints))

    def ended(self, *, well: bool) -> str | None:
        if well:
            self._recording.write(self._folder)
        return None


class RecordedSource(Source):
    """Answers in the live source's place, with what `folder` holds; there is no network.

    A request that is made again is given its answers in the order in which they came. A sync that starts from
    checkpoint k is given, of the answers to one request, first the one that came first after k checkpoints or more.

    Errors: ConfigurationError when the folder cannot be read.
    """

    def __init__(self, folder: Path, configuration: Mapping[str, str]) -> None:
        load_vcr()
        self._folder = folder
        self._routes = read_routes(folder)
        self._configuration = configuration

    def meets(self, checkpoint: int) -> Meeting:
        meeting = _Answering(self._folder, Playback(self._routes, checkpoint=checkpoint), Scrubber(self._configuration))
        answer_with(meeting)
        refuse_network(meeting.refuse)
        return meeting


class _Answering(Meeting):
    """Answers one sync's requests, and keeps the first it could not answer."""

    def __init__(self, folder: Path, playback: Playback, scrubber: Scrubber) -> None:
        self._folder = folder
        self._playback = playback
        self._scrubber = scrubber
        self._lock = threading.Lock()
        self._refused: str | None = None

    def answer(self, request: Request) -> Answer:
        """Give the recorded answer.

        Errors: ConfigurationError when there is none.
        """
        request = self._scrubber.request(request)
        with self._lock:
            answer, _, why = self._playback.answer(request)
        if answer is None:
            self.refuse(f"{request.method} {request.target} ({why})")
            raise ConfigurationError(
                f"the recording {self._folder} has no answer to {request.method} {request.target}: {why}",
                hint="Record again: headwater verify --record.",
            )
        return answer.at(request.origin)

    def refuse(self, what: str) -> None:
        with self._lock:
            self._refused = self._refused or what

    def ended(self, *, well: bool) -> str | None:
        return f"the recording {self._folder} does not hold {self._refused}" if self._refused else None
