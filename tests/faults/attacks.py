"""A, B, D: hostile names and values, configurations that try to be more, and files that others may read."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.extremes import connector
from tests.faults.matrix import DUCKDB, EVERY, MEMORY, POSTGRES, Fault
from tests.faults.memory_shop import MemoryShop
from tests.faults.shop import Shop
from tests.faults.warehouses import DuckDBWarehouse, PostgresWarehouse

# Names as a source may choose them; every destination holds all of them.
HOSTILE_NAMES = (
    'x"; DROP TABLE canary;--',
    "x'; DROP TABLE canary;--",
    '"',
    '""',
    "../../x",
    "select",
    "Robert'); --",
    "table\\",
    "a b\tc",
    "%s %(x)s {x} $1 :x ?",
    "зказ",  # letters that look like others
    "x" * 300,
    "x" * 299 + "y",
    "ﬁeld",  # one letter where others have two
    "a\u202eb\ufeff",
    "order by 1",
    "C:\\x",
    "/etc/passwd",
    "..",
)
NUL_NAME = "na\0me"
HOSTILE_VALUES = (
    "\\.",
    "\\N",
    "\\",
    '"',
    "a\tb\nc\r\nd",
    "a,b;c|d",
    "'; DROP TABLE canary;--",
    "NULL",
    "",
    "=cmd()|' /C calc'!A0",
    "\u2028\u202e\ufeff",
    "\U0001f600",
    "%s $1 {x}",
)


def hostile_names(shop: Shop) -> None:
    """Each name is a table's and a column's at once; none of them may do anything but be a name."""
    canary(shop)
    body = f"""
for number, name in enumerate({HOSTILE_NAMES!r}):
    op.upsert(name, {{"id": number, name: "here"}})
"""
    connector(shop, body)
    shop.run("--naming", "SOURCE").require(0)
    tables = {name: found for name, found in shop.warehouse.tables().items() if name != "canary"}
    assert len(tables) == len(HOSTILE_NAMES)
    assert {found.rows.total() for found in tables.values()} == {1}
    # Four of its own beside the name; each has the row that was meant for it.
    assert {len(found.columns) for found in tables.values()} == {5}
    if not isinstance(shop.warehouse, PostgresWarehouse):  # which shortens names to 63 bytes
        assert set(tables) == set(HOSTILE_NAMES)
        assert {(name, *shop.warehouse.values(name, name)) for name in tables} == {(n, "here") for n in HOSTILE_NAMES}
    require_canary(shop)


def nul_in_names(shop: Shop) -> None:
    """Where a name with U+0000 can be kept it is one; else it is refused by name, and what was committed stays."""
    canary(shop)
    body = f"""
op.upsert("before", {{"id": 1}})
op.checkpoint({{"page": 1}})
if configuration["in"] == "table":
    op.upsert({NUL_NAME!r}, {{"id": 2}})
else:
    op.upsert("after", {{"id": 2, {NUL_NAME!r}: 3}})
op.checkpoint({{"page": 2}})
"""
    connector(shop, body)
    refused = {POSTGRES: "table", DUCKDB: "column", MEMORY: None}[kind_of(shop)]
    for place, table in (("table", "tester.na\\x00me"), ("column", "tester.after")):
        shop.configure(**{"in": place})
        if place == refused:
            shop.run("--naming", "SOURCE").require(1, f"{table}: the name 'na\\x00me' holds U+0000", "Rename it")
            assert shop.warehouse.state() == {"page": 1}
        else:
            shop.run("--naming", "SOURCE").require(0)
            assert shop.warehouse.state() == {"page": 2}
        shop.run("--naming", "FIVETRAN").require(0)
        assert shop.warehouse.state() == {"page": 2}
        name, column = ("na_me", "id") if place == "table" else ("after", "na_me")
        assert 2 + (place == "column") in shop.warehouse.values(name, column)
        require_canary(shop)


def kind_of(shop: Shop) -> str:
    if isinstance(shop.warehouse, PostgresWarehouse):
        return POSTGRES
    return DUCKDB if isinstance(shop.warehouse, DuckDBWarehouse) else MEMORY


def hostile_values(shop: Shop) -> None:
    canary(shop)
    connector(shop, f'for value in {HOSTILE_VALUES!r}:\n    op.upsert("appended", {{"text": value}})')
    shop.run().require(0)
    assert Counter(shop.warehouse.values("appended", "text")) == Counter(HOSTILE_VALUES)
    require_canary(shop)


def canary(shop: Shop) -> None:
    """Make a table that a statement in a name or a value would remove; memory knows no statements."""
    if isinstance(shop, MemoryShop):
        return
    if isinstance(shop.warehouse, PostgresWarehouse):
        role = shop.warehouse.driver
        sql = "CREATE SCHEMA tester; CREATE TABLE tester.canary (id int); INSERT INTO tester.canary VALUES (1)"
        role.server.execute(sql, database=role.database, user="loader")
        return
    connector(shop, "op.upsert('first', {'id': 1})")
    shop.run().require(0)
    import duckdb

    with duckdb.connect(str(shop.files / "warehouse.db")) as db:
        db.execute("CREATE TABLE tester.canary (id INT); INSERT INTO tester.canary VALUES (1); DROP TABLE tester.first")


def require_canary(shop: Shop) -> None:
    assert isinstance(shop, MemoryShop) or shop.warehouse.query("SELECT * FROM tester.canary") == [(1,)]


def configuration_in_the_environment(shop: Shop) -> None:
    """A key of the configuration reaches the connector as a key, and neither its environment nor a command line."""
    hostile = {"LD_PRELOAD": "/nonexistent.so", "PYTHONPATH": "/nonexistent", "--config": "/etc/passwd", "-o": "x"}
    body = """
