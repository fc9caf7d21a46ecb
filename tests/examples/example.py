"""An example as its example.toml describes it; every folder with one below examples/ is found."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from headwater.project_templates import Template

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
OPERATIONS = ("upserts", "updates", "deletes", "truncates")
# What Fivetran has installed already; a requirements.txt must not list it.
PREINSTALLED = frozenset({"fivetran_connector_sdk", "requests", "urllib3"})

_EXAMPLE_KEYS = frozenset({"title", "shows", "needs", "configuration", "varying_columns", "rereads_after_kill", "sync"})
_SYNC_KEYS = frozenset({"replay", "seeds", "exit_code", "says", "writes"})
_HELPERS = "sdk_helpers"


@dataclass(frozen=True, slots=True)
class ExpectedSync:
    """What one sync of an example does.

    replay  the folder of recorded answers it meets; None when the example has none
    seeds   the files that fill the databases it meets, one after the other
    says    text it prints
    writes  how many operations of each kind it emits; those not named: none
    """

    replay: Path | None
    seeds: tuple[Path, ...] = ()
    exit_code: int = 0
    says: str = ""
    writes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Example:
    """One folder below examples/.

    needs            in words, for readers; those in `tests.examples.stand_ins` start a server
    configuration    values that win over configuration.json; `{replay}` is the local server's address, and
                     stand-ins have such places, too
    varying_columns  `table.column` whose values differ from run to run (the time of a sync): only whether
                     they are NULL is compared
    rereads_after_kill  after a kill its cursor stands further back than without one, on purpose: so of what a
                     killed sync leaves in the end, the state is not compared
    """

    folder: Path
    title: str
    shows: tuple[str, ...]
    needs: tuple[str, ...]
    configuration: Mapping[str, str]
    varying_columns: frozenset[str]
    rereads_after_kill: bool
    syncs: tuple[ExpectedSync, ...]

    @property
    def name(self) -> str:
        return str(self.folder.relative_to(EXAMPLES))

    @property
    def requirements(self) -> list[str]:
        """The distributions requirements.txt names, in their normalised spelling."""
        lines = (self.folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
        names = (re.match(r"[A-Za-z0-9._-]+", line.strip()) for line in lines)
        return [_normalised(match[0]) for match in names if match]

    @property
    def missing(self) -> list[str]:
        """The requirements that are not installed here."""
        installed = {name for names in _distributions().values() for name in names}
        return [name for name in self.requirements if name not in installed]

    def expected(self, number: int) -> Path:
        """The file with what sync `number`, counted from 1, leaves."""
        return self.folder / "expected" / f"{number}.json"

    def imports(self) -> set[str]:
        """The top-level modules its files import, its own and the helpers left out."""
        own = {path.relative_to(self.folder).parts[0].removesuffix(".py") for path in self._python_files()}
        found = {name.partition(".")[0] for path in self._python_files() for name in _imported(path)}
        return found - own - {_HELPERS}

    def helpers(self) -> list[str]:
        """The modules of sdk_helpers that it imports, without those that these need."""
        return self._template().helpers()

    def helper_imports(self) -> set[str]:
        """The top-level modules that the helpers it uses import, some of them only where they need them."""
        files = (ROOT / _HELPERS / f"{name}.py" for name in self.helpers())
        return {name.partition(".")[0] for path in files for name in _imported(path)}

    def operations(self) -> list[str]:
        """The operations it calls, in the order of the documentation."""
        return self._template().operations()

    def _template(self) -> Template:
        return Template(self.folder.name, self.title, self.folder)

    def required_modules(self) -> set[str]:
        """The top-level modules of its requirements that it, or a helper it uses, imports."""
        imported = self.imports() | self.helper_imports()
        return {module for module in imported if distributions_of({module}) & set(self.requirements)}

    def modules_with_doctests(self) -> list[str]:
        files = (path for path in self._python_files() if ">>> " in path.read_text(encoding="utf-8"))
        return [".".join(path.relative_to(self.folder).with_suffix("").parts) for path in files]

    def _python_files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*.py") if "files" not in path.parts]


def find_examples() -> list[Example]:
    return [read_example(path.parent) for path in sorted(EXAMPLES.rglob("example.toml"))]


def read_example(folder: Path) -> Example:
    """Read a folder's example.toml.

    Errors: ValueError that names the file and the key.
    """
    path = folder / "example.toml"
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    _known(document, _EXAMPLE_KEYS, str(path))
    absent = {"title", "shows", "needs", "sync"} - document.keys()
    if absent:
        raise ValueError(f"{path} lacks {', '.join(sorted(absent))}")
    return Example(
        folder=folder,
        title=document["title"],
        shows=tuple(document["shows"]),
        needs=tuple(document["needs"]),
        configuration=document.get("configuration", {}),
        varying_columns=frozenset(document.get("varying_columns", [])),
        rereads_after_kill=document.get("rereads_after_kill", False),
        syncs=tuple(
            _read_sync(entry, folder, f"{path}, sync {number}")
            for number, entry in enumerate(document["sync"], start=1)
        ),
    )


def _read_sync(entry: Mapping[str, Any], folder: Path, where: str) -> ExpectedSync:
    _known(entry, _SYNC_KEYS, where)
    writes = entry.get("writes", {})
    _known(writes, frozenset(OPERATIONS), f"{where}, writes")
    replay = folder / entry.get("replay", "replay")
    if "replay" in entry and not replay.is_dir():
        raise ValueError(f"{where}: there is no folder {replay}")
    seeds = [folder / name for name in entry["seeds"]] if "seeds" in entry else sorted(folder.glob("seed.*"))
    missing = [seed.name for seed in seeds if not seed.is_file()]
    if missing:
        raise ValueError(f"{where}: there is no file {', '.join(missing)}")
    return ExpectedSync(
        replay=replay if replay.is_dir() else None,
        seeds=tuple(seeds),
        exit_code=entry.get("exit_code", 0),
        says=entry.get("says", ""),
        writes={name: writes.get(name, 0) for name in OPERATIONS},
    )


def _known(entry: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = entry.keys() - known
    if unknown:
        raise ValueError(f"{where}: unknown {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")


def _imported(path: Path) -> Iterator[str]:
    """Give the modules a file imports, by their whole names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def distributions_of(modules: set[str]) -> set[str]:
    """Give the distributions of the modules that are neither Python's own nor preinstalled."""
    foreign = modules - PREINSTALLED - sys.stdlib_module_names
    return {_distributions().get(module, [_normalised(module)])[0] for module in foreign}


@cache
def _distributions() -> dict[str, list[str]]:
    found = importlib.metadata.packages_distributions()
    return {module: list(map(_normalised, names)) for module, names in found.items()}


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
