"""A Postgres server of its own on 127.0.0.1, in a temporary directory, ended when the tests are."""

from __future__ import annotations

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

START_SECONDS = 30
PORT_ATTEMPTS = 5


def server_programs() -> Path:
    """Find the directory of the server's programs: Debian keeps them off the PATH."""
    on_path = shutil.which("postgres")
    if on_path:
        return Path(on_path).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not installed:
        raise RuntimeError("no Postgres server: apt-get install postgresql (the tests run against a real one)")
    return installed[-1].parent


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start a server, and give the connection string of its database."""
    programs = server_programs()
    # Not pytest's tmp_path: its parents are closed to the user that the server runs as.
    directory = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        _own(directory)
        data = directory / "data"
        _run([str(programs / "initdb"), "-D", str(data), "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync"])
        process, port = _started(programs, data, directory)
        try:
            yield f"host=127.0.0.1 port={port} user=tester dbname=postgres"
        finally:
            process.send_signal(signal.SIGINT)  # Postgres' fast shutdown; SIGTERM waits for open connections
            process.wait(timeout=START_SECONDS)
    finally:
        shutil.rmtree(directory)


def _started(programs: Path, data: Path, directory: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start on a free port; another process may take the port in between, so try a few."""
    for _ in range(PORT_ATTEMPTS):
        port = _free_port()
        options = ["-p", str(port), "-k", str(directory), "-h", "127.0.0.1", "-F"]
        with (directory / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(programs / "postgres"), "-D", str(data), *options], stdout=log, stderr=log, user=_user()
            )
        if _answers(programs, process, port):
            return process, port
        process.kill()
        process.wait()
    raise RuntimeError(f"Postgres did not start: {(directory / 'log').read_text()}")


def _answers(programs: Path, process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        ready = subprocess.run([str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)], check=False)
        if ready.returncode == 0:
            return True
        time.sleep(0.05)
    return False


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


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, user=_user(), cwd="/")
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")
