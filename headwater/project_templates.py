"""New projects, copied out of the examples that come with headwater."""

from __future__ import annotations

import ast
import difflib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headwater.errors import ConfigurationError
from headwater.imports import imports_of
from headwater.vendoring import helpers_named, vendored
from headwater.whole_file import remove_halves, write_whole

DEFAULT = "quickstart/hello"
OPERATIONS = ("upsert", "update", "delete", "truncate", "checkpoint")
IGNORED = "files/\ncrash-reports/\n__pycache__/\n"

# What belongs to the test of an example, not to the project it shows, and what syncs and tools leave behind.
_OF_THE_TEST = re.compile(r"example\.toml|expected|replay|seed(_\w+)?\..*|files|crash-reports|__pycache__|\..*")
_PLACEHOLDER = re.compile(r"<[^<>]+>")


@dataclass(frozen=True, slots=True)
class Template:
    """One example: its name, such as `quickstart/hello`, what it shows in a line, and where it lies."""

    name: str
    title: str
    folder: Path

    def operations(self) -> list[str]:
        """List the operations it calls, in the order of the documentation."""
        called = {
            node.attr
            for source in self._sources()
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "op"
        }
        return [name for name in OPERATIONS if name in called]

    def helpers(self) -> list[str]:
        """List the modules of sdk_helpers that it imports, without those that these need."""
        found = {name for source in self._sources() for each in imports_of(source) for name in helpers_named(each)}
        return sorted(found - {"__init__"})

    def _sources(self) -> Iterator[str]:
        yield from (path.read_text("utf-8") for path in _project_part(self.folder) if path.suffix == ".py")


def templates() -> list[Template]:
    """List the examples that come with this headwater."""
    folder = _folder()
    return [
        Template(
            path.parent.relative_to(folder).as_posix(), tomllib.loads(path.read_text("utf-8"))["title"], path.parent
        )
        for path in sorted(folder.rglob("example.toml"))
    ]


def find_template(name: str) -> Template:
    """Find a template by its name, with or without the folders before it.

    Errors: ConfigurationError when there is none, or there are several.
    """
    wanted = name.strip("/").removeprefix("examples/")
    known = templates()
    found = [each for each in known if each.name == wanted or each.name.endswith(f"/{wanted}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(f"there are several templates {name!r}: {', '.join(each.name for each in found)}")
    names = {each.name.rpartition("/")[2]: each.name for each in known}
    near = difflib.get_close_matches(wanted.rpartition("/")[2], names, n=1)
    meant = f": did you mean {names[near[0]]!r}?" if near else ""
    raise ConfigurationError(f"there is no template {name!r}{meant}", hint="See them all with `headwater init --list`.")


def project_files(template: Template) -> dict[str, bytes]:
    """Give what a new project holds, by path: it runs here and on Fivetran, the helpers it uses included.

    The recorded answers of an API come along where the README says to play them, for that API is not a real one.
    """
    files = {path.relative_to(template.folder).as_posix(): path.read_bytes() for path in _project_part(template.folder)}
    files |= vendored(content.decode() for name, content in files.items() if name.endswith(".py"))
    if "README.md" in files:
        # It tells what to type in the folder of the repository.
        here = f"examples/{template.name}"
        text = files["README.md"].decode()
        if f"headwater.testing {here}/replay" in text:
            files |= {path.relative_to(template.folder).as_posix(): path.read_bytes() for path in _replay(template)}
        text = text.replace(f"{here}/", "").replace(f" {here}", "")
        files["README.md"] = text.encode()
    ignored = IGNORED + ("configuration.json\n" if placeholders(files) else "")
    files[".gitignore"] = ignored.encode()
    return files


def placeholders(files: dict[str, bytes]) -> list[str]:
    """Name the fields of the configuration that someone must fill in: those like `<YOUR_API_KEY>`."""
    configuration = json.loads(files.get("configuration.json", b"{}"))
    return [name for name, value in configuration.items() if _PLACEHOLDER.search(value)]


def write_project(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files of a new project, each whole; a .gitignore that is there stays.

    Errors: ConfigurationError when a link leads out of the folder.
    """
    for name, content in files.items():
        path = folder / name
        if name == ".gitignore" and path.exists():
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ConfigurationError(
                f"{path} leads out of the project", hint="Remove the link, or choose a new folder."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_halves(path)
        write_whole(path, content)


def in_the_way(folder: Path, files: dict[str, bytes]) -> list[str]:
    """List the files that `write_project` would replace by others."""
    paths = {name: folder / name for name in files if name != ".gitignore"}
    return [
        name
        for name, path in paths.items()
        if path.is_symlink() or (path.exists() and not (path.is_file() and path.read_bytes() == files[name]))
    ]


def _project_part(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if _OF_THE_TEST.fullmatch(path.name):
            continue
        if path.is_dir():
            yield from _project_part(path)
        else:
            yield path


def _replay(template: Template) -> Iterator[Path]:
    yield from (path for path in sorted((template.folder / "replay").rglob("*")) if path.is_file())


def _folder() -> Path:
    package = Path(__file__).parent
    # In a checkout the examples lie beside the package.
    folders = [package / "templates", package.parent / "examples"]
    for folder in folders:
        if folder.is_dir():
            return folder
    raise ConfigurationError("headwater's templates are missing", hint="Install headwater again.")
