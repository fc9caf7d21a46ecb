"""`make demo`: a sync is killed halfway and started again; no row is lost, none comes twice.

Everything is real and on this machine: an HTTP API on loopback, the headwater command, a DuckDB file.
Exits 1 when anything is not as it is told.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import duckdb

from headwater.testing import ReplayServer

CONNECTOR = Path(__file__).parent / "quickstart" / "large_data_set"
COMMAND = (sys.executable, "-m", "headwater")
PROJECT = "shop"

ORDERS = 30_000
EVENTS = 5_000
PAGE_ROWS = 1_000
# An API this slow can be watched, and is sure to be still at work when the sync is killed.
PAGE_SECONDS = 0.05
KILL_AFTER_PAGES = 12

Row = dict[str, Any]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="headwater-demo-") as name:
        folder = Path(name)
        record_api(folder / "replay")
        with ReplayServer(folder / "replay") as api:
            install_connector(folder / PROJECT, api)
            introduce(api)
            last_order = kill_halfway(folder)
            start_again(folder, api, last_order)
        show(folder)
        compare(folder)


# --- the story


def introduce(api: ReplayServer) -> None:
    chapter("A source")
    say(f"A shop's API on {api.url}: {ORDERS:,} orders in pages of {PAGE_ROWS:,}, {EVENTS:,} events in one answer.")
    say("The connector that reads it: examples/quickstart/large_data_set/connector.py")


def kill_halfway(folder: Path) -> int:
    """Kill the sync after some pages; give the last order that is safe."""
    chapter("A sync into DuckDB, killed halfway")
    with headwater("debug", PROJECT, folder=folder) as (process, stdout):
        printed = watch(stdout, until=KILL_AFTER_PAGES)
        os.killpg(process.pid, signal.SIGKILL)
        require(process.wait() == -signal.SIGKILL, f"the sync ended before it was killed:\n{printed}")
    say("kill -9. It could not say goodbye, or tidy up. What is in the file?")

    [(state,)] = query(folder, "SELECT state FROM _headwater.state")
    [(rows, last)] = query(folder, "SELECT count(*), max(id) FROM tester.orders")
    print(f"      state   {state}\n      orders  {rows:,} rows, the last one is {last}")
    require(json.loads(state) == {"last_order": last} and rows == last, "state and rows do not agree")
    say("They agree: a checkpoint commits rows and state in one transaction.")
    return int(last)


def start_again(folder: Path, api: ReplayServer, last_order: int) -> None:
    chapter("The same command again")
    before = len(api.received)
    with headwater("debug", PROJECT, folder=folder) as (process, stdout):
        printed = watch(stdout)
        require(process.wait() == 0, f"the second sync failed:\n{printed}")
    say(printed.splitlines()[-1])
    first = api.received[before]
    require(first.target == f"/v1/orders?after={last_order}&limit={PAGE_ROWS}", f"it began with {first.target}")
    say(f"Its first request was GET {first.target}: it went on behind the last safe row.")


def show(folder: Path) -> None:
    chapter("Its tables")
    for table in ("orders", "events"):
        with headwater("show", PROJECT, table, "--limit", "2", folder=folder) as (process, stdout):
            for line in stdout:
                print(f"    {line}", end="")
            require(process.wait() == 0, "it failed")


def compare(folder: Path) -> None:
    chapter("Is anything lost, or there twice?")
    found = {
        "orders": query(
            folder,
            "SELECT id, customer, CAST(amount AS VARCHAR), "
            "strftime(ordered_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ') "
            "FROM tester.orders WHERE NOT _fivetran_deleted ORDER BY ALL",
        ),
        "events": query(folder, "SELECT id, kind, details FROM tester.events WHERE NOT _fivetran_deleted ORDER BY ALL"),
    }
    source = {
        "orders": [tuple(order.values()) for order in orders()],
        "events": [(event["id"], event["kind"], json.dumps(event["details"])) for event in events()],
    }
    for table, rows in source.items():
        require(found[table] == rows, f"{table}: {len(found[table]):,} rows, and they differ from the source's")
        say(f"{table}  {len(rows):>6,} rows in the source, {len(found[table]):>6,} in DuckDB, each one compared")
    say("No. Every row is there, once.")


# --- the source


def orders() -> Iterator[Row]:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    for number in range(1, ORDERS + 1):
        yield {
            "id": number,
            "customer": f"customer {number * 7919 % 1000}",
            "amount": f"{number * 104_729 % 50_000 / 100:.2f}",
            "ordered_at": (start + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def events() -> Iterator[Row]:
    for number in range(1, EVENTS + 1):
        yield {"id": number, "kind": ("view", "cart", "order")[number % 3], "details": {"product": number % 97}}


def record_api(folder: Path) -> None:
    """Write the API's answers: a page for each order id the connector will ask after, and the export."""
    folder.mkdir()
    rows = list(orders())
    routes = []
    for after in range(0, ORDERS + 1, PAGE_ROWS):
        page = {"orders": rows[after : after + PAGE_ROWS]}
        (folder / f"orders-{after}.json").write_text(json.dumps(page), encoding="utf-8")
        routes.append(
            f'[[route]]\nrequest = "GET /v1/orders?after={after}&limit={PAGE_ROWS}"\n'
            f'answer = {{ file = "orders-{after}.json", delay_seconds = {PAGE_SECONDS} }}\n'
        )
    lines = (json.dumps(event) + "\n" for event in events())
    (folder / "events.ndjson").write_text("".join(lines), encoding="utf-8")
    routes.append('[[route]]\nrequest = "GET /v1/events/export"\nanswer = { file = "events.ndjson" }\n')
    (folder / "routes.toml").write_text("\n".join(routes), encoding="utf-8")


