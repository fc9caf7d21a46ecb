"""Where a sync stands: watermarks, time windows, cursors per table and per parent, and newest-first feeds.

Every cursor takes a dict that was in the state, and gives one back with `state()`. Ascending by change time::

    tables = TableCursors(state)
    for table in ("orders", "customers"):
        mark = Watermark(tables[table], lookback=timedelta(minutes=5))
        for row in fetch(table, since=mark.since):
            op.upsert(table, row)
            mark.see(instant(row["updated_at"]))
        tables[table] = mark.finish()
        op.checkpoint(tables.state())

A newest-first feed, which a run may leave at any page::

    ledger = RangeLedger(state.get("posts", {}), unique=True)
    for gap in ledger.gaps():
        while gap is not None:
            page = fetch_posts(newer_than=gap.low, older_than=gap.high)
            for post in page.posts:
                op.upsert("posts", post)
            gap = ledger.page(gap, [post["id"] for post in page.posts], exhausted=page.last)
            op.checkpoint({"posts": ledger.state()})

A `RangeLedger` sees new records once. Edits and deletions of old ones are another cursor: a watermark on the
time of change, and a delete log or a comparison of all keys.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

# A cursor value: int, float, Decimal, str, date, datetime, UUID, bytes, or a tuple of these. All values of one
# cursor are of one type, so that they have an order.
Cursor = Any
State = dict[str, Any]


def instant(text: str) -> datetime:
    """Read an ISO 8601 time with `Z` or an offset as an aware datetime in UTC.

    Texts of times have no reliable order ("...05Z" sorts after "...05.5Z"): read them first.

    >>> instant("2024-02-29T12:00:00+02:00")
    datetime.datetime(2024, 2, 29, 10, 0, tzinfo=datetime.timezone.utc)
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: add one, such as {text + 'Z'!r}, if you know which it is")
    return moment.astimezone(UTC)


def cursor_to_json(value: Cursor) -> Any:
    """Write a cursor value as JSON; `cursor_from_json` gives the same value back.

    >>> cursor_to_json((datetime(2024, 2, 29, tzinfo=UTC), 17))
    [{'datetime': '2024-02-29T00:00:00+00:00'}, 17]
    """
    if isinstance(value, tuple):
        return [cursor_to_json(part) for part in value]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return {"naive_datetime": value.isoformat()}
        return {"datetime": value.astimezone(UTC).isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal) and value.is_finite():
        return {"decimal": str(value)}
    if isinstance(value, UUID):
        return {"uuid": str(value)}
    if isinstance(value, bytes):
        return {"base64": b64encode(value).decode()}
    if isinstance(value, int | str) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"{value!r} ({type(value).__name__}) cannot be a cursor: it has no order, or JSON cannot hold it")


def cursor_from_json(value: Any) -> Cursor:
    """Read what `cursor_to_json` wrote.

    >>> cursor_from_json([{"date": "2024-02-29"}, 17])
    (datetime.date(2024, 2, 29), 17)
    """
    match value:
        case list():
            return tuple(cursor_from_json(part) for part in value)
        case {"datetime": str(text)}:
            return instant(text)
        case {"naive_datetime": str(text)}:
            return datetime.fromisoformat(text)
        case {"date": str(text)}:
            return date.fromisoformat(text)
        case {"decimal": str(text)}:
            return Decimal(text)
        case {"uuid": str(text)}:
            return UUID(text)
        case {"base64": str(text)}:
            return b64decode(text)
        case int() | float() | str() if not isinstance(value, bool):
            return value
    raise ValueError(f"{value!r} is no cursor of a saved state")


def _optional_to_json(value: Cursor | None) -> Any:
    return None if value is None else cursor_to_json(value)


def _optional_from_json(value: Any) -> Cursor | None:
    return None if value is None else cursor_from_json(value)


def _before(value: Cursor, lookback: Any) -> Cursor:
    """Give the cursor `lookback` before `value`; of a composite cursor, the first part decides."""
    try:
        return (value[0] - lookback,) if isinstance(value, tuple) else value - lookback
    except TypeError:
        raise ValueError(
            f"a lookback of {lookback!r} cannot be taken off the cursor {value!r}: make it a time or number"
        ) from None


