"""A Postgres server of its own on 127.0.0.1, in a temporary directory, ended when the tests are."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

START_SECONDS = 30
PORT_ATTEMPTS = 5


def server_programs() -> Path:
    """Find the directory of the server's programs: Debian keeps them off the PATH."""
    on_path = shutil.which("postgres")
    if on_path:
        return Path(on_path).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not installed:
        raise RuntimeError("no Postgres server: run `make .venv/.system` (the tests run against a real one)")
    return installed[-1].parent


class PostgresServer:
    """A server that runs, its superuser `tester` without a password, and the databases that tests make on it.

    durable  writes wait for the disk: needed only where the server itself is to crash
    """

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        self._directory = directory
        self._data = directory / "data"
        self._durable = durable
        self._numbers = itertools.count(1)
        programs = server_programs()
        self._programs = programs
        _run(programs / "initdb", "-D", self._data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
        self._process, self.port = self._started_somewhere()

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=tester dbname=postgres"

    def url(self, database: str = "postgres", user: str = "tester") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str, *, database: str = "postgres", user: str = "tester") -> None:
        with psycopg.connect(self.url(database, user), autocommit=True) as db:
            db.execute(sql)

    def fetch(self, sql: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as db:
            db.execute("SET TimeZone = 'UTC'")
            return db.execute(sql).fetchall()

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, and drop it in the end, whoever is still in it."""
        name = f"database_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def require_password(self, role: str, password: str) -> None:
        """Make a role, unless it is there, that needs this password."""
        rules = self._data / "pg_hba.conf"
        rule = f"host all {role} 127.0.0.1/32 scram-sha-256\n"
        if rule not in rules.read_text():
            self.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
            rules.write_text(rule + rules.read_text())
            self.execute("SELECT pg_reload_conf()")

    @contextmanager
    def small_disk(self, megabytes: int = 4) -> Iterator[Path]:
        """Mount a small file system that the server may write to; only root may."""
        if os.geteuid() != 0:
            pytest.skip("only root may mount a small file system")
        folder = self._directory / "small disk"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
        try:
            _own(folder)
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
            folder.rmdir()

    def restart_at_once(self) -> None:
        """Stop without waiting for anybody and without a checkpoint, as in a crash, and start again."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=START_SECONDS)
        self._start_again()

    def _start_again(self) -> None:
        process = self._started(self.port)
        if process is None:
            raise RuntimeError(f"Postgres did not start again: {self._log()}")
        self._process = process

    def backup(self, name: str) -> Path:
        """Copy the running server with pg_basebackup, into a folder beside its own."""
        folder = self._directory / name
        _run(
            self._programs / "pg_basebackup", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tester",
            "-D", folder, "--checkpoint=fast", "--no-sync",
        )  # fmt: skip
        return folder

    def restore(self, backup: Path) -> None:
        """Let the server be what it was when the backup was made."""
        self.stop()
        shutil.rmtree(self._data)
        backup.rename(self._data)
        self._start_again()

    def require_tls(self, certificate: bytes, key: bytes) -> None:
        """Let clients in over TLS only, with this certificate, PEM, from now on."""
        for name, content in (("server.crt", certificate), ("server.key", key)):
            path = self._data / name
            path.write_bytes(content)
            path.chmod(0o600)
            _own(path)
        rules = self._data / "pg_hba.conf"
        rules.write_text(rules.read_text().replace("\nhost ", "\nhostssl "))
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write("ssl = on\n")
        self.stop()
        self._start_again()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # Postgres' fast shutdown; SIGTERM waits for open connections
        self._process.wait(timeout=START_SECONDS)

    def _started_somewhere(self) -> tuple[subprocess.Popen[bytes], int]:
        """Start on a free port; another process may take the port in between, so try a few."""
        for _ in range(PORT_ATTEMPTS):
            port = _free_port()
            process = self._started(port)
            if process is not None:
                return process, port
        raise RuntimeError(f"Postgres did not start: {self._log()}")

    def _started(self, port: int) -> subprocess.Popen[bytes] | None:
        options = ["-p", str(port), "-k", str(self._directory), "-h", "127.0.0.1", *([] if self._durable else ["-F"])]
        with (self._directory / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *options],
                stdout=log, stderr=log, user=_user(), cwd="/",
            )  # fmt: skip
        if self._answers(process, port):
            return process
        process.kill()
        process.wait()
        return None

    def _answers(self, process: subprocess.Popen[bytes], port: int) -> bool:
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if subprocess.run(ready, check=False).returncode == 0:
                return True
            time.sleep(0.05)
        return False

    def _log(self) -> str:
        return (self._directory / "log").read_text()


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """Start a server, and stop it in the end."""
    # Not pytest's tmp_path: its parents are closed to the user that the server runs as.
    directory = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        _own(directory)
        server = PostgresServer(directory, durable=durable)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _user() -> str | None:
    """Postgres refuses to run as root: the user to run as, or None for the present one."""
    return "postgres" if os.geteuid() == 0 else None


def _own(directory: Path) -> None:
    user = _user()
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(directory, entry.pw_uid, entry.pw_gid)


def _run(*command: Path | str) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, user=_user(), cwd="/")
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")
