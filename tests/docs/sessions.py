"""The sessions in the pages: what is typed, what is said to be seen, and what really is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# How the pages write the folder of the repository.
SHOWN_ROOT = "~/headwater"
ELIDED = "…"

_SESSION = re.compile(
    r"^(?P<varying><!-- the numbers vary -->\n)?```console\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_CHANGING = (
    (re.compile(r"^\d\d:\d\d:\d\d\.\d{3} ", re.MULTILINE), "<time> "),
    # A time of this sync; 2024 and 9999 are times of the data.
    (re.compile(r"\b20(2[6-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00"), "<now>"),
    (re.compile(r"in \d+\.\d s"), "in <seconds> s"),
    (re.compile(r"at most [\d,]+ MB"), "at most <number> MB"),
    (re.compile(r"crash_\d{8}-\d{6}"), "crash_<time>"),
    (re.compile(r"pid \d+, started [^)]*"), "pid <pid>, started <time>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:<port>"),
    (re.compile(r"-{3,}"), "---"),
    (re.compile(r"(?<=\S)  +"), "  "),
    (re.compile(r" +$", re.MULTILINE), ""),
)


@dataclass(frozen=True, slots=True)
class Command:
    """One line that is typed, and what is seen below it; `varying` when only the numbers may differ."""

    line: str
    shown: str
    varying: bool

    def shows(self, printed: str) -> bool:
        """Whether the page shows what was printed; a line `…` stands for any lines."""
        shown, printed = (self._steady(text) for text in (self.shown, printed))
        parts = re.split(rf"^ *{ELIDED} *\n", shown, flags=re.MULTILINE)
        return re.fullmatch("(?:.*\n)*?".join(map(re.escape, parts)), printed) is not None

    def _steady(self, text: str) -> str:
        for pattern, word in _CHANGING:
            text = pattern.sub(word, text)
        if self.varying:
            text = re.sub(r"\d[\d,]*", "<number>", text)
        return text.strip("\n") + "\n"


def read_commands(page: str) -> Iterator[Command]:
    """Read the commands of all sessions of a page, in order; a block that shows no output is no session."""
    for session in _SESSION.finditer(page):
        typed = (part.partition("\n") for part in re.split(r"^\$ ", session["text"], flags=re.MULTILINE)[1:])
        commands = [Command(line, shown, session["varying"] is not None) for line, _, shown in typed]
        if any(command.shown.strip() for command in commands):
            yield from commands


class Reader:
    """Someone who types the sessions of one page in a fresh copy of the repository."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self._folder = home / "headwater"
        ignored = shutil.ignore_patterns("files", "crash-reports", "__pycache__")
        for name in ("examples", "docs"):
            shutil.copytree(ROOT / name, self._folder / name, ignore=ignored)
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, self._folder)
        bin_folder = str(Path(sys.executable).parent)
        self._environment = {**environment, "PATH": f"{bin_folder}:{environment['PATH']}", "HOME": str(home)}

    def type(self, line: str) -> str:
        """Run one line; give what is seen, with the folder as the pages write it."""
        if line.startswith("make "):
            line = self._recipe(line.removeprefix("make "))
        return self._run(line).replace(str(self._folder), SHOWN_ROOT)

    def _recipe(self, target: str) -> str:
        """Ask make what it would do, once everything is installed: it is, here."""
        recipe = self._run(f"make --no-print-directory -n -o .venv/.runtime {target}").strip()
        return recipe.replace(".venv/bin/python", sys.executable)

    def _run(self, line: str) -> str:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", timeout=120, check=False,
        )  # fmt: skip
        return done.stdout