class Watermark:
    """The highest cursor value delivered, for sources that are asked "what changed since".

    lookback   how far before the mark to read again (timedelta or number), for changes that appear late
    start      where the first sync begins; None is everything
    ascending  the source gives rows in ascending order, so that `state()` may move with each row. If not, the
               mark moves only with `finish()`: a crash in between must not skip what had not come yet

    Ask with "at or after" `since`: two rows may share one value, and one of them may come after the other was
    read.
    Errors: ValueError when an ascending source goes backwards, before rows are lost by it.

    >>> mark = Watermark({"high": 100}, lookback=10)
    >>> mark.since
    90
    >>> mark.see(120)
    >>> mark.finish()
    {'high': 120}
    """

    def __init__(
        self, state: Mapping[str, Any], *, lookback: Any = None, start: Cursor = None, ascending: bool = False
    ) -> None:
        self._committed = _optional_from_json(state.get("high"))
        self._highest = self._committed
        self._last: Cursor = None
        self._ascending = ascending
        if self._committed is None:
            self.since = start
        else:
            self.since = self._committed if lookback is None else _before(self._committed, lookback)

    def see(self, value: Cursor) -> None:
        """Note the cursor value of a row that was emitted."""
        cursor_to_json(value)  # refused here, at the row, and not at the checkpoint
        if self._ascending and self._last is not None and value < self._last:
            raise ValueError(
                f"the source gave {value!r} after {self._last!r}, so it is not ascending: "
                "sort the request by the cursor, or give ascending=False"
            )
        self._last = value
        if self._highest is None or value > self._highest:
            self._highest = value
        if self._ascending:
            self._committed = self._highest

    def finish(self) -> State:
        """Say that everything since `since` was read, and give the state."""
        self._committed = self._highest
        return self.state()

    def state(self) -> State:
        return {} if self._committed is None else {"high": cursor_to_json(self._committed)}


def time_windows(
    start: datetime, end: datetime, step: timedelta, *, lookback: timedelta = timedelta(0)
) -> Iterator[tuple[datetime, datetime]]:
    """Cut the time from `start - lookback` to `end` into windows `[from, until)`, oldest first.

    The last one ends at `end` exactly, however short it is. Save `until` after each window. Choose `end`
    once, a little before now: what is written during the sync belongs to the next one.

    >>> noon = datetime(2024, 2, 29, 12, tzinfo=UTC)
    >>> [(a.hour, b.hour) for a, b in time_windows(noon, noon + timedelta(hours=5), timedelta(hours=2))]
    [(12, 14), (14, 16), (16, 17)]
    """
    if step <= timedelta(0):
        raise ValueError(f"step must be above zero, not {step}")
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError(f"start {start} and end {end} need time zones: a day is 23 hours in some")
    # In UTC, where every hour is there once: adding to a local time is wrong across daylight saving.
    window_start, last = start.astimezone(UTC) - lookback, end.astimezone(UTC)
    while window_start < last:
        window_end = min(window_start + step, last)
        yield window_start, window_end
        window_start = window_end


class TableCursors:
    """One cursor for each table in one state; other keys of the state are kept.

    >>> tables = TableCursors({"version": 2})
    >>> tables["orders"] = {"high": 7}
    >>> tables["customers"]
    {}
    >>> tables.state()
    {'version': 2, 'tables': {'orders': {'high': 7}}}
    """

    def __init__(self, state: Mapping[str, Any], *, key: str = "tables") -> None:
        self._key = key
        self._rest = {name: value for name, value in state.items() if name != key}
        self._cursors: dict[str, State] = {table: dict(cursor) for table, cursor in state.get(key, {}).items()}

    def __getitem__(self, table: str) -> State:
        """Give a copy of the table's cursor, empty if it has none yet."""
        return dict(self._cursors.get(table, {}))

    def __setitem__(self, table: str, cursor: Mapping[str, Any]) -> None:
        self._cursors[table] = dict(cursor)

    def forget(self, table: str) -> None:
        """Read `table` from the start next time."""
        self._cursors.pop(table, None)

    def state(self) -> State:
        return {**self._rest, self._key: {table: dict(cursor) for table, cursor in self._cursors.items()}}


