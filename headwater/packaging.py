"""The package of a project: the zip that Fivetran runs (rules E-20 to E-22)."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from dataclasses import dataclass
from importlib.util import decode_source
from pathlib import Path

from headwater.compat import fivetran
from headwater.errors import ConfigurationError, ConnectorError
from headwater.form_message import form_message
from headwater.project import Project
from headwater.project_files import find_project_files
from headwater.vendoring import PACKAGE, vendored
from headwater.whole_file import write_whole

CONNECTOR = "connector.py"
FORM = "configuration_form.pb"
DRIVERS, INSTALLATION = "drivers/", "drivers/installation.sh"
# The earliest time a zip can hold: the same files give the same bytes, whenever they were written.
_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE, _RUNNABLE = stat.S_IFREG | 0o644, stat.S_IFREG | 0o755


@dataclass(frozen=True, slots=True)
class Package:
    """A zip that was written.

    files   the names in it, in order
    sha256  of the zip, hexadecimal: Fivetran shows the same of the packages it has
    """

    path: Path
    files: list[str]
    bytes: int
    sha256: str


def package(project: Project, *, vendor: bool = False) -> Package:
    """Write files/NAME.zip, NAME being that of the project's folder; the project's own files are only read.

    vendor  put the `sdk_helpers` modules in that the project uses and does not hold itself

    Errors: ConfigurationError for what cannot be packaged; ConnectorError when the form cannot be made.
    """
    files = find_project_files(project.path).require_whole()
    contents = {file.name: file.path.read_bytes() for file in files}
    _require_layout(contents)
    contents = {**_helpers(contents, vendor=vendor), **contents, FORM: _form(project, contents)}
    runnable = {file.name for file in files if file.path.stat().st_mode & stat.S_IXUSR}
    content = _zipped(contents, runnable)
    target = project.files / f"{project.path.name}.zip"
    _write(target, content)
    return Package(target, sorted(contents), len(content), hashlib.sha256(content).hexdigest())


def _require_layout(contents: dict[str, bytes]) -> None:
    if CONNECTOR not in contents:
        raise ConfigurationError("the package would have no connector.py", hint="Go into the project's folder.")
    if any(name.startswith(DRIVERS) for name in contents) and INSTALLATION not in contents:
        raise ConfigurationError(
            f"{DRIVERS} holds no installation.sh",
            hint="Fivetran runs it to install what the folder holds: write it, or rename the folder.",
        )


def _helpers(contents: dict[str, bytes], *, vendor: bool) -> dict[str, bytes]:
    """Give the helpers to put in.

    Errors: ConfigurationError when there are some, and `vendor` is not asked for.
    """
    needed: dict[str, bytes] = {}
    for name, content in contents.items():
        if name.endswith(".py"):
            needed |= _helpers_of(name, content)
    missing = sorted(needed.keys() - contents.keys())
    if missing and not vendor:
        raise ConfigurationError(
            f"the project uses {PACKAGE}, which Fivetran has not",
            hint=f"Put {', '.join(missing)} in with --vendor.",
        )
    return {name: needed[name] for name in missing}


def _helpers_of(name: str, content: bytes) -> dict[str, bytes]:
    try:
        return vendored([decode_source(content)])
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last: what is nested too deeply
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise ConnectorError(f"{name}{line}: Python cannot read it: {reason}", hint="See `headwater check`.") from error


def _form(project: Project, contents: dict[str, bytes]) -> bytes:
    """Encode the connector's form; nothing when it has none (rule A-103).

    connector.py is imported only where some file of the project speaks of a form.
    """
    if not any(b"configuration_form" in content for name, content in contents.items() if name.endswith(".py")):
        return b""
    fivetran.install()
    method = project.load_connector().configuration_form_method
    return b"" if method is None else form_message(method())


def _zipped(contents: dict[str, bytes], runnable: set[str]) -> bytes:
    """Write a zip; not compressed, since compressors differ from machine to machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents):
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system = 3  # Unix, whatever this is
            info.external_attr = (_RUNNABLE if name in runnable else _READABLE) << 16
            archive.writestr(info, contents[name])
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    if path.is_symlink():
        raise ConfigurationError(f"{path} is a link", hint="Remove it: the package is written in its place.")
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, content, durable=False)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}", hint="Make the project's folder writable, or package a copy."
        ) from error
