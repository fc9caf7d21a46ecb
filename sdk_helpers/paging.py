"""All records of an endpoint that answers in pages, and the reason why the pages ended.

Needs the sibling modules `http` and `retry`, and `requests`. In a connector.py:

    from sdk_helpers.http import ApiClient
    from sdk_helpers.paging import Cursor, paginate

    client = ApiClient("https://api.example.com/v1", auth=...)
    pages = paginate(
        client, "orders", Cursor("after", at="meta.next"), records="data", resume_from=state.get("orders_at")
    )
    for page in pages:
        for order in page.records:
            op.upsert("orders", order)
        state["orders_at"] = page.resume_from          # a JSON value; None after the last page
        op.checkpoint(state)
    log.info(f"orders: {pages.stopped_because}")

When rows come and go at the source between two pages:

    strategy    rows inserted                           rows deleted
    ----------  --------------------------------------  ------------------------------------------------------
    Keyset      none is skipped, none comes twice       none is skipped
    Cursor      what the server promises: usually none is skipped
    NextUrl     as Cursor, Keyset or Offset, whichever of them the URL holds; LinkHeader likewise
    Offset      before the position: some come twice,   some are skipped, unless `overlap` covers them or
                unless there is an `overlap`            says so with an error
    PageNumber  as Offset without overlap               some are skipped and nothing shows it: sort by a
                                                        column in which the rows that go stand last

A page that comes again, a cursor that repeats, a next URL on another host and pages that stop before the total
that the server states are errors, never the end. A page shorter than asked for is not the end either, for servers
cap the size: an empty one is.
"""

import hashlib
import json as json_module
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Protocol

import requests

from .http import ApiClient, ApiError, resolved_url

EMPTY_PAGES_IN_A_ROW = 1000

Path = str | Sequence[str]
"""Where something is in a JSON value: "data.orders" or ["data", "orders"]; "*" is every element of a list."""

Position = Any
"""A JSON value that says where a page begins; None is the start."""


class PagingError(ApiError):
    """The pages lead to no end, or not to all records."""


@dataclass(frozen=True)
class Answer:
    """One answer of the server.

    position  where this page began
    body      the JSON value
    records   those in it
    fresh     those of them that no page before has had
    """

    position: Position
    body: Any
    response: requests.Response
    records: list[Any]
    fresh: list[Any]


@dataclass(frozen=True)
class End:
    """There is no further page; a feed that will have more later says where, in `resume_from`."""

    because: str
    resume_from: Position = None


@dataclass(frozen=True)
class Page:
    """Some records, and where the next page begins: None when this is the last one."""

    records: list[Any]
    resume_from: Position
    response: requests.Response = field(repr=False)


Where = Path | Callable[[Answer], object]
"""A path into the body, or a function of the answer such as `header("X-Total-Count")`."""


class Strategy(Protocol):
    """How an API divides its records into pages; holds no state, for the position holds all."""

    def parameters(self, position: Position) -> Mapping[str, object]:
        """What to send for the page at `position`."""

    def url(self, position: Position) -> str | None:
        """Where that page is, if not at the path of the endpoint."""

    def fresh(self, position: Position, records: list[Any]) -> list[Any]:
        """`records` without those that the page before has had, too."""

    def following(self, answer: Answer) -> Position | End:
        """Where the next page begins."""

    def ends_with(self, error: ApiError) -> bool:
        """Whether this failure is how the API says that there are no more pages."""


def paginate(
    client: ApiClient,
    path: str,
    by: Strategy,
    *,
    records: Path | Callable[[Any], list[Any]] = (),
    params: Mapping[str, object] | None = None,
    json: Mapping[str, object] | None = None,
    resume_from: Position = None,
    max_pages: int | None = None,
    repeats_allowed: bool = False,
    parse_float: Callable[[str], object] = float,
) -> "Pages":
    """The pages of one endpoint.

    records          where the list is in the body, or a function of the body; without it the body is the
                     list. A missing list is an error
    params           for every page, except where the server gives a whole URL
    json             makes it a POST; paging parameters are written into it ("variables.after" into a member)
    resume_from      of the last page of an earlier run
    max_pages        then stop, and say so in `stopped_because`
    repeats_allowed  two pages may hold the same records (rows without any identity)
    parse_float      `decimal.Decimal` keeps every digit
    """
    if max_pages is not None and max_pages < 1:
        raise ValueError(f"paginate: max_pages is {max_pages}: at least 1")
    request = _Request(client, path, by, records, dict(params or {}), json, parse_float)
    return Pages(request, resume_from, max_pages, repeats_allowed)