@dataclass
class _Parent:
    cursor: State
    finished_in: int  # the pass in which it was last finished


class ParentCursors:
    """One cursor for each parent (chat, calendar, project), for sources that are read parent by parent.

    A pass goes over all parents; a run that ends in the middle goes on with those that the pass has not
    finished. At most `cap` cursors are kept, since the state is limited to 10 MB: beyond it the parents that
    changed least recently are forgotten (`forgotten` counts them) and read from their start next time, so
    nothing is lost.

    ::

        chats = ParentCursors(state.get("chats", {}))
        for chat in chats.pending(list_chats()):
            mark = Watermark(chats[chat])
            ...
            chats.finish(chat, mark.finish())
            op.checkpoint({"chats": chats.state()})
        for gone in chats.end_pass():                # deleted at the source: forget, or delete their children
            op.delete("chats", {"id": gone})
        op.checkpoint({"chats": chats.state()})
    """

    def __init__(self, state: Mapping[str, Any], *, cap: int = 10_000) -> None:
        if cap < 1:
            raise ValueError(f"cap must be at least 1, not {cap}")
        self.forgotten = 0
        self._cap = cap
        self._pass = int(state.get("pass", 1))
        # Pairs in a list, least recently changed first: stores may sort the keys of JSON objects.
        self._parents = {
            parent: _Parent(dict(cursor), finished_in) for parent, finished_in, cursor in state.get("parents", [])
        }
        self._listed: set[str | int] = set()
        self._listed_all = False

    def pending(self, parents: Iterable[str | int]) -> Iterator[str | int]:
        """Give the parents that this pass has not finished; each is noted as existing."""
        self._listed_all = False
        for parent in parents:
            self._listed.add(parent)
            known = self._parents.get(parent)
            if known is None or known.finished_in != self._pass:
                yield parent
        self._listed_all = True

    def __getitem__(self, parent: str | int) -> State:
        """Give a copy of the parent's cursor, empty if it has none."""
        known = self._parents.get(parent)
        return {} if known is None else dict(known.cursor)

    def __setitem__(self, parent: str | int, cursor: Mapping[str, Any]) -> None:
        """Move the cursor of a parent that is not finished yet."""
        self._set(parent, cursor, self._parents[parent].finished_in if parent in self._parents else 0)

    def finish(self, parent: str | int, cursor: Mapping[str, Any]) -> None:
        """Save the cursor, and do not read this parent again in this pass."""
        self._set(parent, cursor, self._pass)

    def end_pass(self) -> list[str | int]:
        """Start the next pass, and give (and forget) the known parents that the source no longer lists.

        Errors: ValueError unless `pending` went through all parents: half a listing looks like deletions.
        """
        if not self._listed_all:
            raise ValueError("end_pass before pending() reached its end: the parents not listed yet are not gone")
        gone = [parent for parent in self._parents if parent not in self._listed]
        for parent in gone:
            del self._parents[parent]
        self._pass += 1
        self._listed, self._listed_all = set(), False
        return gone

    def state(self) -> State:
        parents = [[parent, known.finished_in, dict(known.cursor)] for parent, known in self._parents.items()]
        return {"pass": self._pass, "parents": parents}

    def _set(self, parent: str | int, cursor: Mapping[str, Any], finished_in: int) -> None:
        known = self._parents.get(parent)
        if known is not None and known.cursor == cursor:
            known.finished_in = finished_in
            return
        self._parents.pop(parent, None)  # a changed one goes to the end
        self._parents[parent] = _Parent(dict(cursor), finished_in)
        while len(self._parents) > self._cap:
            del self._parents[next(iter(self._parents))]
            self.forgotten += 1


class Gap(NamedTuple):
    """A stretch of a feed that was not delivered, without its two ends; None is no bound."""

    low: Cursor | None
    high: Cursor | None


