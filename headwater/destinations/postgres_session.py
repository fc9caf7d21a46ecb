"""One connection to a Postgres server: its address, its settings, and its errors in headwater's words."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from headwater.errors import ConfigurationError, DestinationError, HeadwaterError, TransientError
from headwater.log import redact
from headwater.remedies import remedies

try:
    import psycopg
    from psycopg import conninfo
except ImportError as error:
    raise ConfigurationError(
        f"destination: Postgres needs a package that is not installed ({error})",
        hint="Install it: pip install 'headwater[sql]'.",
    ) from error

OLDEST_VERSION = 14

# What the URL, a service file and libpq's environment variables leave open. A peer that is gone is noticed
# within a minute or so on either side, not after the two hours of most systems.
_CONNECT = {
    "connect_timeout": ("PGCONNECT_TIMEOUT", "10"),
    "keepalives_idle": (None, "30"),
    "keepalives_interval": (None, "10"),
    "keepalives_count": (None, "3"),
    "tcp_user_timeout": (None, "60000"),
}

_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "extra_float_digits": "1",
    "search_path": "",
    "client_min_messages": "warning",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# With this the server ends the session of a dead sync, and its lock, even while a statement runs; Windows cannot.
_CHECK_CLIENT = "SELECT set_config('client_connection_check_interval', '5s', false)"
# A checkpoint that has returned is durable, whatever the role's default.
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
# Options of the URL that libpq has not, with their defaults; "" leaves what the server has for the role.
_TIMEOUTS = {"statement_timeout": "", "lock_timeout": "1min"}

# Where the name of a server says nothing that a certificate could prove.
_THIS_MACHINE = ("", "localhost", "127.0.0.1", "::1")
# libpq's default for sslrootcert; without the file, and without a word, it would refuse every server.
_OWN_ROOTS = Path("~/.postgresql/root.crt")

_URL_HINT = (
    "Use postgresql://USER@HOST:PORT/DATABASE and the environment for the rest, as libpq does: "
    "PGPASSWORD, PGSSLMODE, PGSSLROOTCERT…"
)


class ConnectionLost(TransientError):
    """The server or the network has gone away while the connection was in use."""


class Address:
    """Where a server is, and how to speak to it; its text has no secrets.

    url  `postgresql://user@host:port/database?…`, libpq's own parameters and `statement_timeout`, `lock_timeout`

    Errors: ConfigurationError when the URL cannot be read, or has its password where it would be printed.
    """

    def __init__(self, url: str) -> None:
        before, _, query = url.partition("?")
        if url.count("@") > before.partition("://")[2].partition("/")[0].count("@") or url.count("@") > 1:
            raise _unreadable("a '@' or '/' in a name or password is written %40 or %2F")
        parameters = parse_qsl(query, keep_blank_values=True)
        self.timeouts = _TIMEOUTS | {name: value for name, value in parameters if name in _TIMEOUTS}
        rest = urlencode([pair for pair in parameters if pair[0] not in _TIMEOUTS])
        if any(name in ("password", "sslpassword") for name, _ in parameters):
            raise ConfigurationError("destination: a password in the URL's parameters would be printed", hint=_URL_HINT)
        try:
            self._parameters = conninfo.conninfo_to_dict(f"{before}?{rest}" if rest else before)
        except psycopg.ProgrammingError as error:
            raise _unreadable(str(error).strip()) from None
        redact.add(str(secret) for secret in (self._parameters.get("password"), os.environ.get("PGPASSWORD")) if secret)
        for name, (variable, default) in _CONNECT.items():
            if variable is None or variable not in os.environ:
                self._parameters.setdefault(name, default)
        self._parameters |= self._verified()

    def _verified(self) -> dict[str, str]:
        """Ask for a certificate that proves the server's name, where nobody has said anything of TLS.

        libpq's own default would send the password, and the rows, to whoever answers.
        """
        said = self._part("sslmode", "PGSSLMODE") or self._part("service", "PGSERVICE")
        hosts = (self._part("host", "PGHOST") or self._part("hostaddr", "PGHOSTADDR")).split(",")
        if said or all(host in _THIS_MACHINE or host.startswith(("/", "@")) for host in hosts):
            return {}
        has_roots = self._part("sslrootcert", "PGSSLROOTCERT") or _OWN_ROOTS.expanduser().exists()
        return {"sslmode": "verify-full"} | ({} if has_roots else {"sslrootcert": "system"})

    def __str__(self) -> str:
        port = self._part("port", "PGPORT")
        host = self._part("host", "PGHOST") + (f":{port}" if port else "")
        return f"postgresql://{host}/{self._part('dbname', 'PGDATABASE')}"

    def _part(self, name: str, variable: str) -> str:
        return str(self._parameters.get(name) or os.environ.get(variable, ""))

    def connect(self) -> psycopg.Connection[Any]:
        parameters: dict[str, Any] = {**self._parameters, "client_encoding": "UTF8"}
        return psycopg.connect(
            conninfo.make_conninfo(**parameters, fallback_application_name="headwater"),
            autocommit=True,  # BEGIN and COMMIT are sent by name
            prepare_threshold=None,  # a prepared statement breaks when its table is altered, and behind a pooler
            cursor_factory=psycopg.RawCursor,
        )


def _unreadable(reason: str) -> ConfigurationError:
    return ConfigurationError(f"destination: the postgresql:// URL cannot be read: {reason}", hint=_URL_HINT)


class Session:
    """A connection with headwater's settings; every error is one of headwater's.

    subject         what the statements are about, for error messages
    server_process  the pid of the process on the server
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self.subject = "connecting"
        try:
            self._db = address.connect()
        except psycopg.Error as error:
            raise _connecting_error(address, error) from error
        self.server_process = self._db.info.backend_pid
        try:
            self._require_usable()
            self._set()
        except BaseException:
            self._db.close()
            raise

    def execute(self, sql: str, *parameters: object) -> None:
        with self._translating():
            self._db.execute(sql, parameters or None)

    def fetch(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self._translating():
            return self._db.execute(sql, parameters or None).fetchall()

    def copy(self, sql: str, pieces: Iterable[bytes | memoryview]) -> None:
        """Run a `COPY … FROM STDIN`."""
        with self._translating(), self._db.cursor() as cursor, cursor.copy(sql) as copy:
            for piece in pieces:
                copy.write(piece)

    def commit(self) -> None:
        """Commit the transaction.

        Errors: ConnectionLost when the answer did not come: the commit may have taken place.
        """
        with self._translating():
            if self._db.execute("COMMIT").statusmessage != "COMMIT":
                raise TransientError(f"{self._address}: the server rolled back instead of committing")

    def close(self) -> None:
        """End the transaction and let go of locks; a connection that is lost has done both."""
        try:
            if self._db.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                self._db.execute("ROLLBACK")
            self._db.execute("SELECT pg_advisory_unlock_all()")
        except psycopg.Error:
            pass  # the server ends a broken session the same way
        finally:
            self._db.close()

    def _require_usable(self) -> None:
        version, encoding = self._db.info.server_version, self._db.info.parameter_status("server_encoding")
        if version < OLDEST_VERSION * 10_000:
            raise DestinationError(
                f"{self._address}: Postgres {version // 10_000} is too old", hint=f"Use {OLDEST_VERSION} or newer."
            )
        if encoding != "UTF8":
            raise DestinationError(
                f"{self._address}: the database's encoding is {encoding}, which cannot hold every text",
                hint="Make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.",
            )

    def _set(self) -> None:
        timeouts = {name: value for name, value in self._address.timeouts.items() if value}
        calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items())
        with self._translating():
            self._db.execute(f"SELECT {calls}")
            self._db.execute(_DURABLE)
            with suppress(psycopg.errors.InvalidParameterValue):
                self._db.execute(_CHECK_CLIENT)
        try:
            for name, value in timeouts.items():
                self._db.execute("SELECT set_config($1, $2, false)", (name, value))
        except psycopg.errors.InvalidParameterValue as error:
            raise ConfigurationError(
                f"destination: {error.diag.message_primary}", hint="Write a time-out as 90s or 5min; 0 is none."
            ) from error
        except psycopg.Error as error:
            raise self._translated(error) from error

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._translated(error) from error

    def _translated(self, error: psycopg.Error) -> HeadwaterError:
        where = f"{self._address}: {self.subject}"
        if self._db.closed:
            return ConnectionLost(
                f"{where}: the connection was lost: {_sentence(error)}",
                hint=_TRANSIENT.get(error.sqlstate or "")
                or "Nothing since the last commit is stored; run the sync again.",
            )
        return translated(where, error)


