"""A `fivetran` command in this environment that is headwater's."""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from headwater.errors import ConfigurationError

OFFICIAL = ("fivetran-connector-sdk", "fivetran-connector-sdk-core", "fivetran-cli")
# Longer ones were cut off by Linux before 5.0; none may hold a blank.
_MAX_SHEBANG = 127
_SCRIPT = """\
# Made by `headwater alias`; `headwater alias --remove` takes it away.
from headwater.cli import main

main()
"""


def alias_path() -> Path:
    """Where the command of this environment is, or would be."""
    return Path(sysconfig.get_path("scripts")) / "fivetran"


def add_alias() -> Path:
    """Write the command `fivetran`; one that is there already stays.

    Errors: ConfigurationError where the official package is installed, or another `fivetran` is there.
    """
    for name in OFFICIAL:
        if (version := _version(name)) is not None:
            raise ConfigurationError(
                f"{name} {version} is installed here, and `fivetran` is its command",
                hint=f"Uninstall it first, or use an environment without it: pip uninstall {name}.",
            )
    path = alias_path()
    if _is_ours(path):
        return path
    _require_no_other(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(alias_script(), encoding="utf-8")
        temporary.chmod(0o755)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def remove_alias() -> bool:
    """Remove the command; say whether there was one.

    Errors: ConfigurationError when `fivetran` is somebody else's.
    """
    path = alias_path()
    if not _is_ours(path):
        _require_no_other(path)
        return False
    path.unlink()
    return True


def alias_script() -> str:
    """Write the command for this environment's interpreter."""
    return _start(sys.executable) + _SCRIPT


def _start(interpreter: str) -> str:
    """Write the lines that hand a script to its interpreter, as pip writes them.

    >>> print(_start("/my env/bin/python"), end="")  # the shell runs the second line, Python takes it for a text
    #!/bin/sh
    '''exec' '/my env/bin/python' "$0" "$@"
    ' '''
    """
    shebang = f"#!{interpreter}\n"
    if " " not in interpreter and len(shebang.encode()) <= _MAX_SHEBANG:
        return shebang
    return f"#!/bin/sh\n'''exec' {shlex.quote(interpreter)} \"$0\" \"$@\"\n' '''\n"


def _is_ours(path: Path) -> bool:
    # Whatever the interpreter: the environment may have been moved.
    return path.is_file() and path.read_bytes().endswith(_SCRIPT.encode())


def _require_no_other(path: Path) -> None:
    if path.is_symlink() or path.exists():
        raise ConfigurationError(f"{path} is not headwater's", hint="Remove it first, if it is of no use any more.")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