class Pages:
    """Iterate for pages, or over `records()`; afterwards `stopped_because` says why there are no more."""

    def __init__(
        self, request: "_Request", resume_from: Position, max_pages: int | None, repeats_allowed: bool
    ) -> None:
        self._request = request
        self._resume_from = resume_from
        self._max_pages = max_pages
        self._repeats_allowed = repeats_allowed
        self.stopped_because: str | None = None

    def records(self) -> Iterator[Any]:
        """The records of all pages."""
        for page in self:
            yield from page.records

    def __iter__(self) -> Iterator[Page]:
        self.stopped_because = None
        progress = _Progress(self._repeats_allowed)
        position, pages = self._resume_from, 0
        while self.stopped_because is None:
            try:
                answer = self._request.answer(position)
                if isinstance(answer, End):
                    self.stopped_because = answer.because
                    return
                following = progress.checked(answer, self._request.by.following(answer))
            except PagingError as error:
                error.add_note(f"while paging through {self._request.path!r}, after {pages} pages")
                raise
            pages += 1
            if isinstance(following, End):
                self.stopped_because, position = following.because, following.resume_from
            else:
                position = following
                if pages == self._max_pages:
                    self.stopped_because = f"max_pages: {pages} pages were read, and there are more"
            yield Page(answer.fresh, position, answer.response)


@dataclass(frozen=True)
class _Request:
    """How to fetch the page at a position."""

    client: ApiClient
    path: str
    by: Strategy
    records: Path | Callable[[Any], list[Any]]
    params: dict[str, object]
    json: Mapping[str, object] | None
    parse_float: Callable[[str], object]

    def answer(self, position: Position) -> Answer | End:
        try:
            body, response = self._fetched(position)
        except ApiError as error:
            if position is None or not self.by.ends_with(error):
                raise
            return End(f"the server answered {error.status}, as it does after the last page")
        records = self._selected(body)
        return Answer(position, body, response, records, self.by.fresh(position, records))

    def _fetched(self, position: Position) -> tuple[Any, requests.Response]:
        url = self.by.url(position)
        added = self.by.parameters(position)
        json = self.json
        if json is not None:
            for name, value in added.items():
                json = json if value is None else _with_member(json, name.split("."), value)
            added = {}
        return self.client.request_json(
            "GET" if json is None else "POST",
            url or self.path,
            params={} if url else {**self.params, **added},
            json=json,
            idempotent=True,  # reading a page changes nothing
            parse_float=self.parse_float,
        )

    def _selected(self, body: Any) -> list[Any]:
        found = self.records(body) if callable(self.records) else select(body, self.records)
        if not isinstance(found, list):
            where = "what `records` gives" if callable(self.records) else _shown(self.records)
            raise PagingError(
                f"{where} is {_kind(found)}, not a list.\n"
                'If that is how the API says "none": records=lambda body: body["data"] or []'
            )
        return found