def translated(where: str, error: psycopg.Error) -> HeadwaterError:
    """Say by SQLSTATE who must act on an error of the server."""
    code = error.sqlstate or ""
    message = f"{where}: {_sentence(error)}"
    if code in _TRANSIENT or code[:2] in ("08", "40") or _made_by_two(error):
        return TransientError(message, hint=_TRANSIENT.get(code))
    return DestinationError(message, hint=_hint(code) or _hint(code[:2]))


# Source: PostgreSQL 17 documentation, appendix A.
_TRANSIENT = {
    "25P03": "The server ends transactions that wait too long for rows: checkpoint more often, or raise "
    "idle_in_transaction_session_timeout for this role.",
    "25P04": "Checkpoint more often, or raise transaction_timeout for this role.",
    "53300": "The server has no connection free.",
    "55P03": "Another session holds a lock on it: wait for it, or raise lock_timeout in the destination's URL.",
    "57P01": None,
    "57P02": None,
    "57P03": None,
    "57P05": None,
}


def _hint(code: str) -> str | None:
    """Say what to do about a SQLSTATE, or a class of them; None where the message says it all."""
    if code in ("3F000", "42P01"):
        return (
            "Somebody has dropped it while the sync ran. The next sync makes it anew; rows from before the last "
            f"checkpoint come back {remedies().all_rows}."
        )
    if code == "54":
        limits = "Postgres holds 1,600 columns in a table, 8 kB of short values in a row, and 2.7 kB in a key"
        return f"{limits}: {remedies().too_wide}"
    return _HINTS.get(code)


