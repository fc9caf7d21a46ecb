"""What a project imports against what it says it needs, from what this interpreter knows of its packages."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from headwater.checking.finding import Finding, Level
from headwater.checking.source import Sources
from headwater.imports import Import, imports_of
from headwater.vendoring import PACKAGE, vendored

REQUIREMENTS = "requirements.txt"
PYPROJECT = "pyproject.toml"
SDK = "fivetran_connector_sdk"
# Installed on Fivetran already: naming them there leads to conflicts.
PREINSTALLED = {"fivetran-connector-sdk", "requests"}


@dataclass(frozen=True, slots=True)
class Line:
    """One requirement or option, where it stands."""

    file: str
    number: int | None
    text: str

    def finding(self, level: Level, what: str, hint: str) -> Finding:
        return Finding(self.file, self.number, level, what, hint)


@dataclass(slots=True)
class Needs:
    """What a project says it needs, by canonical name; `file` is the first that says so, others may follow from it."""

    file: str
    named: dict[str, tuple[Line, Requirement]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    exists: bool = True


def requirement_findings(project: Path, sources: Sources) -> Iterator[Finding]:
    needs = read_needs(project)
    yield from needs.findings
    imports = [each for source in sources.read.values() for each in source.imports]
    imports += [
        each
        for helper in vendored(source.text for source in sources.read.values()).values()
        for each in imports_of(helper.decode())
    ]
    used = set(_distributions(imports, sources))
    for source in sources.read.values():
        if not source.name.startswith(f"{PACKAGE}/"):  # vendored: each of its optional imports is up to the caller
            yield from _missing(source.name, source.imports, sources, needs)
    for name, (line, requirement) in needs.named.items():
        if name in PREINSTALLED:
            hint = "Leave it out: Fivetran installs it itself, and so does headwater."
            yield line.finding("warning", f"{requirement.name} is installed there already", hint)
        elif name not in used and _version(name) is not None:
            what = f"no file imports {requirement.name}"
            yield line.finding("warning", what, "Leave it out, unless another package loads it by name.")
        elif (version := _version(name)) is not None and not requirement.specifier.contains(version, prereleases=True):
            what = f"{requirement} is asked for, and {version} is installed here"
            yield line.finding("warning", what, "Install what is asked for, so that here is as there.")


def helper_findings(sources: Sources) -> Iterator[Finding]:
    """Say which helpers must be put beside connector.py, for Fivetran has no headwater."""
    own = {name: source for name, source in sources.read.items() if not name.startswith(f"{PACKAGE}/")}
    for source in own.values():
        helpers = vendored([source.text])
        missing = sorted(helpers.keys() - sources.read.keys())
        if missing:
            line = next(each.line for each in source.imports if each.top == PACKAGE)
            what = f"it needs {', '.join(missing)}, which Fivetran has not"
            yield Finding(source.name, line, "warning", what, "Package it with `headwater package --vendor`.")


def hidden_package_findings(sources: Sources) -> Iterator[Finding]:
    """Name files that hide a package that headwater itself needs here, its extras left out."""
    required = map(Requirement, metadata.requires("headwater") or [])
    needed = {
        canonicalize_name(each.name) for each in required if each.marker is None or each.marker.evaluate({"extra": ""})
    }
    for name in sources.read:
        module = name.partition("/")[0].removesuffix(".py")
        if needed.intersection(map(canonicalize_name, _installed().get(module, []))):
            what = f"it hides the package {module!r}, which headwater needs"
            yield Finding(name, None, "error", what, "Choose a name of your own for it.")


def read_needs(project: Path) -> Needs:
    """Read pyproject.toml where it names dependencies, else requirements.txt and the files that follow from it."""
    path = project / PYPROJECT
    if path.is_file():
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8")).get("project")
        except (OSError, ValueError) as error:
            return Needs(PYPROJECT, findings=[Finding(PYPROJECT, None, "error", f"it is no TOML: {error}", "Mend it.")])
        if isinstance(table, Mapping):
            return _read_project_table(table)
    if not (project / REQUIREMENTS).is_file():
        return Needs(REQUIREMENTS, exists=False)
    needs = Needs(REQUIREMENTS)
    _read_file(needs, project.resolve(), REQUIREMENTS, seen=set())
    return needs


def _read_file(needs: Needs, project: Path, name: str, seen: set[str]) -> None:
    """Read a file of requirements, and those it names with -r, each once.

    project  resolved: nothing outside it is read, and nothing outside it gets to Fivetran
    """
    seen.add(name)
    try:
        text = (project / name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        needs.findings.append(Finding(name, None, "error", f"it cannot be read: {error}", "Save it as UTF-8."))
        return
    for line in _lines(name, text):
        following = _FOLLOWING.match(line.text)
        if following is None:
            _read_requirement(needs, line)
            continue
        path = (project / name).parent / following[1].strip()
        if not path.resolve().is_relative_to(project) or "://" in following[1]:
            what = f"{following[1]} is no file of the project, and is not read"
            needs.findings.append(line.finding("error", what, f"Put what it names into {name}."))
        elif not path.is_file():
            what = f"there is no {following[1]}"
            needs.findings.append(line.finding("error", what, "A name is looked for beside the file it stands in."))
        elif (other := path.resolve().relative_to(project).as_posix()) not in seen:
            _read_file(needs, project, other, seen)


def _read_project_table(table: Mapping[str, object]) -> Needs:
    lines = table.get("dependencies", [])
    if not isinstance(lines, list):
        hint = 'Write a list of them, as in: dependencies = ["pandas==3.0.1"]'
        return Needs(PYPROJECT, findings=[Finding(PYPROJECT, None, "error", "dependencies is no list", hint)])
    needs = Needs(PYPROJECT)
    for line in lines:
        _read_requirement(needs, Line(PYPROJECT, None, str(line)))
    return needs


# `-r other.txt`, as pip takes it.
_FOLLOWING = re.compile(r"(?:-r|--requirement(?=[\s=]))[\s=]*(\S.*)")


def _lines(file: str, text: str) -> list[Line]:
    """Give the requirements in a text, and what names other files of them.

    Comments, other options and hashes are left out, lines ending in a backslash joined.
    """
    lines: list[Line] = []
    pending, start = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        start = start if pending else number
        pending += line.removesuffix("\\")
        if line.endswith("\\"):
            continue
        named = re.sub(r"(^|\s)#.*", "", pending)
        named = re.sub(r"\s--hash[= ]\S+", "", named).strip()
        if named and (not named.startswith("-") or _FOLLOWING.match(named)):
            lines.append(Line(file, start, named))
        pending = ""
    return lines


def _read_requirement(needs: Needs, line: Line) -> None:
    try:
        requirement = Requirement(line.text)
    except InvalidRequirement:
        hint = "Write a name and a version, as in: pandas==3.0.1"
        needs.findings.append(line.finding("error", f"this is no requirement: {line.text}", hint))
        return
    needs.named[canonicalize_name(requirement.name)] = (line, requirement)


def _missing(file: str, imports: tuple[Import, ...], sources: Sources, needs: Needs) -> Iterator[Finding]:
    seen: set[str] = set()
    for each in imports:
        if each.top in seen or _is_at_hand(each.top, sources) or sources.left_out(each.top):
            continue
        seen.add(each.top)
        if each.top == "headwater":
            hint = f"Write `from {SDK} import …`: it means headwater here."
            yield Finding(file, each.line, "error", "it imports headwater, which Fivetran has not", hint)
        elif not _provided(each, needs) and not each.optional:
            yield _missing_finding(file, each, needs)


def _missing_finding(file: str, each: Import, needs: Needs) -> Finding:
    providers = sorted(_providers(each))
    if not providers and find_spec(each.top) is None:
        hint = f"Install what provides it, and name that in {needs.file}."
        return Finding(file, each.line, "error", f"nothing that is installed here provides {each.top!r}", hint)
    package = providers[0] if providers else each.top
    version = _version(package)
    line = package if version is None else f"{package}=={version}"
    where = needs.file if needs.exists else f"a new {needs.file}"
    what = f"{each.module} is imported, but {package} is not in {needs.file}"
    return Finding(file, each.line, "error", what, f"Add to {where}: {line}")


def _provided(each: Import, needs: Needs) -> bool:
    providers = _providers(each) or {canonicalize_name(each.top)}
    return bool(providers & (needs.named.keys() | _with_requests()))


@cache
def _with_requests() -> frozenset[str]:
    """Name what comes along with requests, such as urllib3."""
    needed = map(Requirement, metadata.requires("requests") or [])
    return frozenset(str(canonicalize_name(each.name)) for each in needed if each.marker is None)


def _is_at_hand(top: str, sources: Sources) -> bool:
    """Whether a module comes with Python, the project, or what Fivetran has installed."""
    return top in {"", SDK, "requests", PACKAGE} | sources.own_modules or top in sys.stdlib_module_names


def _distributions(imports: list[Import], sources: Sources) -> Iterator[str]:
    for each in imports:
        if each.top and (each.top == "requests" or not _is_at_hand(each.top, sources)):
            yield from _providers(each) or {canonicalize_name(each.top)}


def _providers(found: Import) -> set[str]:
    """Name the distributions that an import may come from.

    Of those that share a namespace, as `google.cloud.storage` does, only those that have the module itself.
    """
    names = {str(canonicalize_name(name)) for name in _installed().get(found.top, [])}
    if len(names) > 1:
        for module in (f"{found.module}.{found.name}", found.module):
            narrowed = {name for name in names if _has_module(name, module.replace(".", "/"))}
            if narrowed:
                return narrowed
    return names


@cache
def _installed() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _has_module(distribution: str, path: str) -> bool:
    files = metadata.distribution(distribution).files or []
    return any(str(file).startswith((f"{path}/", f"{path}.")) for file in files)


@cache
def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