class _Progress:
    """Notices pages that lead nowhere."""

    def __init__(self, repeats_allowed: bool) -> None:
        self._repeats_allowed = repeats_allowed
        self._pages: set[bytes] = set()
        self._positions: set[bytes] = set()
        self._empty_in_a_row = 0

    def checked(self, answer: Answer, following: Position | End) -> Position | End:
        """`following`, unless it leads back to where the pages have been."""
        self._positions.add(_digest(answer.position))
        if answer.fresh and not self._repeats_allowed:
            self._refuse_repeated_page(answer)
        self._empty_in_a_row = 0 if answer.fresh else self._empty_in_a_row + 1
        if isinstance(following, End):
            return following
        if _digest(following) in self._positions:
            raise PagingError(f"the next page is at {_brief(following)}, where the pages have been before")
        if self._empty_in_a_row >= EMPTY_PAGES_IN_A_ROW:
            raise PagingError(f"{self._empty_in_a_row} empty pages in a row, each with a next one")
        return following

    def _refuse_repeated_page(self, answer: Answer) -> None:
        page = _digest(answer.fresh)
        if page in self._pages:
            raise PagingError(
                f"the same {len(answer.fresh)} records came twice, again at {_brief(answer.position)}.\n"
                "Does the server know the paging parameter under this name?"
            )
        self._pages.add(page)


def _digest(value: Any) -> bytes:
    # Sixteen bytes a page, so that a million pages cost little memory.
    text = json_module.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _hashable(value: Any) -> Any:
    """A JSON value for sets: equal to another one exactly when the values are, as 1 and 1.0 of two pages."""
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    if isinstance(value, Mapping):
        return frozenset((name, _hashable(inner)) for name, inner in value.items())
    return value


# --- The strategies ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Sized:
    """What most strategies share.

    size        records asked for; None leaves it to the server
    size_param  the name of that parameter
    more        where the server says whether there are more; then an empty page is not the end
    end_status  the status some servers answer after the last page (404, or 400)
    """

    size: int | None = None
    size_param: str = "limit"
    more: Where | None = None
    end_status: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ValueError(f"{type(self).__name__}: size is {self.size}: at least 1")

    def url(self, position: Position) -> str | None:
        return None

    def fresh(self, position: Position, records: list[Any]) -> list[Any]:
        return records

    def ends_with(self, error: ApiError) -> bool:
        return error.status is not None and error.status == self.end_status

    def _sized(self, parameters: dict[str, object]) -> dict[str, object]:
        return parameters if self.size is None else {self.size_param: self.size, **parameters}

    def _said_to_end(self, answer: Answer) -> End | None:
        if self.more is None or str(_said(answer, self.more)).lower() not in ("false", "0", "none", "", "no"):
            return None
        return End(f"{_shown(self.more)} says that there are no more")


@dataclass(frozen=True)
class PageNumber(_Sized):
    """Pages by number.

    first        the number of the first page
    total_pages  where the server says how many there are

    Ends when `more` or `total_pages` says so; without both, at the first empty page.
    """

    param: str = "page"
    first: int = 1
    total_pages: Where | None = None

    def parameters(self, position: Position) -> Mapping[str, object]:
        return self._sized({self.param: self.first if position is None else position})

    def following(self, answer: Answer) -> Position | End:
        number = self.first if answer.position is None else answer.position
        if self.total_pages is not None:
            total = _number(answer, self.total_pages)
            if number - self.first + 1 >= total:
                return End(f"page {number} is the last of {total}")
        elif self.more is None and not answer.records:
            return End(f"page {number} is empty")
        return self._said_to_end(answer) or number + 1


