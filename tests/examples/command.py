"""The real command in a process group of its own, watched line by line, and killed from outside."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

HEADWATER = Path(sys.executable).with_name("headwater")
_WARM_START = Path(__file__).with_name("warm_start.py")
_CHECKPOINT = "Checkpoint: "


@dataclass(frozen=True, slots=True)
class Output:
    """What a finished command printed, errors included; `exit_code` is negative after a signal."""

    exit_code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def killed(self) -> bool:
        return self.exit_code == -signal.SIGKILL

    @property
    def checkpoints(self) -> list[str]:
        """The states of the `Checkpoint:` lines."""
        return [line.removeprefix(_CHECKPOINT).rstrip("\n") for line in self.lines if line.startswith(_CHECKPOINT)]

    @property
    def calls(self) -> dict[str, int]:
        """The table under SYNC PROGRESS: operation in lower case, and how often it was called."""
        cells = (line.split(" | ") for line in self.lines if " | " in line)
        return {name.strip().lower(): int(count) for name, count in cells if count.strip().isdecimal()}


@dataclass(frozen=True, slots=True)
class Running:
    """A command that runs, as the leader of a process group.

    output  what it prints, errors included
    reap    waits for its end and gives its exit code, negative after a signal; until then no other process gets its id
    """

    process_id: int
    output: IO[str]
    reap: Callable[[], int]

    def kill(self) -> None:
        os.killpg(self.process_id, signal.SIGKILL)


Start = Callable[[Path], AbstractContextManager[Running]]


def debug(project: Path, start: Start) -> Output:
    """Run `headwater debug` to its end."""
    with start(project) as command:
        lines = tuple(command.output)
        return Output(command.reap(), lines)


def debug_killed_after(project: Path, checkpoint: int, start: Start) -> Output:
    """Run `headwater debug` and kill it as soon as its n-th `Checkpoint:` line is there."""
    with start(project) as command:
        lines: list[str] = []
        for line in command.output:
            lines.append(line)
            checkpoint -= line.startswith(_CHECKPOINT)
            if checkpoint == 0:
                command.kill()
                break
        lines.extend(command.output)
        return Output(command.reap(), tuple(lines))


class Interpreters:
    """Ways to start `headwater debug`, one for each set of packages that it must not find; a context manager.

    folder  where the modules that hide them go
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[frozenset[str], Interpreter] = {}
        self._ends = ExitStack()

    def __enter__(self) -> Interpreters:
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.close()

    def without(self, modules: Iterable[str]) -> Interpreter:
        """Give the one to which these modules are not installed."""
        hidden = frozenset(modules)
        if hidden not in self._known:
            folder = self._folder / "-".join(["without", *sorted(hidden)])
            folder.mkdir()
            for name in hidden:
                line = f"raise ModuleNotFoundError('requirements.txt does not name {name}', name='{name}')\n"
                (folder / f"{name}.py").write_text(line, encoding="utf-8")
            interpreter = self._known[hidden] = Interpreter(folder)
            self._ends.callback(interpreter.close)
        return self._known[hidden]


class Interpreter:
    """Starts `headwater debug` with a folder of modules that come before the installed ones."""

    def __init__(self, python_path: Path) -> None:
        self._environment = _environment(python_path)
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @contextmanager
    def cold(self, project: Path) -> Iterator[Running]:
        """Start the installed command, as a person does."""
        process = subprocess.Popen(
            [HEADWATER, "debug", project],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env=self._environment,
            start_new_session=True,
        )
        assert process.stdout is not None
        with process.stdout, _ended(Running(process.pid, process.stdout, process.wait)) as running:
            yield running

    def warm(self, imports: Iterable[str]) -> Start:
        """Give a way to fork the command from a process that has imported what every sync does, and these modules."""
        modules = sorted(imports)

        @contextmanager
        def start(project: Path) -> Iterator[Running]:
            reading, writing = os.pipe()
            with os.fdopen(reading, encoding="utf-8") as output:
                process_id = self._ask({"run": str(project), "imports": modules}, writing)
                reap = cache(lambda: self._ask({"reap": process_id}))  # it can be waited for once
                with _ended(Running(process_id, output, reap)) as running:
                    yield running

        return start

    def close(self) -> None:
        if self._control is not None and self._server is not None:
            self._control.close()
            self._server.communicate()

    def _ask(self, request: Mapping[str, object], file: int | None = None) -> int:
        """Send a request to the process that forks, and with it a file, which is closed here; give its answer."""
        control = self._warmed()
        line = json.dumps(request).encode() + b"\n"
        if file is None:
            control.sendall(line)
        else:
            socket.send_fds(control, [line], [file])
            os.close(file)
        answer = control.recv(64)
        if not answer:
            assert self._server is not None
            said, _ = self._server.communicate()
            raise RuntimeError(f"the process that forks {HEADWATER.name} has ended:\n{said.decode()}")
        return int(answer)

    def _warmed(self) -> socket.socket:
        if self._control is None:
            self._control, theirs = socket.socketpair()
            with theirs:
                # -P: the modules beside warm_start.py are not the connector's. Its output is a pipe, as that of
                # the commands is: Python's streams remember whether one can seek in them.
                self._server = subprocess.Popen(
                    [sys.executable, "-P", _WARM_START],
                    stdin=theirs.fileno(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                    start_new_session=True,
                )
        return self._control


@contextmanager
def _ended(running: Running) -> Iterator[Running]:
    """Kill what still runs when the test that started it fails."""
    try:
        yield running
    except BaseException:
        running.kill()
        raise
    finally:
        running.reap()


def _environment(python_path: Path) -> dict[str, str]:
    # A proxy of the machine must not come between the connector and the server on loopback.
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONUTF8": "1"}
    environment.pop("FIVETRAN_CONFIGURATION", None)
    return {**environment, "PYTHONPATH": str(python_path)}


def write_configuration(project: Path, values: dict[str, str]) -> None:
    """Put values over those of a project's configuration.json."""
    path = project / "configuration.json"
    merged = {**json.loads(path.read_text(encoding="utf-8")), **values}
    path.write_text(json.dumps(merged), encoding="utf-8")
