"""What `headwater debug` says of its memory, and what ends it (rule E-07)."""

from __future__ import annotations

import re
import subprocess
import sys

from headwater.memory import memory_mb, peak_mb
from tests.cli.cli_project import CliProject

COMMAND = "from headwater import memory; memory.{} = {}; from headwater.cli import main; main()"
HOARDER = """
op.upsert("orders", {"id": 1})
op.checkpoint({"n": 1})
op.upsert("orders", {"id": 2})
hoard = []
while True:
    hoard.append(bytearray(20_000_000))
    time.sleep(0.01)
"""


def debug_with(project: CliProject, limit: str, megabytes: int) -> subprocess.CompletedProcess[str]:
    """Run `headwater debug` with a limit that a test can reach."""
    return subprocess.run(
        [sys.executable, "-c", COMMAND.format(limit, megabytes), "debug"],
        cwd=project.path, env=project.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_e07_a_connector_that_hoards_is_ended_at_the_limit_and_its_last_checkpoint_stays(project: CliProject) -> None:
    project.connector(HOARDER, top="import time")

    ended = debug_with(project, "LIMIT_MB", 500)

    said = re.search(r"SYNC FAILED: the sync holds (\d+) MB of memory; 500 MB is the limit\n  Emit rows", ended.stdout)
    assert (ended.returncode, project.ids(), project.state) == (1, [1], {"n": 1})
    assert said is not None
    assert 500 < int(said[1]) < 1_500
    assert "1 checkpoint is committed; the next sync goes on from there" in ended.stdout


def test_e07_a_sync_says_how_much_it_held_and_warns_above_what_fivetran_gives(project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": len(b"x" * 300_000_000)})')

    ended = debug_with(project, "FIVETRAN_MB", 250)

    held = re.search(r"^Memory: at most (\d+) MB$", ended.stdout, re.MULTILINE)
    assert ended.returncode == 0
    assert held is not None
    assert 300 < int(held[1]) < 800
    assert "MB at most; on Fivetran a connector has 250 MB, though without the destination\n" in ended.stdout


def test_the_peak_is_never_less_than_what_is_held_now() -> None:
    before = memory_mb()
    block = b"x" * 50_000_000
    held = memory_mb()
    del block

    assert held - before > 40
    assert peak_mb() > held - 5  # Linux counts both a little late
