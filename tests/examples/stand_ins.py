"""Real servers in the place of those that examples read: Postgres, Redis, an OAuth server, moto with Athena.

An example says what it needs in example.toml; the servers start when the first example asks for them, and one
test session shares them. What they hold before a sync are the seed files that the sync names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.examples.aws_stand_in import aws_server
from tests.examples.oauth_stand_in import people_api
from tests.examples.redis_stand_in import redis_server
from tests.examples.redshift_proxy import redshift_proxy
from tests.postgres_server import PostgresServer, postgres_server

_DATABASE = "source"
_READER = "reader"


@dataclass(eq=False)
class StandIn:
    """A running server.

    places    what stands in its place in a configuration: `{postgres_port}` and the port
    suffixes  of the seed files that are its own
    fill      empties it, and applies seed files one after the other
    add       applies more of them; None: a source that has changed is filled anew
    snapshot  remembers what it holds, and gives what brings that back; None: examples only read it
    """

    places: Mapping[str, str]
    suffixes: tuple[str, ...]
    fill: Callable[[Sequence[Path]], None]
    add: Callable[[Sequence[Path]], None] | None = None
    snapshot: Callable[[], Callable[[], None]] | None = None
    _held: list[Path] = field(default_factory=list)

    def hold(self, seeds: Sequence[Path]) -> None:
        """Hold what these files leave, and leave alone what is there of them already."""
        own = [seed for seed in seeds if seed.suffix in self.suffixes]
        held, self._held = self._held, []
        if self.add is not None and held and own[: len(held)] == held:
            self.add(own[len(held) :])
        elif own != held:
            self.fill(own)
        self._held = own

    def remembered(self) -> Callable[[], None]:
        """Remember what it holds now; the result brings that back, where `hold` would not."""
        if self.snapshot is None:
            return lambda: None
        held, restore = self._held, self.snapshot()

        def bring_back() -> None:
            restore()
            self._held = held

        return bring_back


class StandIns:
    """Starts stand-ins when they are first asked for; a context manager that ends them."""

    def __init__(self) -> None:
        self._running: dict[Callable[[], AbstractContextManager[StandIn]], StandIn] = {}
        self._ends = ExitStack()

    def __enter__(self) -> StandIns:
        return self

    def __exit__(self, *error: object) -> None:
        self._ends.close()

    def of(self, needs: Iterable[str]) -> list[StandIn]:
        """Give the stand-ins for what an example needs; needs in other words have none."""
        starts = dict.fromkeys(START[need] for need in needs if need in START)
        for start in starts:
            if start not in self._running:
                self._running[start] = self._ends.enter_context(start())
        return [self._running[start] for start in starts]


@contextmanager
def _postgres() -> Iterator[StandIn]:
    with postgres_server() as server, redshift_proxy(server.port) as redshift_port:
        server.execute(f"CREATE USER {_READER} IN ROLE pg_read_all_data")
        places = {
            "{postgres_port}": str(server.port),
            "{postgres_database}": _DATABASE,
            "{postgres_user}": _READER,
            "{redshift_port}": str(redshift_port),
        }
        yield StandIn(places, (".sql",), lambda seeds: _fill_postgres(server, seeds))


def _fill_postgres(server: PostgresServer, seeds: Sequence[Path]) -> None:
    server.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")  # a killed sync may still be in it
    server.execute(f"CREATE DATABASE {_DATABASE}")
    with psycopg.connect(server.url(_DATABASE)) as db:
        for seed in seeds:
            db.execute(seed.read_bytes())


@contextmanager
def _aws() -> Iterator[StandIn]:
    with aws_server() as server:
        yield StandIn({"{aws}": server.url}, (".json", ".sql"), server.fill)


@contextmanager
def _redis() -> Iterator[StandIn]:
    with redis_server() as server:
        yield StandIn({"{redis}": server.url}, (".json",), server.fill, server.add, server.snapshot)


@contextmanager
def _oauth() -> Iterator[StandIn]:
    with people_api() as server:
        yield StandIn({"{oauth}": server.url}, (".json",), server.fill, server.add, server.snapshot)


START: Mapping[str, Callable[[], AbstractContextManager[StandIn]]] = {
    "postgres": _postgres,
    "redshift": _postgres,  # behind redshift_proxy
    "sql_server": _postgres,  # through ODBC: no server for SQL Server's own protocol can be had
    "aws": _aws,
    "redis": _redis,
    "oauth": _oauth,
}
