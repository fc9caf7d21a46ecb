"""One example, played: its syncs undisturbed, each with a copy of what was there before it, and killed ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from headwater.testing import Received, ReplayServer
from headwater.testing.replay import PLACEHOLDER
from tests.examples.command import Output, debug, debug_killed_after, write_configuration
from tests.examples.example import Example, ExpectedSync
from tests.examples.stand_ins import StandIn
from tests.examples.warehouse import Document, read_warehouse

_NOT_COPIED = shutil.ignore_patterns("files", "replay", "expected", "seed*", "__pycache__", ".mypy_cache")


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
def rehearsed(example: Example, folder: Path, stand_ins: Sequence[StandIn] = ()) -> Iterator[Rehearsal]:
    """Play the syncs of example.toml, one after the other, and keep the source open for killed ones."""
    first = next((sync.replay for sync in example.syncs if sync.replay), None)
    with ReplayServer(first) if first else nullcontext() as server:
        rehearsal = Rehearsal(example, folder, server, stand_ins)
        rehearsal.play()
        yield rehearsal


class Rehearsal:
    """Plays an example in copies below `folder`, against the same servers, so that addresses stay the same.

    server     plays the recorded answers; None when the example has none
    stand_ins  hold the seeds of each sync
    played     the undisturbed syncs, one after the other
    """

    def __init__(
        self, example: Example, folder: Path, server: ReplayServer | None, stand_ins: Sequence[StandIn]
    ) -> None:
        self.example = example
        self._folder = folder
        self._server = server
        self._stand_ins = stand_ins
        self._python_path = _hide_what_is_not_required(example, folder / "not_installed")
        self.played: list[Played] = []

    def play(self) -> None:
        """Run the syncs undisturbed, and keep what was there before each."""
        project = self._folder / "undisturbed"
        shutil.copytree(self.example.folder, project, ignore=_NOT_COPIED)
        write_configuration(project, self._configuration())
        for number, sync in enumerate(self.example.syncs, start=1):
            shutil.copytree(project, self._before(number))
            self.played.append(self._play(project, sync))

    def killed(self, number: int, checkpoint: int) -> tuple[Output, Document, Played, int]:
        """Kill sync `number` after a checkpoint and start the command again.

        Gives what the killed command printed and left, the second start, and the number of the sync that this was:
        the same one, or, when all of the killed one had been committed before it died, the one after it.
        """
        project = self._folder / f"killed-{number}-{checkpoint}"
        shutil.copytree(self._before(number), project)
        self._serve(self.example.syncs[number - 1])
        output = debug_killed_after(project, checkpoint, python_path=self._python_path)
        left = self._read(project)
        was_complete = left == self.played[number - 1].left
        again = min(number + was_complete, len(self.played))
        played = self._play(project, self.example.syncs[again - 1])
        shutil.rmtree(project)
        return output, left, played, again

    def _play(self, project: Path, sync: ExpectedSync) -> Played:
        self._serve(sync)
        output = debug(project, python_path=self._python_path)
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

    def _configuration(self) -> dict[str, str]:
        places = {PLACEHOLDER: self._server.url} if self._server else {}
        for stand_in in self._stand_ins:
            places |= stand_in.places
        return {name: _filled_in(value, places) for name, value in self.example.configuration.items()}

    def _before(self, number: int) -> Path:
        return self._folder / f"before-{number}"


def _filled_in(value: str, places: Mapping[str, str]) -> str:
    for place, what in places.items():
        value = value.replace(place, what)
    return value


def _hide_what_is_not_required(example: Example, folder: Path) -> Path:
    """Make a folder that hides pandas and numpy from an example that does not require them.

    So the example runs as where only its requirements are installed; and each command saves the two
    seconds that pyarrow takes to import what it finds of them.
    """
    folder.mkdir()
    wanted = {"pandas": ["pandas", "numpy"], "redshift-connector": ["numpy"]}
    needed = [name for requirement in example.requirements for name in wanted.get(requirement, [])]
    for name in {"pandas", "numpy"} - set(needed):
        lines = f"raise ModuleNotFoundError('requirements.txt does not name {name}', name='{name}')\n"
        (folder / f"{name}.py").write_text(lines, encoding="utf-8")
    return folder
