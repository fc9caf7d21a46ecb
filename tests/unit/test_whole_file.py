"""Files that are old or new, never half."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.whole_file import remove_halves, write_new, write_whole


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "state.json"
    write_whole(path, '{"a": "é"}', durable=durable)
    write_whole(path, "{}", durable=durable)

    assert path.read_text(encoding="utf-8") == "{}"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_whole(path, "{}")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")

    assert path.read_text(encoding="utf-8") == "{}"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_private_is_the_owners(tmp_path: Path) -> None:
    path = tmp_path / "key"
    left = tmp_path / f".key.{os.getpid()}"
    left.touch(mode=0o644)
    write_whole(path, b"1", private=True)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_file_takes_no_name_that_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_new(path, "mine")
    with pytest.raises(FileExistsError):
        write_new(path, "another")

    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_halves_of_dead_writers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        for name in (f".a[1].{ended.pid}", f".a[1].{os.getpid()}", f".a[1].{alive.pid}", ".a[1].swp", "a[1]", ".a1.5"):
            (tmp_path / name).touch()
        remove_halves(tmp_path / "a[1]")
        left = {path.name for path in tmp_path.iterdir()}
        alive.communicate(b"\n")

    assert left == {f".a[1].{alive.pid}", ".a[1].swp", "a[1]", ".a1.5"}