@dataclass(frozen=True)
class Offset(_Sized):
    """Pages by the number of records before them; goes on by as many as really came.

    total    where the server says how many records there are
    overlap  read so many records of the page before again, and leave them out: then rows inserted in between
             bring nothing twice, fewer deleted ones than `overlap` do no harm, and more of either are noticed
             (PagingError)
    key      for `overlap`: the field, or fields, that tell records apart

    Ends when `more` or `total` says so; without both, at the first empty page.
    """

    param: str = "offset"
    total: Where | None = None
    overlap: int = 0
    key: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.overlap and (self.key is None or self.size is None or self.size <= self.overlap):
            raise ValueError("Offset: overlap needs key=..., and a size that is larger than the overlap")

    def parameters(self, position: Position) -> Mapping[str, object]:
        return self._sized({self.param: self._start(position)})

    def fresh(self, position: Position, records: list[Any]) -> list[Any]:
        _, seen = self._parts(position)
        if not seen:
            return records
        last_seen = set(map(_hashable, seen))
        found = [number for number, record in enumerate(records) if _hashable(self._key(record)) in last_seen]
        if not found:
            raise PagingError(
                f"none of the last records of the page before is found again at offset {self._start(position)}: "
                f"{_brief(seen)}.\nRows were deleted or moved, so some would be skipped: "
                "start again from the beginning, or use Keyset."
            )
        return records[found[-1] + 1 :]

    def following(self, answer: Answer) -> Position | End:
        offset, seen = self._parts(answer.position)
        reached = self._start(answer.position) + len(answer.records)
        if self.total is not None:
            total = _number(answer, self.total)
            if reached >= total:
                return End(f"{reached} of {total} records")
            if reached <= offset:
                raise PagingError(
                    f"the server speaks of {total} records, but gives none after {offset}.\n"
                    "If it pages only so far, ask for less at a time, such as a month; if its total is a guess, "
                    "leave out total=."
                )
        elif self.more is None and reached <= offset:
            return End(f"no records after {offset}")
        ended = self._said_to_end(answer)
        if ended is not None or not self.overlap:
            return ended or reached
        keys = [self._key(record) for record in answer.records[-self.overlap :]]
        # Inserted rows may have pushed some that were given out behind this page.
        here = set(map(_hashable, keys))
        ahead = [] if answer.fresh else [key for key in seen if _hashable(key) not in here]
        return {"offset": reached, "seen": keys + ahead}

    def _start(self, position: Position) -> int:
        offset, seen = self._parts(position)
        return max(0, offset - self.overlap) if seen else offset

    def _key(self, record: Any) -> Any:
        return [select(record, name) for name in _names(self.key or ())]

    @staticmethod
    def _parts(position: Position) -> tuple[int, list[Any]]:
        if isinstance(position, Mapping):
            return position["offset"], position["seen"]
        return position or 0, []


@dataclass(frozen=True)
class Keyset(_Sized):
    """Pages by the value of a field: "give me those after this one", in the order of that field.

    param  the parameter that takes the value
    by     the field
    start  the value to begin with; None begins with the first record
    ties   where several records may share a value, as with times: the field, or fields, that tell them apart.
           The server must then include the value it is given (>=), and `size` must be what it really grants.
           Without it the field must be unique, and the server must leave the value out (>).
    order  turns a value into one that sorts as at the server (`int`, `datetime.fromisoformat`); with it, and
           always for numbers, a page that is not in order is an error
    descending  the order is from high to low
    """

    param: str
    by: Path
    _: KW_ONLY
    start: Any = None
    ties: Path | None = None
    order: Callable[[Any], Any] | None = None
    descending: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ties is not None and self.size is None:
            raise ValueError("Keyset: ties needs size=..., to tell a full page from the last one")

    def parameters(self, position: Position) -> Mapping[str, object]:
        return self._sized({self.param: self._parts(position)[0]})

    def fresh(self, position: Position, records: list[Any]) -> list[Any]:
        after, seen = self._parts(position)
        if not seen:
            return records
        delivered = set(map(_hashable, seen))
        return [r for r in records if select(r, self.by) != after or _hashable(self._key(r)) not in delivered]

    def following(self, answer: Answer) -> Position | End:
        after, _ = self._parts(answer.position)
        if not answer.fresh:
            self._refuse_full_page(answer, after)
            return self._said_to_end(answer) or End(f"nothing new after {_brief(after)}")
        values = [select(record, self.by) for record in answer.records]
        self._refuse_disorder(values, after)
        last = values[-1]
        if self.ties is None:
            if after is not None and after in values:
                raise PagingError(
                    f"the page after {_brief(after)} includes it.\n"
                    "Pass ties=..., the field that tells records with one value apart."
                )
            return self._said_to_end(answer) or {"after": last}
        delivered = [self._key(r) for r, value in zip(answer.records, values, strict=True) if value == last]
        return self._said_to_end(answer) or {"after": last, "seen": delivered}

    def _refuse_full_page(self, answer: Answer, after: Any) -> None:
        if self.size is not None and answer.records and len(answer.records) >= self.size:
            raise PagingError(
                f"{self.size} records or more share {_shown(self.by)} = {_brief(after)}, "
                "so those after them cannot be reached.\nAsk for larger pages, or page by a unique field."
            )

    def _refuse_disorder(self, values: list[Any], after: Any) -> None:
        if None in values:
            raise PagingError(f"a record has null in {_shown(self.by)}, so it has no place in the order")
        numbers = all(isinstance(value, int | float) for value in values)
        if self.order is None and not numbers:
            return
        before = [] if after is None or (numbers and not isinstance(after, int | float)) else [after]
        keys = [value if self.order is None else self.order(value) for value in (*before, *values)]
        if keys != sorted(keys, reverse=self.descending):
            direction = "descending" if self.descending else "ascending"
            raise PagingError(
                f"the page is not in {direction} order of {_shown(self.by)}, so records would be skipped.\n"
                "Ask the server to sort by it."
            )

    def _key(self, record: Any) -> Any:
        return [select(record, name) for name in _names(self.ties or ())]

    def _parts(self, position: Position) -> tuple[Any, list[Any]]:
        if position is None:
            return self.start, []
        return position["after"], position.get("seen", [])