class RangeLedger:
    """Which stretches of a newest-first feed were delivered, kept as ranges of cursor values.

    unique    no two records share a cursor value: an id, or a pair (time, id) that the source can page on.
              Then ask for values strictly between `gap.low` and `gap.high`. If values may be shared (times),
              give False, ask for `gap.low <= value < gap.high`, and expect records at page ends twice: upsert
    floor     no value below it is wanted. It may change between runs; a lower one reopens the feed below
    lookback  read this much (timedelta or number) below the newest value again in each run, for records that
              appear late; None is none

    Values are held, not positions, so deleted records, moved pages or another page size do no harm.

    >>> ledger = RangeLedger({}, unique=True)
    >>> gap = ledger.page(Gap(None, None), [49, 47, 44], exhausted=False)
    >>> gap, ledger.gaps()
    (Gap(low=None, high=44), [Gap(low=49, high=None), Gap(low=None, high=44)])
    >>> ledger.page(gap, [43, 40], exhausted=True)
    >>> ledger.state()
    {'v': 1, 'covered': [[40, 49]], 'floor': None, 'bottom': True}
    """

    def __init__(self, state: Mapping[str, Any], *, unique: bool, floor: Cursor = None, lookback: Any = None) -> None:
        if state.get("v", 1) != 1:
            raise ValueError(
                f"the state has version {state['v']!r} of a range ledger, and this code knows 1: update it"
            )
        self._unique = unique
        self._floor = floor
        self._covered: list[tuple[Cursor, Cursor]] = []  # closed, disjoint, ascending
        for low, high in state.get("covered", []):
            self._cover(cursor_from_json(low), cursor_from_json(high))
        self._bottom = bool(state.get("bottom", False)) and not self._is_lower_floor(state.get("floor"))
        if lookback is not None and self._covered:
            self._reopen(_before(self._covered[-1][1], lookback))

    def gaps(self) -> list[Gap]:
        """Give what is missing, newest first: the catch-up above all ranges, the holes, the rest below."""
        if not self._covered:
            return [Gap(None, None)]
        lows = [None, *(high for _, high in self._covered)]
        highs = [*(low for low, _ in self._covered), None]
        gaps = [Gap(low, high) for low, high in zip(lows, highs, strict=True)][1 if self._bottom else 0 :]
        return [gap for gap in reversed(gaps) if self._is_wanted(gap)]

    def page(self, gap: Gap, values: Iterable[Cursor], *, exhausted: bool) -> Gap | None:
        """Note that one newest-first page of `gap` was emitted, and give what remains of the gap, or None.

        values     the cursor values of all records of the page, in any order; empty is fine
        exhausted  the source has nothing more in this gap

        A page that reaches past `gap.low` or the floor closes the gap too, so a source that cannot be asked
        for a lower bound needs none. A page may come again, and pages may come in any order.
        Errors: ValueError when a page can make no progress (all its records share one value, or none is below
        `gap.high`): the next request would be the same one, for ever.
        """
        distinct = sorted(set(values))
        if not distinct and not exhausted:
            return gap  # a source that filters may send an empty page in the middle: nothing was learnt
        closed = exhausted or self._reaches(gap, distinct[0])
        if not self._unique:
            distinct = self._complete(gap, distinct, closed)
        if not closed and gap.high is not None and distinct[0] >= gap.high:
            raise ValueError(
                f"a page asked for below {gap.high!r} starts at {distinct[0]!r}: the source ignores the bound"
            )
        self._cover_page(gap, distinct, closed)
        return None if closed else Gap(gap.low, distinct[0])

    def state(self) -> State:
        covered = [[cursor_to_json(low), cursor_to_json(high)] for low, high in self._covered]
        return {"v": 1, "covered": covered, "floor": _optional_to_json(self._floor), "bottom": self._bottom}

    def _is_lower_floor(self, saved: Any) -> bool:
        before = _optional_from_json(saved)
        return before is not None and (self._floor is None or self._floor < before)

    def _is_wanted(self, gap: Gap) -> bool:
        return self._floor is None or gap.high is None or gap.high > self._floor

    def _reopen(self, cut: Cursor) -> None:
        """Forget what is above `cut`: if the second look is interrupted, its holes are in the state."""
        kept = [(low, min(high, cut)) for low, high in self._covered if low <= cut]
        # With the bottom known, everything below the lowest range is delivered too: keep that known.
        self._covered = kept or ([(cut, cut)] if self._bottom else [])

    def _reaches(self, gap: Gap, oldest: Cursor) -> bool:
        if self._floor is not None and oldest < self._floor:
            return True
        return gap.low is not None and (oldest <= gap.low if self._unique else oldest < gap.low)

    def _complete(self, gap: Gap, distinct: list[Cursor], closed: bool) -> list[Cursor]:
        """Leave out the page's last value: records that share it may follow on the next page."""
        if closed:
            return distinct
        if len(distinct) == 1:
            raise ValueError(
                f"a whole page has the one cursor value {distinct[0]!r}: ask for larger pages, "
                "or page on (value, id) and give unique=True"
            )
        return distinct[1:]

    def _cover_page(self, gap: Gap, distinct: list[Cursor], closed: bool) -> None:
        oldest, newest = (distinct[0], distinct[-1]) if distinct else (gap.high, gap.low)
        high = newest if gap.high is None else gap.high
        low = gap.low if closed and gap.low is not None else oldest
        if closed and self._floor is not None and low is not None:
            low = max(low, self._floor)  # what lies below was not wanted, so it was not delivered
        if low is not None and high is not None and low <= high:
            self._cover(low, high)
        if closed and gap.low is None and self._covered:
            self._bottom = True

    def _cover(self, low: Cursor, high: Cursor) -> None:
        """Add one closed range, and join the ranges that touch it."""
        apart: list[tuple[Cursor, Cursor]] = []
        for other_low, other_high in self._covered:
            if _is_apart(other_high, low) or _is_apart(high, other_low):
                apart.append((other_low, other_high))
            else:
                low, high = min(low, other_low), max(high, other_high)
        self._covered = sorted([*apart, (low, high)])


