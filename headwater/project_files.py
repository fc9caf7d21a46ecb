"""Which files of a project are its own: those that go into a package (rule E-20)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pathspec import GitIgnoreSpec

from headwater.errors import ConfigurationError

IGNORE_FILE = ".gitignore"
# Left out everywhere; a .gitignore may take all but the configuration in again, as `!lib/` does.
LEFT_OUT = ("__pycache__/", "lib/", "include/", "files/", "crash-reports/", ".*")
CONFIGURATION = "configuration.json"


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """One file: its name in the package, with `/` between folders, and where it is."""

    name: str
    path: Path


@dataclass(slots=True)
class ProjectFiles:
    """What a walk through a project finds.

    files    in the order of their names
    refused  what can be in no package, each with the reason: links, and names or kinds that an archive cannot hold;
             what cannot be read
    """

    files: list[ProjectFile] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def require_whole(self) -> list[ProjectFile]:
        """Give the files.

        Errors: ConfigurationError when something is refused.
        """
        if self.refused:
            lines = [f"{name}: {reason}" for name, reason in self.refused.items()]
            raise ConfigurationError(
                "these cannot go into a package: " + "; ".join(lines),
                hint=f"Put files in their place, or name them in {IGNORE_FILE}.",
            )
        return self.files


def find_project_files(project: Path) -> ProjectFiles:
    """Walk through a project as git would, virtual environments and what syncs leave behind left out."""
    found = ProjectFiles()
    for file in _walk(project, "", ()):
        reason = _refusal(file)
        if reason is None:
            found.files.append(file)
        else:
            found.refused[file.name] = reason
    found.files.sort(key=lambda file: file.name)
    return found


_Ignores = tuple[tuple[str, GitIgnoreSpec], ...]


def _walk(folder: Path, prefix: str, above: _Ignores) -> Iterator[ProjectFile]:
    ignores = _with_own(folder, prefix, above or (("", GitIgnoreSpec.from_lines(LEFT_OUT)),))
    for path in sorted(folder.iterdir()):
        name = f"{prefix}{_spelled(path.name)}"
        is_folder = path.is_dir() and not path.is_symlink()
        kept = path.name == IGNORE_FILE and not is_folder
        if path.name == CONFIGURATION or (not kept and _is_ignored(f"{name}/" if is_folder else name, ignores)):
            continue
        if not is_folder or not os.access(path, os.R_OK | os.X_OK):
            yield ProjectFile(name, path)
        elif not (path / "pyvenv.cfg").exists():
            yield from _walk(path, f"{name}/", ignores)


def _with_own(folder: Path, prefix: str, above: _Ignores) -> _Ignores:
    path = folder / IGNORE_FILE
    if not path.is_file() or path.is_symlink():
        return above
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return (*above, (prefix, GitIgnoreSpec.from_lines(lines)))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _is_ignored(name: str, ignores: _Ignores) -> bool:
    """Ask the nearest .gitignore that has something to say, as git does."""
    for prefix, spec in reversed(ignores):
        if (ignored := spec.check_file(name.removeprefix(prefix)).include) is not None:
            return ignored
    return False


def _spelled(name: str) -> str:
    """Spell a name as its bytes do, whatever the locale makes of them: the package must be the same everywhere."""
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def _refusal(file: ProjectFile) -> str | None:
    mode = file.path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "it is a link"
    if stat.S_ISDIR(mode) or not os.access(file.path, os.R_OK):  # a folder that can be read is walked through
        return "it cannot be read"
    if not stat.S_ISREG(mode):
        return "it is no file"
    if "\\" in file.name or not file.name.isprintable():
        return "its name holds a backslash, or what cannot be printed"
    return None