@dataclass(frozen=True)
class Cursor(_Sized):
    """Pages by a word that the server gives for the next one.

    param  the parameter that takes it
    at     where the next cursor is, in the body, or `header("X-Next-Cursor")`

    Ends when the cursor is missing, null or empty, or `more` says so; an empty page is not the end.
    """

    param: str
    at: Where

    def parameters(self, position: Position) -> Mapping[str, object]:
        return self._sized({} if position is None else {self.param: position})

    def following(self, answer: Answer) -> Position | End:
        ended = self._said_to_end(answer)
        if ended is not None:
            return ended
        cursor = _look_up(answer, self.at)
        if _names_nothing(cursor):
            if self.more is not None:
                raise PagingError(f"{_shown(self.more)} says that there are more, but {_nothing(self.at, cursor)}")
            return End(_nothing(self.at, cursor))
        return _unless_waiting(answer, cursor)


@dataclass(frozen=True)
class NextUrl(_Sized):
    """Pages by the URL of the next one, whole or relative, which the server gives in the body.

    Ends when it is missing, null or empty; an empty page is not the end.
    """

    at: Where = "next"

    def parameters(self, position: Position) -> Mapping[str, object]:
        return self._sized({}) if position is None else {}

    def url(self, position: Position) -> str | None:
        return None if position is None else str(position)

    def following(self, answer: Answer) -> Position | End:
        ended = self._said_to_end(answer)
        if ended is not None:
            return ended
        found = _look_up(answer, self.at)
        if _names_nothing(found):
            return End(_nothing(self.at, found))
        if not isinstance(found, str):
            raise PagingError(f"{_shown(self.at)} is {_kind(found)}, not a URL")
        return _unless_waiting(answer, resolved_url(answer.response, found))


@dataclass(frozen=True)
class LinkHeader(NextUrl):
    """Pages by the `Link` header with rel="next" (RFC 8288)."""

    at: Where = field(default_factory=lambda: _next_link)


def _unless_waiting(answer: Answer, following: Position) -> Position | End:
    """A feed that is read to its end names the same place again, for the time when it has more."""
    if following == answer.position and not answer.records:
        return End("an empty page whose next page is itself", resume_from=following)
    return following


def _next_link(answer: Answer) -> object:
    """Link header"""
    return link_targets(answer.response.headers.get("Link", "")).get("next", _MISSING)


# A URL ends at ">", whatever commas and semicolons are in it; a parameter may be quoted, with any of them, too.
_LINK = re.compile(r"<([^<>]*)>")
_LINK_PARAMETER = re.compile(r'\s*;\s*([^\s=;,"<]*)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"?|([^\s;,"<]*)))?')