def _is_apart(lower: Cursor, upper: Cursor) -> bool:
    """Whether a value can lie between the two; between whole numbers next to each other, none can."""
    if isinstance(lower, int) and isinstance(upper, int):
        return upper > lower + 1
    return bool(upper > lower)


class AnchorGap(NamedTuple):
    """A stretch of a feed of opaque ids: start below the record `older_than`, or at the top if it is None."""

    older_than: str | None


@dataclass(eq=False)
class _Stretch:
    """What was delivered without a break: the ids nearest to its two ends, each from the end inwards."""

    newest: list[str]
    oldest: list[str]


class AnchorTracker:
    """Which stretches of a newest-first feed were delivered, where ids are opaque and have no order.

    exists   asks the source whether the record with an id is still there; called before each request, since a
             source answers nonsense when asked for what is older than a deleted record
    anchors  how many ids are remembered at each end of a stretch; when all of them were deleted between two
             runs, delivered records come again, but none is missed

    If the records have a time or an ordered id, use `RangeLedger`: it asks nothing.

    ::

        tracker = AnchorTracker(state.get("mail", {}), exists=mailbox.exists)
        for gap in tracker.gaps():
            while gap is not None:
                page = mailbox.newest_first(older_than=gap.older_than)
                for message in page.messages:
                    op.upsert("mail", message)
                gap = tracker.page(gap, [message["id"] for message in page.messages], exhausted=page.last)
                op.checkpoint({"mail": tracker.state()})
    """

    def __init__(self, state: Mapping[str, Any], *, exists: Callable[[str], bool], anchors: int = 20) -> None:
        if state.get("v", 1) != 1:
            raise ValueError(
                f"the state has version {state['v']!r} of an anchor tracker, and this code knows 1: update it"
            )
        if anchors < 1:
            raise ValueError(f"anchors must be at least 1, not {anchors}")
        self._exists = exists
        self._anchors = anchors
        self._stretches = [_Stretch(list(each["newest"]), list(each["oldest"])) for each in state.get("stretches", [])]
        self._bottom = bool(state.get("bottom", False))

    def gaps(self) -> Iterator[AnchorGap]:
        """Give what is missing, newest first; a gap left open by the caller is not given twice.

        Each one is worked out when it is asked for, so finish or leave one before you take the next.
        """
        yield AnchorGap(None)
        given: set[tuple[_Stretch, _Stretch | None]] = set()
        while (above := self._first_open(given)) is not None:
            gap = self._gap_below(above)
            if gap is not None:
                yield gap

    def page(self, gap: AnchorGap, ids: Sequence[str], *, exhausted: bool) -> AnchorGap | None:
        """Note that one page of `gap` was emitted, and give what remains of the gap, or None.

        ids        the ids of all records of the page, newest first; empty is fine
        exhausted  the source has nothing older

        A page that meets a record delivered before closes the gap.
        """
        above = self._above(gap)
        met = self._first_met(ids, above)
        fresh = list(ids if met is None else ids[: met[0]])
        met_stretch = None if met is None else met[1]
        if fresh and above is None:
            above = _Stretch(fresh[: self._anchors], fresh[::-1][: self._anchors])
            self._stretches.insert(0, above)
        elif fresh and above is not None:
            above.oldest = [*reversed(fresh), *above.oldest][: self._anchors]
        if met_stretch is not None:
            self._join(above, met_stretch)
            return None
        if exhausted:
            # The source ended without the stretches below: all their records are deleted.
            del self._stretches[self._position_below(above) :]
            self._bottom = bool(self._stretches)
            return None
        return gap if above is None else self._gap_below(above)

    def state(self) -> State:
        stretches = [{"newest": list(each.newest), "oldest": list(each.oldest)} for each in self._stretches]
        return {"v": 1, "stretches": stretches, "bottom": self._bottom}

    def _above(self, gap: AnchorGap) -> _Stretch | None:
        if gap.older_than is None:
            return None
        for stretch in self._stretches:
            if gap.older_than in stretch.oldest or gap.older_than in stretch.newest:
                return stretch
        raise ValueError(f"{gap} is not open: use the gaps that gaps() and the last page() gave")

    def _position_below(self, above: _Stretch | None) -> int:
        return 0 if above is None else self._stretches.index(above) + 1

    def _first_met(self, ids: Sequence[str], above: _Stretch | None) -> tuple[int, _Stretch] | None:
        """Find the first id on the page that belongs to a lower stretch."""
        lower = self._stretches[self._position_below(above) :]
        anchors = {anchor: stretch for stretch in lower for anchor in (*stretch.newest, *stretch.oldest)}
        return next(((at, anchors[known]) for at, known in enumerate(ids) if known in anchors), None)

    def _join(self, above: _Stretch | None, below: _Stretch) -> None:
        """Make one stretch of the two, dropping any between: the source no longer has their anchors."""
        if above is not None:
            below.newest = [*above.newest, *below.newest][: self._anchors]
            below.oldest = [*below.oldest, *above.oldest][: self._anchors]
        start = 0 if above is None else self._stretches.index(above)
        self._stretches[start : self._stretches.index(below)] = []

    def _first_open(self, given: set[tuple[_Stretch, _Stretch | None]]) -> _Stretch | None:
        """Find the newest stretch with a gap below it that was not given yet."""
        followers = [*self._stretches[1:], None]
        for above, below in zip(self._stretches, followers, strict=False):
            if (above, below) not in given and not (below is None and self._bottom):
                given.add((above, below))
                return above
        return None

    def _gap_below(self, above: _Stretch) -> AnchorGap | None:
        """Start the gap at the oldest record of `above` that still exists; if none does, forget `above`."""
        for anchor in (*above.oldest, *reversed(above.newest)):
            if self._exists(anchor):
                return AnchorGap(anchor)
        self._stretches.remove(above)
        return None


def page_token(token: str, *, expires_at: datetime, page_size: int) -> State:
    """Save a page token together with what it is good for; read it with `resumed_token`."""
    return {"token": token, "expires_at": cursor_to_json(expires_at), "page_size": page_size}


def resumed_token(state: Mapping[str, Any], *, now: datetime, page_size: int) -> str | None:
    """Give the saved page token, or None if it expired or was made for another page size: then start over.

    >>> saved = page_token("abc", expires_at=datetime(2024, 3, 1, tzinfo=UTC), page_size=50)
    >>> resumed_token(saved, now=datetime(2024, 2, 29, tzinfo=UTC), page_size=50)
    'abc'
    >>> resumed_token(saved, now=datetime(2024, 2, 29, tzinfo=UTC), page_size=100)
    """
    if not state or state["page_size"] != page_size or cursor_from_json(state["expires_at"]) <= now:
        return None
    return str(state["token"])