def install_connector(project: Path, api: ReplayServer) -> None:
    project.mkdir()
    shutil.copy(CONNECTOR / "connector.py", project)
    configuration = {"base_url": f"{api.url}/v1", "page_size": str(PAGE_ROWS)}
    (project / "configuration.json").write_text(json.dumps(configuration), encoding="utf-8")


# --- the command and the file


@contextmanager
def headwater(*arguments: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Run the command in a process group of its own, which does not outlive this."""
    print(f"   $ headwater {' '.join(arguments)}", flush=True)
    # A proxy of the machine must not come between the connector and loopback.
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONUTF8": "1"}
    environment.pop("FIVETRAN_CONFIGURATION", None)
    process = subprocess.Popen(  # noqa: S603 - the words are this file's own
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(duckdb.connect(folder / PROJECT / "files" / "warehouse.db", read_only=True)) as db:
        return db.execute(sql).fetchall()


# --- words

_numbers = itertools.count(1)


def chapter(title: str) -> None:
    print(f"\n{next(_numbers)}. {title}", flush=True)


def say(text: str) -> None:
    print(f"   {text}", flush=True)


def watch(stdout: IO[str], until: int | None = None) -> str:
    """Print the first two checkpoints of a sync and the last one; give all it has printed.

    until  read no further than this many checkpoints
    """
    lines, checkpoints = [], []
    for line in stdout:
        lines.append(line)
        if not line.startswith("Checkpoint: "):
            continue
        checkpoints.append(line)
        if len(checkpoints) <= 3:
            print(f"      {line if len(checkpoints) < 3 else '…'}".rstrip(), flush=True)
        if len(checkpoints) == until:
            break
    printed = "".join(lines)
    require(len(checkpoints) > 3, f"the sync took no checkpoints:\n{printed}")
    print(f"      {checkpoints[-1]}", end="", flush=True)
    return printed


def require(fact: bool, otherwise: str) -> None:
    if not fact:
        raise SystemExit(f"\nThe demo went wrong: {otherwise}")


if __name__ == "__main__":
    main()