import sys
for name in configuration:
    op.upsert("appended", {"name": name, "leaked": configuration[name] in [*os.environ.values(), *sys.argv]})
"""
    connector(shop, body)
    shop.configure(**hostile)
    shop.run().require(0)
    assert set(shop.warehouse.query("SELECT name, leaked FROM tester.appended")) == {(name, False) for name in hostile}


def files_of_another_user(shop: Shop) -> None:
    """With the usual umask, no other user of the machine gets at what a sync leaves."""
    shop.configure(way="raise", moment="before checkpoint 2")
    shop.run(prefix=("sh", "-c", 'umask 022; exec "$@"', "sh")).require(1)
    reports = list((shop.path / "crash-reports").iterdir())
    assert stat.S_IMODE(shop.files.stat().st_mode) == 0o700
    assert [stat.S_IMODE(report.stat().st_mode) for report in reports] == [0o600]


# Of the user `nobody`, on every Linux.
NOBODY = 65534

SECRETS = """
import io
from headwater import FileUpload
from headwater.encryption import encrypt
encrypt("password", "canary")
op.upsert("papers", {"id": 1}, file=FileUpload("a.txt", io.BytesIO(b"canary")))
op.checkpoint({"page": 1})
if configuration.get("killed"):
    os.kill(os.getpid(), signal.SIGKILL)
raise ValueError("for a crash report")
"""


def files_before_another_user(shop: Shop) -> None:
    """Let another user really try: to list the folders, and to read each file that syncs and their ends have left."""
    if os.geteuid() != 0:
        pytest.skip("only root may become another user of the machine")
    # Not pytest's own folder, which is closed to others by itself.
    with tempfile.TemporaryDirectory(prefix="headwater-") as name:
        home = Path(name)
        home.chmod(0o755)
        theirs = Shop(home / "shop", DuckDBWarehouse(home / "shop" / "files" / "warehouse.db"), shop.environment)
        connector(theirs, SECRETS)
        umask = {"prefix": ("sh", "-c", 'umask 022; exec "$@"', "sh"), "environment": {"HOME": name}}
        theirs.run(**umask).require(1)
        theirs.configure(killed="yes")
        theirs.run(**umask).require(-signal.SIGKILL)
        closed = [theirs.files, theirs.path / "crash-reports", home / ".fivetran"]
        found = {path for folder in closed for path in folder.rglob("*") if path.is_file()}
        names = {path.name for path in found if not path.name.startswith("crash_")}
        assert names == {
            "warehouse.db", "warehouse.db.wal", "state.json", "runs.db", "sync.lock", "a.txt", "config_encryption_key",
        }  # fmt: skip
        assert len(found) == len(names) + 1

        assert read_as_nobody("cat", theirs.path / "connector.py") == (0, "")  # they get as far as the project
        assert {read_as_nobody("cat", path)[1] for path in found} == {"Permission denied"}
        assert read_as_nobody("ls", theirs.files)[1] == "Permission denied"


def read_as_nobody(command: str, path: Path) -> tuple[int, str]:
    """Run a command on a path as another user; give its exit code, and why it failed."""
    done = subprocess.run(
        [command, str(path)], user=NOBODY, group=NOBODY, extra_groups=[], env={"PATH": os.defpath, "LC_ALL": "C"},
        cwd="/", capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.decode().strip().rpartition(": ")[2]


FAULTS = [
    Fault(
        "A1",
        "names of tables and columns that are SQL, paths, or 300 characters",
        f"{len(HOSTILE_NAMES)} names, --naming SOURCE",
        "each is a name, and nothing else; a table beside them stays",
        hostile_names,
        EVERY,
        ("A1",),
    ),
    Fault(
        "A2",
        "values that are SQL, or end a COPY",
        "13 values",
        "stored byte for byte",
        hostile_values,
        EVERY,
        ("A2",),
    ),
    Fault(
        "A6",
        "names of tables and columns with U+0000",
        "connector.py, --naming SOURCE, then FIVETRAN",
        "kept where the destination can; else exit 1, names table and name, what was committed stays",
        nul_in_names,
        EVERY,
        ("A1",),
        short=(DUCKDB, MEMORY),
    ),
    Fault(
        "A3",
        "keys of the configuration that are environment variables or options",
        "configuration.json",
        "they reach the connector only",
        configuration_in_the_environment,
        (DUCKDB,),
        ("B10",),
    ),
    Fault(
        "A4",
        "another user of the machine looks into files/",
        "umask 022",
        "it is closed to others",
        files_of_another_user,
        (DUCKDB,),
        ("D1",),
    ),
    Fault(
        "A5",
        "another user of the machine reads every file that syncs have left, and the key of the configuration",
        "umask 022; the user nobody",
        "permission denied",
        files_before_another_user,
        (DUCKDB,),
        ("D1",),
    ),
]
