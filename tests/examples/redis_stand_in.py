"""A real Redis on 127.0.0.1 with streams in it, and the groups that read them.

A seed is a .json file: {"stream": [{"id": "1709285400123-0", "field": "text"}]}
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import redis

START_SECONDS = 10
PORT_ATTEMPTS = 5


class RedisServer:
    """A server that runs; its client may do what it likes."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self.client = redis.Redis.from_url(self.url)

    def fill(self, seeds: Sequence[Path]) -> None:
        """Forget everything, and add what these files say."""
        self.client.flushall()
        self.add(seeds)

    def add(self, seeds: Sequence[Path]) -> None:
        """Add entries; groups have read and acknowledged what they had."""
        for seed in seeds:
            for stream, entries in json.loads(seed.read_text(encoding="utf-8")).items():
                for entry in entries:
                    self.client.xadd(stream, {k: v for k, v in entry.items() if k != "id"}, id=entry["id"])

    def snapshot(self) -> Callable[[], None]:
        """Remember the streams, with their groups and what is pending in them; the result brings them back."""
        kept = [(key, self.client.dump(key)) for key in self.client.scan_iter()]

        def restore() -> None:
            self.client.flushall()
            for key, value in kept:
                assert value is not None, f"{key!r} was removed while it was read"
                self.client.restore(key, 0, value)

        return restore


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Start a server, and stop it in the end."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("no redis-server: run `make .venv/.system` (the tests run against a real one)")
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        process, port = _started_somewhere(program, folder)
        try:
            server = RedisServer(port)
            with closing(server.client):
                yield server
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


def _started_somewhere(program: str, folder: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start on a free port; another process may take the port in between, so try a few."""
    for _ in range(PORT_ATTEMPTS):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        process = subprocess.Popen(
            [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder, "--logfile", "log"]
        )
        if _answers(process, port):
            return process, port
    raise RuntimeError(f"Redis did not start: {Path(folder, 'log').read_text(encoding='utf-8')}")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether this process, and not another one at its port, answers in time; it is ended if not."""
    deadline = time.monotonic() + START_SECONDS
    with closing(redis.Redis(port=port)) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if client.info("server")["process_id"] == process.pid:
                    return True
            except redis.ConnectionError:
                time.sleep(0.01)
    process.kill()
    process.wait()
    return False
