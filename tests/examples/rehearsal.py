"""One example, played: its syncs undisturbed, each with a copy of what was there before it, and killed ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from headwater.testing import Received, ReplayServer
from headwater.testing.routes import PLACEHOLDER
from tests.examples.command import (
    Interpreter,
    Interpreters,
    Output,
    Start,
    debug,
    debug_killed_after,
    write_configuration,
)
from tests.examples.example import Example, ExpectedSync
from tests.examples.stand_ins import StandIn
from tests.examples.warehouse import Document, read_warehouse

NOT_COPIED = shutil.ignore_patterns("files", "replay", "expected", "seed*", "__pycache__", ".mypy_cache")


@dataclass(frozen=True, slots=True)
class Played:
    """One sync that ran to its end.

    state_copy  what files/state.json held afterwards
    refused     requests the recorded answers did not know
    """

    expected: ExpectedSync
    output: Output
    left: Document
    state_copy: object
    refused: list[Received]


@contextmanager
def rehearsed(
    example: Example, folder: Path, interpreters: Interpreters, stand_ins: Sequence[StandIn] = ()
) -> Iterator[Rehearsal]:
    """Play the syncs of example.toml, one after the other, and keep the source open for killed ones."""
    first = next((sync.replay for sync in example.syncs if sync.replay), None)
    with ReplayServer(first) if first else nullcontext() as server:
        rehearsal = Rehearsal(example, folder, interpreters.without(not_required(example)), server, stand_ins)
        rehearsal.play()
        yield rehearsal


class Rehearsal:
    """Plays an example in copies below `folder`, against the same servers, so that addresses stay the same.

    server     plays the recorded answers; None when the example has none
    stand_ins  hold the seeds of each sync
    played     the undisturbed syncs, one after the other
    """

    def __init__(
        self,
        example: Example,
        folder: Path,
        interpreter: Interpreter,
        server: ReplayServer | None,
        stand_ins: Sequence[StandIn],
    ) -> None:
        self.example = example
        self._folder = folder
        self._server = server
        self._stand_ins = stand_ins
        self._interpreter = interpreter
        self._again = interpreter.warm(example.required_modules())
        self._sources: list[list[Callable[[], None]]] = []  # what brings back the stand-ins, before each sync
        self.played: list[Played] = []

    def play(self) -> None:
        """Run the syncs undisturbed, and keep what was there before each.

        The first is started as a person starts it, so that what is missing on a machine is missing here;
        all others are the same command, forked.
        """
        project = self._folder / "undisturbed"
        shutil.copytree(self.example.folder, project, ignore=NOT_COPIED)
        write_configuration(project, filled_in(self.example.configuration, places(self._server, self._stand_ins)))
        for number, sync in enumerate(self.example.syncs, start=1):
            shutil.copytree(project, self._before(number))
            self._sources.append([stand_in.remembered() for stand_in in self._stand_ins])
            self.played.append(self._play(project, sync, self._again if number > 1 else self._interpreter.cold))

    def killed(self, number: int, checkpoint: int, *, then: int | None = None) -> tuple[Output, Document, Played, int]:
        """Kill sync `number` after a checkpoint and start the command again.

        then  the number of the sync that this is; left out: the same one, or, when all of the killed one had been
              committed before it died, the one after it

        Gives what the killed command printed and left, the second start, and the number of the sync that this was.
        """
        project = self._folder / f"killed-{number}-{checkpoint}"
        shutil.copytree(self._before(number), project)
        for bring_back in self._sources[number - 1]:
            bring_back()
        self._serve(self.example.syncs[number - 1])
        output = debug_killed_after(project, checkpoint, self._again)
        left = self._read(project)
        was_complete = left == self.played[number - 1].left
        again = then or min(number + was_complete, len(self.played))
        played = self._play(project, self.example.syncs[again - 1], self._again)
        shutil.rmtree(project)
        return output, left, played, again

    def _play(self, project: Path, sync: ExpectedSync, start: Start) -> Played:
        self._serve(sync)
        output = debug(project, start)
        state_copy = project / "files" / "state.json"
        assert state_copy.is_file(), f"the sync left no state\n{output.text}"
        return Played(
            sync,
            output,
            self._read(project),
            json.loads(self.without_address(state_copy.read_text(encoding="utf-8"))),
            self._server.refused if self._server else [],
        )

    def _read(self, project: Path) -> Document:
        document = read_warehouse(project, varying_columns=self.example.varying_columns)
        without_address: Document = json.loads(self.without_address(json.dumps(document)))
        return without_address

    def _serve(self, sync: ExpectedSync) -> None:
        if self._server and sync.replay:
            self._server.serve(sync.replay)
        for stand_in in self._stand_ins:
            stand_in.hold(sync.seeds)

    def without_address(self, text: str) -> str:
        """Put `{replay}` where the server's address stands: no two runs share it."""
        return text.replace(self._server.url, PLACEHOLDER) if self._server else text

    def _before(self, number: int) -> Path:
        return self._folder / f"before-{number}"


def places(server: ReplayServer | None, stand_ins: Sequence[StandIn]) -> dict[str, str]:
    """Give what stands in a configuration for the places that example.toml names."""
    found = {PLACEHOLDER: server.url} if server else {}
    for stand_in in stand_ins:
        found |= stand_in.places
    return found


def filled_in(configuration: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    """Put values into the places of a configuration.

    >>> filled_in({"base_url": "{replay}/v1"}, {"{replay}": "http://127.0.0.1:8000"})
    {'base_url': 'http://127.0.0.1:8000/v1'}
    """
    filled = dict(configuration)
    for place, what in places.items():
        filled = {name: value.replace(place, what) for name, value in filled.items()}
    return filled


def not_required(example: Example) -> set[str]:
    """Give the large packages that an example does not require.

    Without them it runs as where only its requirements are installed; and each command saves the two
    seconds that pyarrow takes to import what it finds of them.
    """
    wanted = {"pandas": {"pandas", "numpy"}, "redshift-connector": {"numpy"}}
    return {"pandas", "numpy"}.difference(*(wanted.get(name, set()) for name in example.requirements))
