"""S: files/state.json is damaged or edited. W: the DuckDB file or its log is damaged, older, newer, or held."""

from __future__ import annotations

import base64
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.killing import PAGE_2_PRINTED, Step, strace
from tests.faults.matrix import BOTH, DUCKDB, GOES_ON, LONG, Fault
from tests.faults.shop import Shop
from tests.faults.warehouses import PostgresWarehouse
from tests.faults.workload import PAGES

# --- state.json

COPIES = {
    "truncated": b'{"pa',
    "not JSON": b"page = 1",
    "a list": b"[1]",
    "nested 10,000 deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "not UTF-8": b'{"page": "\xff"}',
    "20 MB of zeros": bytes(20_000_000),
}


def copy_is_damaged(text: bytes, shop: Shop) -> None:
    shop.page(1)
    shop.state_copy.write_bytes(text)
    shop.run().require(1, f"SYNC FAILED: {shop.state_copy}")
    assert shop.require_one_checkpoint() == 1
    shop.state_copy.unlink()
    shop.require_undisturbed()


def copy_is_empty(shop: Shop) -> None:
    """A crash of the machine may leave a file without its contents."""
    shop.page(1)
    shop.state_copy.write_text("")
    shop.require_undisturbed()


def copy_is_edited(shop: Shop) -> None:
    shop.page(3)
    shop.state_copy.write_text('{"page": 1, "by": "me"}')
    shop.run().require(0, f"{shop.state_copy} was edited: this sync starts from it", '"by": "me"')
    assert shop.committed() == PAGES
    found, expected = shop.warehouse.tables(), shop.undisturbed[PAGES]
    # Pages 2 and 3 came twice: with a key that is once, without one they are rows that nobody had sent before.
    assert found["upserted"] == expected["upserted"]
    assert found["appended"].rows.total() == expected["appended"].rows.total() + 6


def copy_is_left_behind(shop: Shop) -> None:
    """A copy of the page before is what a crash leaves: the destination wins."""
    shop.page(1)
    before = shop.state_copy.read_text()
    shop.page(2)
    shop.state_copy.write_text(before)
    shop.require_undisturbed()


# Between them the state and its copy could come apart.
STATE_SET = (
    Step("the state is not committed", "before", "DESTINATION.commit"),
    Step("the state is committed, the copy is of the one before", "after", "DESTINATION.commit"),
)


def state_set_is_killed(shop: Shop) -> None:
    """Kill `headwater state set` around its commit, and in each call that changes something: old holds, or new."""
    for step in STATE_SET:
        assert killed_while_it_sets(shop, fault=step.fault(shop, signal.SIGKILL))
    calls = (
        ("rename",) if isinstance(shop.warehouse, PostgresWarehouse) else ("write", "pwrite64", "fdatasync", "rename")
    )
    for call in calls:
        for number in range(1, 20 if LONG else 2):
            prefix = strace(f"trace={call}", f"inject={call}:signal=SIGKILL:when={number}")
            if not killed_while_it_sets(shop, prefix=prefix):
                break
    assert shop.trials > len(STATE_SET)


def killed_while_it_sets(shop: Shop, **how: Any) -> bool:
    """Say whether it was killed; then require that the next sync starts from the state that is committed."""
    shop.start_over()
    shop.page(2)
    done = shop.run("set", "--json", '{"page": 1, "by": "me"}', "--yes", command="state", **how)
    if done.code == 0:
        return False
    done.require({-signal.SIGKILL, 128 + signal.SIGKILL})
    shop.trials += 1
    state = shop.warehouse.state()
    assert state in ({"page": 2}, {"page": 1, "by": "me"})
    shop.run().require(0, f"Previous state:\n{json.dumps(state)}\n")
    assert shop.committed() == PAGES
    return True


# --- what `configuration` and `init` write

FORM = """
from headwater import ConfigurationForm, form_field
def configuration_form():
    form = ConfigurationForm()
    form.add_field(form_field.TextField("base_url", "Address", required=True))
    form.add_field(form_field.TextField("api_key", "Key", form_field.TextField.password, required=True))
    return form
def update(configuration, state):
    op.upsert("seen", configuration)
"""
OLD, NEW = {"base_url": "https://old", "more": "1"}, {"base_url": "https://new", "more": "1", "api_key": "canary"}


