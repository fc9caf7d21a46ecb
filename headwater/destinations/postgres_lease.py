"""Who may sync a connection into Postgres: a lock that the session holds, and a lease that its holder renews.

The server lets go of an advisory lock when the session ends, however it ends: a dead sync is taken over at once.
A sync that lives on and does nothing any more, frozen or cut off, keeps its session, its lock and the locks of its
transaction; once it has not renewed its lease for a minute of the server's clock, the next one ends that session.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

from headwater.destinations.postgres_session import Address, Session
from headwater.errors import HeadwaterError
from headwater.log import Logging

LEASE_SECONDS = 60.0
# How long to wait for the server to notice that the session before has ended.
TAKE_OVER_SECONDS = 2

# A session that has just begun may hold the lock before it has written its lease.
_END_HOLDER = """
SELECT holder.run IS DISTINCT FROM $4, pg_terminate_backend(lock.pid)
FROM pg_locks AS lock JOIN pg_stat_activity AS session ON session.pid = lock.pid
LEFT JOIN _headwater.state AS holder ON holder.connection = $1
WHERE lock.locktype = 'advisory' AND lock.objsubid = 1 AND lock.granted AND lock.pid <> pg_backend_pid()
AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (lock.classid::bigint << 32) | lock.objid::bigint = $2 AND pg_has_role(session.usesysid, 'USAGE')
AND (
    lock.pid = $3 OR (holder.run = $4 AND holder.server_process = lock.pid)
    OR (
        holder.lease_until < clock_timestamp()
        AND session.backend_start < clock_timestamp() - make_interval(secs => $5)
    )
)
"""
_RENEW = """
UPDATE _headwater.state SET lease_until = clock_timestamp() + make_interval(secs => $3)
WHERE connection = $1 AND epoch = $2 RETURNING 1
"""


def lock_key(name: str) -> int:
    """Choose the number of an advisory lock: 64 bits, signed."""
    return int.from_bytes(hashlib.sha256(f"headwater {name}".encode()).digest()[:8], "big", signed=True)


class Lease:
    """The right to sync one connection.

    run      names the run: what it held in a session before, it takes over from itself
    seconds  how long a holder may give no sign of life
    sleep    waits between attempts to take the lock
    """

    def __init__(
        self, address: Address, connection: str, run: str, *, seconds: float, sleep: Callable[[float], None]
    ) -> None:
        self.run = run
        self.seconds = seconds
        self._address = address
        self._connection = connection
        self._lock_key = lock_key(f"connection {connection}")
        self._sleep = sleep
        self._over = threading.Event()
        self._renewing: threading.Thread | None = None

    def take(self, session: Session, *, before: int | None = None) -> bool:
        """Take the connection's lock, which `session` then holds; False when another sync holds it rightly.

        before  the server process of this sync's session before, which is over
        """
        told = False
        for _ in range(TAKE_OVER_SECONDS * 20):
            [(taken,)] = session.fetch("SELECT pg_try_advisory_lock($1)", self._lock_key)
            if taken:
                return True
            ended = session.fetch(_END_HOLDER, self._connection, self._lock_key, before, self.run, self.seconds)
            if not told and any(other and done for other, done in ended):
                told = True
                Logging.warning(
                    f"an earlier sync of the connection {self._connection} has given no sign of life for "
                    f"{self.seconds:.0f} s: its session was ended"
                )
            self._sleep(0.05)
        return False

    def keep(self, epoch: int) -> None:
        """Renew the lease until `end`, from a thread and a session of its own; the first time after a while."""
        self._over.clear()
        self._renewing = threading.Thread(target=self._renew, args=(epoch,), name="headwater-lease", daemon=True)
        self._renewing.start()

    def end(self) -> None:
        """Renew it no longer."""
        self._over.set()
        if self._renewing is not None:
            self._renewing.join(timeout=5)  # a server that does not answer must not hold up the end
            self._renewing = None

    def _renew(self, epoch: int) -> None:
        session: Session | None = None
        told = False
        while not self._over.wait(self.seconds / 4):
            try:
                session = session or Session(self._address)
                if not session.fetch(_RENEW, self._connection, epoch, self.seconds):
                    break  # a newer sync has begun: the commit will find out
            except HeadwaterError as error:  # what is wrong with the server, the sync itself will say
                if not told:
                    told = True
                    Logging.warning(f"the lease could not be renewed, another sync may take over: {error.message}")
                if session is not None:
                    session.close()
                    session = None
        if session is not None:
            session.close()
