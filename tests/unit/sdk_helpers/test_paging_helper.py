"""Paging against a real server whose rows come and go between two pages."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sdk_helpers import paging
from sdk_helpers.auth import Bearer
from sdk_helpers.http import ApiClient, HostRefused, NotFound, RequestRefused
from sdk_helpers.paging import (
    Cursor,
    Keyset,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    Pages,
    PagingError,
    header,
    paginate,
    select,
)
from sdk_helpers.retry import Backoff
from tests.unit.sdk_helpers.loopback import Asked, Clock, Reply, Server, served, tls_of_its_own

Row = dict[str, Any]


def rows(*ids: int) -> list[Row]:
    return [{"id": n} for n in ids]


def ids(pages: Pages) -> list[int]:
    return [row["id"] for row in pages.records()]


@contextmanager
def api(answer: Callable[[Asked], Any]) -> Iterator[tuple[ApiClient, Server]]:
    clock = Clock()
    with (
        Server(answer) as server,
        ApiClient(f"{server.url}/v1", backoff=Backoff(attempts=2, sleep=clock.sleep, clock=clock.monotonic)) as client,
    ):
        yield client, server


class Table:
    """Rows that change just before the n-th call, and the ways to page through them."""

    def __init__(self, table: list[Row], changes: dict[int, Callable[[list[Row]], object]] | None = None) -> None:
        self.rows = table
        self.changes = changes or {}
        self.calls = 0

    def _current(self) -> list[Row]:
        self.calls += 1
        if self.calls in self.changes:
            self.changes[self.calls](self.rows)
        return self.rows

    def by_offset(self, asked: Asked) -> Any:
        current, start = self._current(), int(asked.params.get("offset", 0))
        return {"data": current[start : start + int(asked.params["limit"])], "total": len(current)}

    def by_number(self, asked: Asked) -> Any:
        current, size = self._current(), int(asked.params.get("limit", 2))
        start = (int(asked.params["page"]) - 1) * size
        return {
            "data": current[start : start + size],
            "more": start + size < len(current),
            "pages": -(-len(current) // size),
        }

    def after(self, asked: Asked) -> Any:
        return [row for row in self._in_order() if row["id"] > int(asked.params.get("after", 0))][:3]

    def since(self, asked: Asked) -> Any:
        found = [row for row in self._in_order() if row["at"] >= int(asked.params.get("since", 0))]
        return found[: int(asked.params["limit"])]

    def _in_order(self) -> list[Row]:
        return sorted(self._current(), key=lambda row: (row.get("at", 0), row["id"]))


# --- By number and by offset --------------------------------------------------------------------------------


def test_numbered_pages_end_at_the_first_empty_one() -> None:
    with api(Table(rows(1, 2, 3, 4, 5)).by_number) as (client, server):
        pages = paginate(client, "orders", PageNumber(), records="data", params={"open": True, "x": None})
        found = ids(pages)

    assert found == [1, 2, 3, 4, 5]
    assert pages.stopped_because == "page 4 is empty"
    assert [asked.params for asked in server.asked] == [{"open": "true", "page": str(n)} for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("options",                                             "because"),
    [
        ({"more": "more"},                                  "'more' says that there are no more"),
        ({"total_pages": "pages"},                          "page 3 is the last of 3"),
        ({"total_pages": lambda answer: answer.body["pages"]}, "page 3 is the last of 3"),
    ],
)  # fmt: skip
def test_numbered_pages_end_where_the_server_says(options: Any, because: str) -> None:
    with api(Table(rows(1, 2, 3, 4, 5)).by_number) as (client, server):
        pages = paginate(client, "orders", PageNumber(**options), records="data")
        found = ids(pages)

    assert (found, pages.stopped_because, len(server.asked)) == ([1, 2, 3, 4, 5], because, 3)


@pytest.mark.parametrize("status", [404, 400])
def test_a_server_that_refuses_the_page_after_the_last_one(status: int) -> None:
    def answer(asked: Asked) -> Any:
        return rows(1, 2) if asked.params["page"] == "0" else Reply(b"no such page", status)

    with api(answer) as (client, _):
        pages = paginate(client, "orders", PageNumber(first=0, end_status=status))
        assert ids(pages) == [1, 2]
        assert pages.stopped_because == f"the server answered {status}, as it does after the last page"
        with pytest.raises((NotFound, RequestRefused)):
            ids(paginate(client, "orders", PageNumber(first=0)))
        with pytest.raises((NotFound, RequestRefused)):
            ids(paginate(client, "orders", PageNumber(first=1, end_status=status)))


def test_a_short_page_is_not_the_end_for_servers_cap_the_size() -> None:
    def answer(asked: Asked) -> Any:
        assert asked.params["limit"] == "100"
        start = int(asked.params["offset"])
        return rows(*range(1, 8))[start : start + 3]

    with api(answer) as (client, _):
        pages = paginate(client, "orders", Offset(size=100))
        found = ids(pages)

    assert (found, pages.stopped_because) == ([1, 2, 3, 4, 5, 6, 7], "no records after 7")


def test_offsets_end_at_the_total() -> None:
    with api(Table(rows(1, 2, 3, 4)).by_offset) as (client, server):
        pages = paginate(client, "orders", Offset(size=2, total="total"), records="data")
        found = ids(pages)

    assert (found, pages.stopped_because, len(server.asked)) == ([1, 2, 3, 4], "4 of 4 records", 2)


@pytest.mark.parametrize("overlap", [0, 1])
def test_an_api_that_pages_only_so_far_is_an_error_and_not_the_end(overlap: int) -> None:
    def answer(asked: Asked) -> Any:
        start = int(asked.params["offset"])
        return {"data": rows(1, 2, 3, 4)[start : start + 2], "total": 9}

    by = Offset(size=2, total="total", overlap=overlap, key="id" if overlap else None)
    with api(answer) as (client, _), pytest.raises(PagingError, match="speaks of 9 records, but gives none after 4"):
        ids(paginate(client, "orders", by, records="data"))


def insert(*new: int) -> Callable[[list[Row]], object]:
    return lambda current: current.__setitem__(slice(0, 0), rows(*new))


def delete(*gone: int) -> Callable[[list[Row]], object]:
    return lambda current: current.__setitem__(slice(None), [row for row in current if row["id"] not in gone])


@pytest.mark.parametrize(
    ("change",            "overlap", "found"),
    [
        (insert(0),       0,         [1, 2, 3, 3, 4, 5, 6, 7, 8, 9]),
        (delete(1),       0,         [1, 2, 3, 5, 6, 7, 8, 9]),
        (insert(0),       1,         [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (insert(0),       2,         [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (insert(0, -1),   1,         [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (insert(0, -1),   2,         [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (insert(0, -1, -2, -3), 2,   None),
        (delete(1),       1,         None),
        (delete(1),       2,         [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (delete(3),       2,         [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (delete(2, 3),    2,         None),
        (delete(9),       1,         [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)  # fmt: skip
def test_an_offset_over_rows_that_move_is_exact_or_an_error_when_pages_overlap(
    change: Callable[[list[Row]], object], overlap: int, found: list[int] | None
) -> None:
    strategy = Offset(size=3, overlap=overlap, key="id")
    with api(Table(rows(*range(1, 10)), {2: change}).by_offset) as (client, _):
        pages = paginate(client, "orders", strategy, records="data")
        if found is None:
            with pytest.raises(PagingError, match="some would be skipped"):
                ids(pages)
        else:
            assert ids(pages) == found


@pytest.mark.parametrize("wrong", [{"overlap": 1, "key": "id"}, {"overlap": 1, "size": 5}, {"size": 0}])
def test_an_offset_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Offset"):
        Offset(**wrong)


# --- By key -------------------------------------------------------------------------------------------------


def test_a_keyset_neither_skips_nor_doubles_when_rows_come_and_go() -> None:
    changes: dict[int, Callable[[list[Row]], object]] = {
        2: lambda current: current.remove({"id": 3}),
        3: lambda current: current.extend(rows(0, 9)),
    }
    with api(Table(rows(*range(1, 9)), changes).after) as (client, _):
        pages = paginate(client, "orders", Keyset("after", "id"))
        found = ids(pages)

    assert (found, pages.stopped_because) == ([1, 2, 3, 4, 5, 6, 7, 8, 9], "nothing new after 9")


def timed(*pairs: tuple[int, int]) -> list[Row]:
    return [{"id": n, "at": at} for n, at in pairs]


def test_rows_that_share_a_time_over_a_page_boundary_come_once_each() -> None:
    table = timed((1, 10), (2, 10), (3, 20), (4, 20), (5, 20), (6, 30), (7, 30))
    with api(Table(table, {2: lambda current: current.append({"id": 8, "at": 20})}).since) as (client, _):
        pages = paginate(client, "orders", Keyset("since", "at", ties="id", size=5))
        found = ids(pages)

    # The late row has the time of the boundary, so it is still in reach.
    assert found == [1, 2, 3, 4, 5, 8, 6, 7]
    assert pages.stopped_because == "nothing new after 30"


def test_more_rows_of_one_time_than_a_page_holds_are_an_error() -> None:
    table = timed(*((n, 10) for n in range(9)), (9, 20))
    with api(Table(table).since) as (client, _), pytest.raises(PagingError, match="cannot be reached"):
        ids(paginate(client, "orders", Keyset("since", "at", ties="id", size=4)))


def test_a_page_full_of_ties_is_compared_in_one_go() -> None:
    table = timed((0, 5), *((n, 10) for n in range(1, 29_999)), (29_999, 20))
    with api(Table(table).since) as (client, _):
        started = time.process_time()
        found = ids(paginate(client, "orders", Keyset("since", "at", ties="id", size=29_999)))

        assert found == list(range(30_000))
        assert time.process_time() - started < 2


def test_an_overlap_as_large_as_a_page_is_compared_in_one_go() -> None:
    by = Offset("offset", size=8_000, overlap=7_000, key="id", total="total")
    with api(Table(rows(*range(16_000))).by_offset) as (client, _):
        started = time.process_time()
        found = ids(paginate(client, "orders", by, records="data"))

        assert found == list(range(16_000))
        assert time.process_time() - started < 4


@pytest.mark.parametrize("max_pages", [0, -1])
def test_no_pages_at_all_are_refused(max_pages: int) -> None:
    with pytest.raises(ValueError, match=f"max_pages is {max_pages}: at least 1"):
        paginate(ApiClient("http://127.0.0.1:9"), "orders", PageNumber(), max_pages=max_pages)


def test_a_keyset_starts_where_the_last_sync_ended() -> None:
    with api(Table(rows(*range(1, 9))).after) as (client, server):
        found = ids(paginate(client, "orders", Keyset("after", "id", start=6)))

    assert found == [7, 8]
    assert [asked.params["after"] for asked in server.asked] == ["6", "8"]


@pytest.mark.parametrize(
    ("strategy",                                                  "pages",                            "message"),
    [
        (Keyset("after", "id"),                                   [rows(1, 3, 2)],                    "ascending"),
        (Keyset("after", "id", descending=True),                  [rows(3, 2), rows(5)],              "descending"),
        (Keyset("after", "id"),                                   [rows(1, 2), rows(2, 3)],           "ties"),
        (Keyset("after", "id"),                                   [[{"id": 1}, {"id": None}]],        "null"),
        (Keyset("after", "id"),                                   [[{"key": 1}]],                     "'id'"),
        (Keyset("after", "id", order=int),                        [[{"id": "9"}, {"id": "8"}]],       "ascending"),
    ],
)  # fmt: skip
def test_a_page_that_would_lose_rows_is_refused(strategy: Keyset, pages: list[Any], message: str) -> None:
    with served(*pages, []) as server, pytest.raises(PagingError, match=message):
        list(paginate(ApiClient(server.url), "orders", strategy))


def test_texts_are_taken_in_the_order_of_the_server_unless_told_how_to_compare() -> None:
    with served([{"id": "9"}, {"id": "10"}], []) as server:
        found = list(paginate(ApiClient(server.url), "orders", Keyset("after", "id")).records())
    times = [{"id": "2026-01-01T00:00:00+02:00"}, {"id": "2025-12-31T23:00:00+00:00"}]
    with served(times, []) as server:
        in_time = paginate(ApiClient(server.url), "orders", Keyset("after", "id", order=datetime.fromisoformat))
        assert list(in_time.records()) == times

    assert found == [{"id": "9"}, {"id": "10"}]


# --- By cursor and URL --------------------------------------------------------------------------------------


CURSORS = {None: (rows(1, 2), "a"), "a": ([], "b"), "b": (rows(3), 0), "0": (rows(4), "")}


def by_cursor(asked: Asked) -> Any:
    found, following = CURSORS[asked.params.get("after")]
    return Reply({"data": found, "meta": {"next": following}}, headers={"X-Next": str(following)})


@pytest.mark.parametrize(
    ("at",               "because"),
    [
        ("meta.next",        "'meta.next' is empty"),
        (["meta", "next"],   "'meta.next' is empty"),
        (header("X-Next"),   "header X-Next is empty"),
    ],
)  # fmt: skip
def test_cursors_go_on_over_an_empty_page_and_a_zero(at: Any, because: str) -> None:
    with api(by_cursor) as (client, server):
        pages = paginate(client, "orders", Cursor("after", at, size=2), records="data")
        found = ids(pages)

    assert (found, pages.stopped_because) == ([1, 2, 3, 4], because)
    assert [asked.params.get("limit") for asked in server.asked] == ["2"] * 4


def test_a_missing_cursor_is_told_from_an_empty_one() -> None:
    with served({"data": rows(1), "next_cursor": "x"}) as server:
        pages = paginate(ApiClient(server.url), "orders", Cursor("after", "meta.next"), records="data")
        assert ids(pages) == [1]

    assert pages.stopped_because == "'meta.next' is missing"


def test_more_without_a_cursor_is_an_error() -> None:
    with served({"data": rows(1), "has_more": True}) as server, pytest.raises(PagingError, match="'next' is missing"):
        ids(paginate(ApiClient(server.url), "orders", Cursor("c", "next", more="has_more"), records="data"))


@pytest.mark.parametrize("no", [False, "false", 0, "0", None, ""])
def test_more_says_no_in_many_words(no: Any) -> None:
    with served({"data": rows(1), "next": "x", "more": no}) as server:
        pages = paginate(ApiClient(server.url), "orders", Cursor("c", "next", more="more"), records="data")

        assert (ids(pages), pages.stopped_because) == ([1], "'more' says that there are no more")


def test_a_feed_that_is_read_to_its_end_can_be_resumed_there() -> None:
    def answer(asked: Asked) -> Any:
        start = int(asked.params.get("after", 0))
        found = rows(1, 2, 3)[start : start + 2]
        return {"data": found, "next": str(start + len(found))}

    with api(answer) as (client, _):
        pages = list(paginate(client, "events", Cursor("after", "next"), records="data"))

    assert [(page.records, page.resume_from) for page in pages] == [(rows(1, 2), "2"), (rows(3), "3"), ([], "3")]


@pytest.mark.parametrize("where", ["body, whole", "body, relative", "header"])
def test_next_urls(where: str) -> None:
    def answer(asked: Asked) -> Any:
        page = int(asked.params.get("p", 1))
        target = f"/v1/orders?p={page + 1}"
        if where != "body, relative":
            target = f"http://{asked.headers['host']}{target}"
        if page == 3:
            return {"data": rows(3), "next": None}
        link = f'<{target}>; rel="next", <http://elsewhere.test/>; rel="last"'
        return Reply({"data": rows(page), "next": target}, headers={"Link": link})

    strategy = LinkHeader() if where == "header" else NextUrl()
    with api(answer) as (client, server):
        pages = paginate(client, "orders", strategy, records="data", params={"q": "x"})
        found = ids(pages)

    assert found == [1, 2, 3]
    assert pages.stopped_because == ("Link header is missing" if where == "header" else "'next' is empty")
    assert [asked.params for asked in server.asked] == [{"q": "x"}, {"p": "2"}, {"p": "3"}]


@pytest.mark.parametrize(
    "link",
    [
        '<orders?p=2>; rel="next"',
        "<orders?p=2>;rel=next",
        '<orders?p=2>; REL = "Next"',
        '<orders?p=2>; rel="last next"',
        '<orders?p=2>; cursor="bmV4dA=="; rel="next"',
        '<orders?p=2>; title="a, b; \\"<c>\\" rel=prev"; rel="next"',
        '<orders?p=1>; rel="prev"; results="false", <orders?p=2>; rel="next"; results="true"',
        '<orders?p=2;v=1,2>; rel="next", <orders?p=9>; rel="last"',
        '<orders?p=2>; rel="next"; rel="prev"',
        '<orders?p=2>; rel="next',
        '<orders?p=9>; rel="last" , , <orders?p=2> ; rel="next"',
    ],
)
def test_a_link_header_is_read_however_it_is_written(link: str) -> None:
    def answer(asked: Asked) -> Any:
        return Reply(rows(1), headers={"Link": link}) if "p" not in asked.params else rows(2)

    with api(answer) as (client, server):
        found = ids(paginate(client, "orders", LinkHeader()))

    assert found == [1, 2]
    assert server.asked[1].params["p"].split(";")[0] == "2"


@pytest.mark.parametrize("link", ["", "next", '<orders?p=2>; title="rel=next"', "<" * 60_000])
def test_a_link_header_without_a_next_page_ends(link: str) -> None:
    with served(Reply(rows(1), headers={"Link": link})) as server:
        pages = paginate(ApiClient(server.url), "orders", LinkHeader())
        started = time.process_time()

        assert (ids(pages), pages.stopped_because) == ([1], "Link header is missing")
        assert time.process_time() - started < 2


@pytest.mark.parametrize("strategy", [NextUrl(), LinkHeader()], ids=["body", "header"])
def test_a_next_url_on_another_host_is_refused(strategy: Any) -> None:
    with served(rows(2)) as other:
        target = f"{other.url}/orders?page=2"
        reply = Reply({"data": rows(1), "next": target}, headers={"Link": f'<{target}>; rel="next"'})
        with served(reply) as server, pytest.raises(HostRefused):
            ids(paginate(ApiClient(server.url), "orders", strategy, records="data"))

    assert other.asked == []


@pytest.mark.parametrize("strategy", [NextUrl(), LinkHeader()], ids=["body", "header"])
def test_a_next_url_that_forgot_the_encryption_is_asked_for_with_it(
    strategy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(asked: Asked) -> Any:
        if "page" in asked.params:
            return {"data": rows(2), "next": None}
        target = f"http://{asked.headers['host']}{asked.path}?page=2"  # as behind a proxy that ends the encryption
        return Reply({"data": rows(1), "next": target}, headers={"Link": f'<{target}>; rel="next"'})

    tls, certificate = tls_of_its_own(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with Server(answer, tls=tls) as server:
        client = ApiClient(server.url, auth=Bearer("t-1"))
        found = ids(paginate(client, "orders", strategy, records="data"))

    assert found == [1, 2]
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer t-1"] * 2


def test_a_next_url_that_is_none_is_an_error() -> None:
    with served({"data": rows(1), "next": {"page": 2}}) as server, pytest.raises(PagingError, match="not a URL"):
        ids(paginate(ApiClient(server.url), "orders", NextUrl(), records="data"))


# --- Pages that lead nowhere --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strategy", [PageNumber(), Offset(), Cursor("page", at=header("X-Count"))], ids=["page", "offset", "cursor"]
)
def test_the_same_page_for_ever_is_noticed_at_the_second(strategy: Any) -> None:
    count = itertools.count()
    with (
        api(lambda asked: Reply(rows(1, 2), headers={"X-Count": str(next(count))})) as (client, server),
        pytest.raises(PagingError, match="the same 2 records came twice"),
    ):
        ids(paginate(client, "orders", strategy))

    assert len(server.asked) == 2


def test_two_pages_that_take_turns_are_noticed() -> None:
    turns = itertools.cycle([rows(1, 2), rows(3, 4)])
    with (
        api(lambda asked: next(turns)) as (client, server),
        pytest.raises(PagingError, match="came twice") as raised,
    ):
        ids(paginate(client, "orders", PageNumber()))

    assert len(server.asked) == 3
    assert raised.value.__notes__ == ["while paging through 'orders', after 2 pages"]


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"]])
def test_a_cursor_that_repeats_is_an_error(cursors: list[str]) -> None:
    pages = [{"data": rows(n), "next": cursor} for n, cursor in enumerate(cursors)]
    with served(*pages, pages[-1]) as server, pytest.raises(PagingError, match="been before"):
        ids(paginate(ApiClient(server.url), "orders", Cursor("c", "next"), records="data"))


def test_a_next_url_that_leads_back_is_an_error() -> None:
    with (
        api(lambda asked: {"data": rows(len(asked.params)), "next": "/v1/orders?a=1"}) as (client, _),
        pytest.raises(PagingError, match="been before"),
    ):
        ids(paginate(client, "orders", NextUrl(), records="data"))


def test_empty_pages_without_end_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "EMPTY_PAGES_IN_A_ROW", 20)
    count = itertools.count()
    with (
        api(lambda asked: {"data": [], "next": str(next(count))}) as (client, server),
        pytest.raises(PagingError, match="20 empty pages"),
    ):
        ids(paginate(client, "orders", Cursor("c", "next"), records="data"))

    assert len(server.asked) == 20


def test_equal_pages_are_allowed_when_the_author_says_so() -> None:
    with served(rows(1), rows(1), []) as server:
        assert ids(paginate(ApiClient(server.url), "orders", PageNumber(), repeats_allowed=True)) == [1, 1]


# --- Records, bodies, resuming ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body",                                   "path"),
    [
        ([1, 2],                               ()),
        ({"data": [1, 2]},                     "data"),
        ({"a.b": {"c": [1, 2]}},               ["a.b", "c"]),
        ({"e": [{"n": 1}, {"n": 2}]},          "e.*.n"),
        ({"*": [1, 2]},                        "*"),
        ({"data": [1, 2]},                     lambda body: body["data"]),
    ],
)  # fmt: skip
def test_where_records_are(body: Any, path: Any) -> None:
    with served(body, {"e": []} if path == "e.*.n" else body) as server:
        pages = paginate(ApiClient(server.url), "orders", Cursor("c", "none"), records=path)

        assert list(pages.records()) == [1, 2]


@pytest.mark.parametrize(
    ("body",                              "path",       "message"),
    [
        ({"items": []},                   "data",       r"no 'data' in the answer, but the names \['items'\]"),
        ({"data": None},                  "data",       "'data' is null, not a list"),
        ({"data": {"id": 1}},             "data",       "'data' is an object, not a list"),
        ({"data": None, "errors": [1]},   "data.items", "no 'data.items'"),
        ({"id": 1},                       (),           "'the body' is an object"),
        ({"e": [{"n": 1}, {"m": 2}]},     "e.*.n",      "no 'e.*.n'"),
        ("text",                          "data",       "but text"),
        ({"d": 1},                        lambda body: body["d"], "what `records` gives is int"),
    ],
)  # fmt: skip
def test_records_that_are_not_where_they_should_be_are_an_error(body: Any, path: Any, message: str) -> None:
    with served(body) as server, pytest.raises(PagingError, match=message):
        list(paginate(ApiClient(server.url), "orders", PageNumber(), records=path))


@pytest.mark.parametrize("total", [None, "many", True, -1, 1.5])
def test_a_total_that_is_no_number_is_an_error(total: Any) -> None:
    with served({"data": rows(1), "total": total}) as server, pytest.raises(PagingError, match="not a number"):
        list(paginate(ApiClient(server.url), "orders", Offset(total="total"), records="data"))


def test_a_torn_page_is_read_again_and_never_taken_for_an_empty_one() -> None:
    with served(Reply(b'[{"id": 1}', length=50), rows(1), Reply(b""), rows(2), []) as server:
        clock = Clock()
        client = ApiClient(server.url, backoff=Backoff(sleep=clock.sleep, clock=clock.monotonic))

        assert ids(paginate(client, "orders", PageNumber())) == [1, 2]


def test_a_search_by_post_writes_the_paging_into_the_body() -> None:
    query = {"query": "{ orders }", "variables": {"first": 2}}
    answers = [{"data": {"n": rows(1), "end": "c1"}}, {"data": {"n": rows(2), "end": None}}]
    with served(*answers) as server:
        client = ApiClient(server.url)
        found = ids(
            paginate(
                client, "graphql", Cursor("variables.after", "data.end"), records="data.n", json=query, params={"v": 2}
            )
        )

    assert found == [1, 2]
    assert [(asked.method, asked.params) for asked in server.asked] == [("POST", {"v": "2"})] * 2
    assert [asked.json["variables"] for asked in server.asked] == [{"first": 2}, {"first": 2, "after": "c1"}]
    assert query == {"query": "{ orders }", "variables": {"first": 2}}


STRATEGIES: dict[str, tuple[Any, Callable[[Table], Callable[[Asked], Any]], Any]] = {
    "number": (PageNumber(), lambda table: table.by_number, "data"),
    "offset": (Offset(size=2), lambda table: table.by_offset, "data"),
    "overlap": (Offset(size=3, overlap=1, key="id"), lambda table: table.by_offset, "data"),
    "keyset": (Keyset("after", "id"), lambda table: table.after, ()),
    "ties": (Keyset("since", "at", ties="id", size=4), lambda table: table.since, ()),
    "cursor": (Cursor("after", "meta.next"), lambda table: by_cursor, "data"),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_run_that_stops_after_any_page_goes_on_where_it_was(name: str) -> None:
    strategy, answer, records = STRATEGIES[name]
    table = timed((1, 10), (2, 20), (3, 20), (4, 30))
    with api(answer(Table(table))) as (client, _):
        whole = ids(paginate(client, "orders", strategy, records=records))
        found: list[int] = []
        position, reasons = None, []
        for _ in range(20):
            pages = paginate(client, "orders", strategy, records=records, resume_from=position, max_pages=1)
            for page in pages:
                found += [row["id"] for row in page.records]
                position = json.loads(json.dumps(page.resume_from))
            reasons.append(pages.stopped_because)
            if position is None:
                break

    assert found == whole == [1, 2, 3, 4]
    assert set(reasons[:-1]) == {"max_pages: 1 pages were read, and there are more"}
    assert reasons[-1] not in reasons[:-1]


def test_decimals_keep_every_digit() -> None:
    with served(b'[{"total": 0.12345678901234567890}]', []) as server:
        pages = paginate(ApiClient(server.url), "orders", PageNumber(), parse_float=Decimal)

        assert list(pages.records()) == [{"total": Decimal("0.12345678901234567890")}]


def test_iterating_again_starts_again() -> None:
    with api(Table(rows(1, 2, 3)).by_number) as (client, _):
        pages = paginate(client, "orders", PageNumber(), records="data")

        assert ids(pages) == ids(pages) == [1, 2, 3]


def test_a_loop_that_is_left_early_has_no_reason() -> None:
    with api(Table(rows(1, 2, 3)).by_number) as (client, _):
        pages = paginate(client, "orders", PageNumber(), records="data")
        next(iter(pages))

    assert pages.stopped_because is None


def test_select_names_what_is_there() -> None:
    with pytest.raises(PagingError, match=r"there is no 'x' in the answer, but a list"):
        select([1], "x")
