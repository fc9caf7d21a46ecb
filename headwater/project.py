"""A project: the folder with connector.py, what a sync leaves there, and who may sync it now."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import NoReturn

from headwater.connector import Connector
from headwater.errors import Busy, ConfigurationError, ConnectorError

MODULE = "connector_connector_code"


class Project:
    """A folder with a connector.py.

    Errors: ConfigurationError when the folder or connector.py is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._modules_before: frozenset[str] | None = None
        if not self.path.is_dir():
            raise ConfigurationError(f"{path} is not a folder", hint="Name the folder that holds connector.py.")

    @property
    def files(self) -> Path:
        """The folder for everything a sync leaves: warehouse.db, state.json, runs.db."""
        return self.path / "files"

    @property
    def state_copy(self) -> Path:
        return self.files / "state.json"

    @property
    def connector_file(self) -> Path:
        """The author's connector.py.

        Errors: ConfigurationError when there is none.
        """
        path = self.path / "connector.py"
        if not path.is_file():
            raise ConfigurationError(
                f"{self.path} holds no connector.py", hint="Go into the project's folder, or name it."
            )
        return path

    def load_connector(self) -> Connector:
        """Import connector.py, the project's folder first on the path, and give its `connector` (rule A-05).

        It is imported anew each time, with all modules of the project: what an earlier attempt of a sync has kept in
        them speaks of rows that may never have been committed.
        """
        path = self.connector_file
        self._forget_modules()
        loader = _FromSource(MODULE, str(path))
        spec = importlib.util.spec_from_loader(MODULE, loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[MODULE] = module
        loader.exec_module(module)
        connector = getattr(module, "connector", None)
        if not isinstance(connector, Connector):
            raise ConnectorError(
                f"{path} defines no `connector`" if connector is None else f"{path}: `connector` is no Connector",
                hint="End it with: connector = Connector(update=update, schema=schema)",
            )
        return connector

    def _forget_modules(self) -> None:
        if self._modules_before is None:
            self._modules_before = frozenset(sys.modules)
            sys.path.insert(0, str(self.path))
        for name, module in list(sys.modules.items()):
            if name not in self._modules_before and self._is_own(getattr(module, "__file__", None)):
                del sys.modules[name]

    def _is_own(self, file: str | None) -> bool:
        """Say whether a module is the project's own, not that of a package installed into an environment inside it."""
        return file is not None and Path(file).is_relative_to(self.path) and "site-packages" not in Path(file).parts

    @property
    def _lock_file(self) -> Path:
        return self.files / "sync.lock"

    def require_idle(self) -> None:
        """Look whether a sync of this project is running, without a trace: a project may be read-only.

        Errors: Busy, as `locked`.
        """
        try:
            descriptor = os.open(self._lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(os.pread(descriptor, 4096, 0)) from None
        finally:
            os.close(descriptor)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other syncs of this project out; the system lets go of the lock when the process dies.

        Errors: Busy, with the pid and start of the sync that holds it; ConfigurationError where nothing can be kept.
        """
        try:
            # Rows, state and history are nobody else's on this machine.
            self.files.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = _lock(self._lock_file)
        except OSError as error:
            raise ConfigurationError(
                f"{self.files} cannot be used: {error.strerror}",
                hint="A sync keeps its lock, its history and a copy of the state there: let this user write to it.",
            ) from error
        try:
            holder = {"pid": os.getpid(), "started": datetime.now(UTC).isoformat(timespec="seconds")}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(holder).encode(), 0)
            yield
        finally:
            os.close(descriptor)


class _FromSource(SourceFileLoader):
    """Compiles a file as it is now.

    Python takes its compiled file for new while size and second of the source are the same: two edits in one second.
    """

    def path_stats(self, path: str) -> NoReturn:
        """Give no time: then nothing compiled is read or written."""
        raise OSError(path)


def _lock(path: Path) -> int:
    """Open and lock the file at `path`; a file that `reset` removed in between is not it any more."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            holder = os.pread(descriptor, 4096, 0)
            os.close(descriptor)
            raise _busy(holder) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _busy(text: bytes) -> Busy:
    try:
        holder = json.loads(text)
        who = f"pid {holder['pid']}, started {holder['started']}"
    except (ValueError, KeyError, TypeError):
        who = "it has just started"
    return Busy(f"another sync of this project is running ({who})", hint="Wait for it, or end it, and run this again.")
