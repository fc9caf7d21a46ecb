"""The target: Singer messages become operations, and a STATE goes out once its rows are committed.

Takes     the lines of a tap
Gives     operations to the stream of one sync, as a connector does; and the tap's STATE, after the commit
Promises  when a STATE has gone out, every record before it is durable; the tap may send them again
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from headwater.connector import Connector
from headwater.destinations import open_destination
from headwater.errors import ConfigurationError
from headwater.remedies import Remedies, speaking
from headwater.singer.batch_files import records
from headwater.singer.input import Lines
from headwater.singer.messages import Message, MessageError, read_message, read_object
from headwater.singer.settings import Settings
from headwater.singer.streams import DELETED_AT, Shape, TapStream
from headwater.singer.versions import Versions
from headwater.state import load_state
from headwater.stream import Stream
from headwater.sync import Quiet, Result, Sync

# Under which name the committed state holds what the target must remember.
STATE = "singer"

# A user of the target has its settings, and the tap's.
REMEDIES = Remedies(
    all_rows="when the tap runs without a STATE and sends them anew",
    loaded_otherwise="Go back to the old one (key_properties of the tap, hard_delete of the target), or load into "
    "another schema (the setting 'schema'), or drop the table and run the tap without a STATE: it sends all rows anew.",
    name_not_taken="Rename it in the tap, or use the naming FIVETRAN (the setting 'naming').",
    names_collide="Rename one in the tap, or use the naming FIVETRAN (the setting 'naming').",
    no_such_path="Rename the folder, or name a file elsewhere: the setting 'destination', \"duckdb:/…\".",
    out_of_memory="Lower the setting 'batch_size_rows', or raise 'memory_mb'.",
    spill_folder_full="Make room there, or raise the setting 'memory_mb'",
    too_wide="leave out columns in the tap's catalog, or let it send some of them as one object; shorten a long key.",
)


def load(settings: Settings, lines: Lines, write_state: Callable[[Any], None]) -> Result:
    """Load what a tap writes, to its end.

    write_state  called with the value of a STATE message when its rows are committed

    Errors: Busy, DestinationError or ConfigurationError when the destination cannot be opened; what goes wrong
    later is in the result.
    """
    with speaking(REMEDIES):
        return _loaded(settings, lines, write_state)


def _loaded(settings: Settings, lines: Lines, write_state: Callable[[Any], None]) -> Result:
    options = settings.options
    destination = open_destination(
        options.destination, folder=Path.cwd(), connection=options.schema, memory_mb=options.memory_mb
    )
    with closing(destination):
        _, committed = destination.open()
        state = committed.state if committed else "{}"
        _require_own(state, settings)
        target = Target(settings, lines, write_state)
        sync = Sync(
            Connector(target.update), {}, destination, options, Quiet(),
            state=state, after=committed.committed_at if committed else None,
        )  # fmt: skip
        target.stream_of(sync)
        return sync.run()


def _require_own(state: str, settings: Settings) -> None:
    """Refuse a schema that a connector loads: its state would be lost."""
    known = load_state(state, "the committed state")
    if known and STATE not in known:
        raise ConfigurationError(
            f"the schema {settings.schema!r} is that of a connector, whose state is kept there",
            hint="Give the target a schema of its own: the setting 'schema'.",
        )


@dataclass(slots=True)
class Waiting:
    """What has come since the last commit.

    records  how many
    since    when the first thing came, None while nothing has
    """

    records: int = 0
    since: float | None = None


class Target:
    """Applies messages in the order in which they come.

    clock  seconds, for how long things wait
    now    aware UTC, for the metadata of records
    """

    def __init__(
        self,
        settings: Settings,
        lines: Lines,
        write_state: Callable[[Any], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._lines = lines
        self._write_state = write_state
        self._clock = clock
        self._now = now
        self._started = now()
        self._batched_at = self._started
        self._streams: dict[str, TapStream] = {}
        self._waiting = Waiting()
        self._state: Any = None
        self._has_news = False  # whether a STATE waits to go out
        self._went_out = False  # whether one has, in this run
        self._versions = Versions({})
        self._handle = {
            "SCHEMA": self._schema,
            "RECORD": self._record,
            "STATE": self._take_state,
            "ACTIVATE_VERSION": self._activate_version,
            "BATCH": self._batch,
        }
        self._sync: Sync | None = None

    def stream_of(self, sync: Sync) -> None:
        """Say which sync's stream the operations go to, once it runs."""
        self._sync = sync

    @property
    def _stream(self) -> Stream:
        assert self._sync is not None
        return self._sync.stream

    def update(self, configuration: dict[str, Any], state: dict[str, Any]) -> None:
        """Read the tap to its end."""
        known = state.get(STATE, {})
        self._versions = Versions(known.get("versions", {}))
        self._state = known.get("state")
        while (lines := self._lines.read(self._wait_seconds())) is not None:
            for line in lines:
                message = read_message(line)
                self._handle[message["type"]](message, line)
            if self._wait_seconds() == 0:
                self._commit()
        if self._waiting.since is not None:
            self._commit()

    def _wait_seconds(self) -> float | None:
        """Say how long what has come may still wait for its commit; None when nothing does."""
        since = self._waiting.since
        if since is None:
            return None
        return max(0.0, since + self._settings.batch_wait_limit_seconds - self._clock())

    def _came(self, records: int = 0) -> None:
        if self._waiting.since is None:
            self._waiting.since = self._clock()
            self._batched_at = self._now()
        self._waiting.records += records

    # --- messages

    def _schema(self, message: Message, line: str) -> None:
        name, shape = message["stream"], Shape.of(message)
        known = self._streams.get(name)
        if known is not None and known.shape == shape:
            return
        declared = shape.declaration(name, metadata=self._settings.add_record_metadata)
        source = self._stream.declare(declared)
        started = known.started if known else self._stream.mark(name)
        stream = self._streams[name] = TapStream(shape, source, declared.columns, started)
        stream.unversioned = known is not None and known.unversioned
        self._came()

    def _record(self, message: Message, line: str) -> None:
        stream, record = self._known(message), message["record"]
        stream.exact(record, lambda: read_object(line, Decimal)["record"])
        self._upsert(stream, message, record)

    def _batch(self, message: Message, line: str) -> None:
        stream = self._known(message)
        for record in records(message, stream.parse):
            self._upsert(stream, message, record)

    def _upsert(self, stream: TapStream, message: Message, record: dict[str, Any]) -> None:
        name, version = message["stream"], message.get("version")
        if version is None:
            stream.unversioned = True
        else:
            self._versions.since(name, version, lambda: self._stream.mark(name))
        stream.convert(record)
        if self._settings.add_record_metadata:
            stream.name_without_key(record)
            self._add_metadata(record, message)
        self._came(1)
        self._stream.upsert(name, record)
        if record.get(DELETED_AT) is not None and (key := stream.key_of(record)):
            self._stream.delete(name, key)

    def _add_metadata(self, record: dict[str, Any], message: Message) -> None:
        """Add the columns that the SDK's targets add; source: sdk.meltano.com, "Record Metadata"."""
        now = self._now()
        record["_sdc_extracted_at"] = message.get("time_extracted")
        record["_sdc_received_at"] = now
        record["_sdc_batched_at"] = self._batched_at
        record.setdefault(DELETED_AT, None)
        record["_sdc_sequence"] = round(now.timestamp() * 1000)
        record["_sdc_table_version"] = message.get("version")
        record["_sdc_sync_started_at"] = round(self._started.timestamp() * 1000)

    def _activate_version(self, message: Message, line: str) -> None:
        if not self._settings.process_activate_version_messages:
            return
        stream, name = self._known(message), message["stream"]
        # Records that name no version are of the one that is activated next.
        begin = (lambda: stream.started) if stream.unversioned else (lambda: self._stream.mark(name))
        before = self._versions.since(name, message["version"], begin)
        self._stream.truncate(name, before=before)
        self._came()

    def _take_state(self, message: Message, line: str) -> None:
        self._state = message["value"]
        self._has_news = True
        self._came()
        # The first one after a record at once: what is wrong with the set-up shows now, and not after hours.
        if self._waiting.records >= (self._settings.batch_size_rows if self._went_out else 1):
            self._commit()

    def _known(self, message: Message) -> TapStream:
        stream = self._streams.get(message["stream"])
        if stream is None:
            raise MessageError(
                f"{message['stream']}: a {message['type']} came before the stream's SCHEMA",
                hint="The tap must send a SCHEMA message for each stream first.",
            )
        return stream

    def _commit(self) -> None:
        """Commit what has come, and let the STATE go out that says so."""
        self._stream.checkpoint({STATE: {"state": self._state, "versions": self._versions.as_state()}})
        self._waiting = Waiting()
        if self._has_news:
            self._has_news = False
            self._went_out = True
            self._write_state(self._state)