def link_targets(text: str) -> dict[str, str]:
    """The URLs of a `Link` header by their relation, in lower case; the first one of a relation counts.

    >>> link_targets('</a?p=1,2>; cursor="bg=="; rel="Next last", </a>; rel=first')
    {'next': '/a?p=1,2', 'last': '/a?p=1,2', 'first': '/a'}

    Source: RFC 8288, section 3; `requests` loses the relation behind a parameter that has a "=" in it.
    """
    targets: dict[str, str] = {}
    position = 0
    while link := _LINK.search(text, position):
        position = link.end()
        relations: str | None = None
        while parameter := _LINK_PARAMETER.match(text, position):
            position = parameter.end()
            name, quoted, plain = parameter.groups()
            if name.lower() == "rel" and relations is None:  # further ones are to be ignored
                relations = quoted or plain or ""
        for relation in (relations or "").lower().split():
            targets.setdefault(relation, link[1])
    return targets


def header(name: str) -> Callable[[Answer], object]:
    """Where something is in the headers of the answer."""

    def found(answer: Answer) -> object:
        return answer.response.headers.get(name, _MISSING)

    found.__doc__ = f"header {name}"
    return found


# --- Paths -------------------------------------------------------------------------------------------------


class _Missing:
    """Not there, as against null."""


_MISSING = _Missing()


def select(body: Any, path: Path) -> Any:
    """What is at `path` in a JSON value.

    >>> select({"data": {"edges": [{"node": 1}, {"node": 2}]}}, "data.edges.*.node")
    [1, 2]

    Errors: PagingError when it is not there, with the names that are.
    """
    found = _found(body, _names(path))
    if found is _MISSING:
        there = f"the names {sorted(body)[:20]}" if isinstance(body, Mapping) else _kind(body)
        raise PagingError(f"there is no {_shown(path)} in the answer, but {there}")
    return found


def _found(value: Any, names: Sequence[str]) -> Any:
    for position, name in enumerate(names):
        if name == "*" and isinstance(value, list):
            inner = [_found(element, names[position + 1 :]) for element in value]
            return _MISSING if _MISSING in inner else inner
        if not isinstance(value, Mapping) or name not in value:
            return _MISSING
        value = value[name]
    return value


def _names(path: Path) -> list[str]:
    return path.split(".") if isinstance(path, str) else list(path)


def _with_member(body: Mapping[str, object], names: Sequence[str], value: object) -> dict[str, object]:
    """`body` with `value` at that path; the original stays as it is.

    >>> _with_member({"query": "q", "variables": {"n": 1}}, ["variables", "after"], "c2")
    {'query': 'q', 'variables': {'n': 1, 'after': 'c2'}}
    """
    first, *rest = names
    inner = body.get(first)
    if rest:
        value = _with_member(inner if isinstance(inner, Mapping) else {}, rest, value)
    return {**body, first: value}


def _look_up(answer: Answer, where: Where) -> Any:
    return where(answer) if callable(where) else _found(answer.body, _names(where))


def _said(answer: Answer, where: Where) -> Any:
    """What the server must say, because the author relies on it."""
    found = _look_up(answer, where)
    if found is _MISSING:
        raise PagingError(f"the answer does not say {_shown(where)}, which tells how far the pages go")
    return found


def _number(answer: Answer, where: Where) -> int:
    found = _said(answer, where)
    if isinstance(found, bool) or not str(found).strip().isdigit():
        raise PagingError(f"{_shown(where)} is {_brief(found)}, not a number")
    return int(found)


def _names_nothing(cursor: object) -> bool:
    # 0 may be a cursor, and equals False.
    return cursor is _MISSING or cursor is None or cursor is False or cursor == ""


def _nothing(where: Where, cursor: object) -> str:
    return f"{_shown(where)} is {'missing' if cursor is _MISSING else 'empty'}"


def _shown(where: Where | Path) -> str:
    if callable(where):
        return where.__doc__ or "what a function of the answer gives"
    return repr(where if isinstance(where, str) else ".".join(where) or "the body")


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", str: "text", type(None): "null"}.get(type(value), type(value).__name__)


def _brief(value: object) -> str:
    return reprlib.repr(value)