def configuration_is_killed(shop: Shop) -> None:
    """Kill the form in each call that writes: old or new, never half; asked again, it takes the answers."""
    shop.write(
        "connector.py",
        f"from headwater import Connector, Operations as op\n{FORM}\n"
        "connector = Connector(update=update, configuration_form=configuration_form)\n",
    )
    home = shop.path / "home"
    # Its own bytecode is not what is to be killed.
    shop.environment = {**shop.environment, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    key = home / ".fivetran" / "connector_sdk" / "config_encryption_key"
    # The key comes first: with fsync, under a name that was not taken; then the configuration.
    for call, numbers in (("fsync", (1, 2)), ("link", (1,)), ("rename", (1,)), ("write", ())):
        for number in range(1, 60) if LONG else numbers:
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            shop.configure(**OLD)
            prefix = strace(f"trace={call}", f"inject={call}:signal=SIGKILL:when={number}")
            if answer_form(shop, prefix) == 0:
                assert LONG, f"it makes no {call} number {number}"
                break
            shop.trials += 1
            found = json.loads((shop.path / "configuration.json").read_text())
            assert found == OLD or found.keys() == NEW.keys()
            assert not key.exists() or len(base64.b64decode(key.read_text())) == 32
            assert answer_form(shop) == 0
            assert {
                path.name
                for path in (*shop.path.iterdir(), *key.parent.iterdir())
                if ".configuration" in path.name or ".config_" in path.name
            } == set()
            shop.run().require(0)
            shown = {name: shop.warehouse.values("seen", name) for name in NEW}
            assert shown == {name: [value] for name, value in NEW.items()}
            shop.warehouse.clear()
            shutil.rmtree(shop.files)


def answer_form(shop: Shop, prefix: list[str] | None = None) -> int:
    """Fill in the form on a terminal; give the exit code."""
    here, there = pty.openpty()
    command = [*(prefix or []), sys.executable, "-m", "headwater", "configuration"]
    with subprocess.Popen(
        command, cwd=shop.path, env=shop.surroundings(), stdin=there, stdout=there, stderr=there,
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(there)
        said = b""
        answers = [(b"Address", b"https://new\n"), (b"Key", b"canary\n")]
        try:
            while data := os.read(here, 65536):
                said += data
                if answers and said.rstrip().endswith((b":", b"]")) and answers[0][0] in said:
                    os.write(here, answers.pop(0)[1])
        except OSError:  # Linux: the command has ended
            pass
        finally:
            os.close(here)
    return process.returncode


def init_is_killed(shop: Shop) -> None:
    """Kill `init` in each call that writes: each file is whole or not there; run again, all are there."""
    shop.environment = {**shop.environment, "PYTHONDONTWRITEBYTECODE": "1"}
    whole = shop.path / "whole"
    assert init(shop, whole) == 0
    expected = contents(whole)
    for call in ("openat", "write", "fsync", "rename") if LONG else ("fsync", "rename"):
        for number in range(1, 1000) if LONG else (1, len(expected)):
            folder = shop.path / "new"
            shutil.rmtree(folder, ignore_errors=True)
            prefix = strace(f"trace={call}", f"inject={call}:signal=SIGKILL:when={number}")
            if init(shop, folder, prefix) == 0:
                assert LONG, f"it makes no {call} number {number}"
                break
            shop.trials += 1
            left = contents(folder) if folder.exists() else {}
            named = {name: content for name, content in left.items() if name in expected}
            assert named.items() <= expected.items()
            assert init(shop, folder) == 0
            assert contents(folder) == expected


def init(shop: Shop, folder: Path, prefix: list[str] | None = None) -> int:
    return subprocess.run(
        [*(prefix or []), sys.executable, "-m", "headwater", "init", str(folder), "--template", "quickstart/weather"],
        cwd=shop.path, env=shop.surroundings(), stdin=subprocess.DEVNULL, capture_output=True, check=False,
    ).returncode  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- the DuckDB file


def database(shop: Shop) -> Path:
    return shop.files / "warehouse.db"


def log(shop: Shop) -> Path:
    return shop.files / "warehouse.db.wal"


def kill_after_two_pages(shop: Shop) -> None:
    """Leave two checkpoints, in the log: a sync that ends well writes them into the file."""
    shop.run(fault=PAGE_2_PRINTED.fault(shop, signal.SIGKILL)).require(-signal.SIGKILL)
    assert shop.require_one_checkpoint() == 2


def log_is_cut_short(shop: Shop) -> None:
    kill_after_two_pages(shop)
    size = log(shop).stat().st_size
    os.truncate(log(shop), size - 100)
    assert shop.require_one_checkpoint() == 1
    shop.run().require(1, f"{shop.state_copy} is not the destination's state, and the last sync died", "Delete it")
    shop.state_copy.unlink()
    shop.require_undisturbed()


def log_is_damaged(shop: Shop) -> None:
    kill_after_two_pages(shop)
    whole = log(shop).read_bytes()
    log(shop).write_bytes(_flipped(whole, len(whole) // 2))
    shop.run().require(
        1, f"SYNC FAILED: {database(shop)} cannot be opened", "move it away with its .wal, or restore it"
    )
    log(shop).write_bytes(whole)
    shop.require_undisturbed()


def log_is_removed(shop: Shop) -> None:
    """DuckDB opens what is left, and says nothing."""
    kill_after_two_pages(shop)
    log(shop).unlink()
    for _ in range(2):
        shop.run().require(1, "the destination is older than the last sync left it", "--accept-older")
    assert shop.committed() == 0
    shop.run("--accept-older").require(0, "Previous state:\n{}\n")
    shop.require_complete()


def older_copy_is_restored(shop: Shop) -> None:
    """A backup of the destination is taken live, in the middle of a sync's history, and brought back later."""
    shop.page(1)
    backup = shop.path / "backup.db"
    shutil.copy(database(shop), backup)
    shop.page(2)
    shop.page(3)
    backup.replace(database(shop))
    shop.run().require(1, "the destination is older than the last sync left it", "--accept-older")
    shop.run("--accept-older").require(0, 'Previous state:\n{"page": 1}\n')
    shop.require_complete()


def all_is_restored(shop: Shop) -> None:
    """The whole folder, as a sync that is killed leaves it, goes on elsewhere."""
    kill_after_two_pages(shop)
    moved = shop.another()
    shutil.copytree(shop.files, moved.files)
    moved.warehouse = type(shop.warehouse)(database(moved))  # type: ignore[call-arg]  # only DuckDB is a file
    moved.write("headwater.toml", (shop.path / "headwater.toml").read_text().replace(str(shop.path), str(moved.path)))
    moved.require_undisturbed()


def header_is_damaged(shop: Shop) -> None:
    shop.page(1)
    whole = database(shop).read_bytes()
    database(shop).write_bytes(_flipped(whole, 100))
    shop.run().require(
        1, f"SYNC FAILED: {database(shop)} cannot be opened", "move it away with its .wal, or restore it"
    )
    database(shop).write_bytes(whole)
    shop.require_undisturbed()


def is_no_database(shop: Shop) -> None:
    shop.files.mkdir()
    database(shop).write_text("id,name\n1,a\n" * 1000)
    shop.run().require(1, f"SYNC FAILED: {database(shop)} cannot be opened")
    assert database(shop).read_text() == "id,name\n1,a\n" * 1000
    database(shop).unlink()
    shop.require_undisturbed()


def is_of_a_newer_version(shop: Shop) -> None:
    """The version of the file's format is raised, and the checksum of its header made right again."""
    shop.page(1)
    whole = database(shop).read_bytes()
    header = bytearray(whole[:4096])
    struct.pack_into("<Q", header, 12, 99_999)
    struct.pack_into("<Q", header, 0, _checksum(bytes(header[8:])))
    database(shop).write_bytes(bytes(header) + whole[4096:])
    shop.run().require(1, f"SYNC FAILED: {database(shop)} cannot be opened", "version number 99999")
    database(shop).write_bytes(whole)
    shop.require_undisturbed()


HOLDER = "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.readline()"


def is_held(shop: Shop) -> None:
    shop.page(1)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(database(shop))], env=dict(shop.environment), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        shop.run().require(1, f"{database(shop)} is open elsewhere", "close that program, or wait for that sync")
        holder.communicate("\n")
    shop.require_undisturbed()


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _checksum(data: bytes) -> int:
    """Compute the checksum that DuckDB 2.0 keeps of a block."""
    result = 5381
    for (word,) in struct.iter_unpack("<Q", data):
        result ^= word * 0xBF58476D1CE4E5B9 % 2**64
    return result


# --- the history


def history_is_no_database(shop: Shop) -> None:
    shop.page(1)
    (shop.files / "runs.db").write_text("not SQLite" * 100)
    shop.run().require(1, "runs.db cannot be used: file is not a database", "you may delete it")
    assert shop.require_one_checkpoint() == 1
    (shop.files / "runs.db").unlink()
    shop.require_undisturbed()


REFUSED = "exit 1, says which file and what to do; nothing is changed; once it is mended, all goes on"

FAULTS = [
    *(
        Fault(
            f"S{number}",
            f"state.json is {what}",
            "written into it",
            REFUSED,
            partial(copy_is_damaged, text),
            (DUCKDB,),
            short=(DUCKDB,) if number == 1 else (),
        )
        for number, (what, text) in enumerate(COPIES.items(), start=1)
    ),
    Fault(
        "S11",
        "state.json is empty",
        "written into it",
        "the destination's state is what counts",
        copy_is_empty,
        (DUCKDB,),
    ),
    Fault(
        "S12",
        "state.json is of the page before",
        "written into it",
        "the destination's state is what counts",
        copy_is_left_behind,
    ),
    Fault(
        "S13",
        "state.json is edited by a person",
        "written into it",
        "the sync starts from it, and says so",
        copy_is_edited,
    ),
    Fault(
        "S14",
        "runs.db is damaged",
        "overwritten",
        REFUSED,
        history_is_no_database,
        BOTH[:1],
    ),
    Fault(
        "S15",
        "kill -9 of `headwater state set`: before and after its commit, in the Nth system call of a kind",
        "the process kills itself; strace",
        "the old state, or the new one, with its copy; the next sync starts from it",
        state_set_is_killed,
        covers=("F13", "F34"),
        short=(DUCKDB,),
    ),
    Fault(
        "S16",
        "kill -9 of `headwater configuration` in the Nth system call of a kind",
        "strace, a terminal",
        "the old configuration, or the new one; filled in again, it is what a sync gets",
        configuration_is_killed,
        (DUCKDB,),
        ("F13", "F34"),
    ),
    Fault(
        "S17",
        "kill -9 of `headwater init` in the Nth system call of a kind",
        "strace",
        "each file whole or not there; run again, the project is whole",
        init_is_killed,
        (DUCKDB,),
        ("F34",),
    ),
    Fault(
        "W1",
        "the log is cut short",
        "100 bytes are cut off",
        "the last whole checkpoint, rows and state; a state.json that is ahead of it is refused",
        log_is_cut_short,
        (DUCKDB,),
        ("F11",),
    ),
    Fault(
        "W2",
        "the log is damaged",
        "one byte is flipped",
        REFUSED,
        log_is_damaged,
        (DUCKDB,),
        ("F11",),
        short=(),
    ),
    Fault(
        "W3",
        "the log is removed",
        "deleted",
        "exit 1: the destination went backwards, until --accept-older",
        log_is_removed,
        (DUCKDB,),
        ("F11",),
    ),
    Fault(
        "W4",
        "an older copy is restored",
        "copied back",
        "exit 1: the destination went backwards, until --accept-older",
        older_copy_is_restored,
        (DUCKDB,),
        ("F11", "F38"),
    ),
    Fault(
        "W5",
        "the project goes on from a copy of what a killed sync left",
        "copied elsewhere",
        GOES_ON,
        all_is_restored,
        (DUCKDB,),
        ("F38",),
    ),
    Fault(
        "W6",
        "the header of the file is damaged",
        "one byte is flipped",
        REFUSED,
        header_is_damaged,
        (DUCKDB,),
        ("F11",),
    ),
    Fault(
        "W7",
        "the file is no database",
        "a text in its place",
        f"{REFUSED}; the text stays",
        is_no_database,
        (DUCKDB,),
        short=(),
    ),
    Fault(
        "W8",
        "the file is of a newer version of DuckDB",
        "the version in its header raised",
        REFUSED,
        is_of_a_newer_version,
        (DUCKDB,),
        ("F33",),
    ),
    Fault("W9", "another program has the file open", "another process", REFUSED, is_held, (DUCKDB,), ("F14",)),
]