_HINTS = {
    "0A000": "If a view stands in the way: drop it, run the sync, and make it again.",
    "2BP01": "Other objects depend on it: drop them, run the sync, and make them again.",
    "25006": "Is this a standby, or a read-only role? Add ?target_session_attrs=read-write to find the primary.",
    "28": "Check the user and PGPASSWORD; pg_hba.conf on the server says who may connect.",
    "3D000": "Make the database first, or correct the URL.",
    "42501": "Grant the role what docs/howto/postgres.md lists, or let headwater make the schemas itself.",
    "42804": "Somebody has changed the column's type to one headwater does not write: change it back, or rename it.",
    "42939": "Names of schemas that begin with pg_ are Postgres' own: choose another.",
    "42P10": "The table has lost its primary key: add it again, or drop the table.",
    "53100": "Make room on the server's disk and run the sync again; nothing that was committed is lost.",
    "53200": "The server is out of memory: lower work_mem for this role, or checkpoint more often.",
    "57014": "If the time-out is too short, raise statement_timeout in the destination's URL.",
    "XX001": "The server's files are damaged: restore a backup.",
    "XX002": "An index is damaged: REINDEX it.",
}


def _made_by_two(error: psycopg.Error) -> bool:
    """Say whether two sessions made the same schema or table at once: the next run finds it."""
    if isinstance(error, psycopg.errors.DuplicateSchema):
        return True
    return isinstance(error, psycopg.errors.UniqueViolation) and error.diag.schema_name == "pg_catalog"


def _sentence(error: psycopg.Error) -> str:
    parts = (error.diag.message_primary, error.diag.message_detail, error.diag.context)
    said = "; ".join(part.strip().splitlines()[0] for part in parts if part)
    return redact(said or " ".join(str(error).split()) or type(error).__name__)


_TLS = ("certificate", "does not support SSL", "no encryption")
_TLS_HINT = (
    "Name the authority of the server's certificate in PGSSLROOTCERT. To do without its proof, say so: "
    "PGSSLMODE=require encrypts to whoever answers, PGSSLMODE=prefer does not even insist on that."
)

# libpq gives no SQLSTATE for a connection that was never made, only the text, of the server in its language.
_PASSES_BY_ITSELF = (
    "connection refused",
    "timeout expired",
    "timed out",
    "timeout",
    "closed the connection",
    "connection reset",
    "starting up",
    "shutting down",
    "recovery mode",
    "not yet accepting connections",
    "too many",
    "remaining connection slots",
    "temporary failure in name resolution",
    "network is unreachable",
    "no route to host",
)


def _connecting_error(address: Address, error: psycopg.Error) -> HeadwaterError:
    message = f"{address} cannot be reached: {_sentence(error)}"
    if any(words in str(error) for words in _TLS):
        return DestinationError(message, hint=_TLS_HINT)
    if any(words in str(error).lower() for words in _PASSES_BY_ITSELF):
        return TransientError(message, hint="Is the server up, and are host and port right?")
    return DestinationError(message, hint=f"Check the URL, the user and PGPASSWORD. {_URL_HINT}")
