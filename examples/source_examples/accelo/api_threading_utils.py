"""Fetch several entities of an API at once, and emit them from one thread.

Guidelines for threads in a connector:

1.  Threads help while the connector waits for the network. They do not make Python compute faster, and an API
    that answers one caller at a time is not made faster either: measure with `threads` 1 and 4.
2.  Workers fetch, and return a list. `op.upsert` and `op.checkpoint` stay in the main thread. A checkpoint says
    "everything emitted so far is done"; from a worker, it would say so in the middle of another worker's rows.
3.  A worker gets all it needs as arguments and gives back one value. It changes nothing that others see: not
    `state`, no list, no counter. What must be shared has a lock of its own, as the client, the token and the
    rate limit here have.
4.  One rate limit for all workers. The limit of an account does not grow with the number of threads, and a
    `Retry-After` that one worker gets must hold back the others.
5.  Results come in the order of the work, not in the order in which workers finish, so that two runs over the
    same source emit the same rows in the same order, and a cursor can say "done up to here".
6.  Bound what is in memory: workers that are faster than the destination must wait. `fetch_in_threads` has at
    most twice as many items in hand as there are threads.
7.  The first error ends the sync, after the workers that run have come back. What was checkpointed stays; the
    rest is for the next sync. An error that is caught and logged in a worker is a hole in a table.
8.  Between 2 and 8 threads is usual. More of them meet the limit of the API sooner, and wait for it together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sdk_helpers.http import ApiClient
from sdk_helpers.paging import Offset, paginate
from sdk_helpers.threads import fetch_in_threads

Row = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What one worker fetches: the rows of an entity whose `cursor` is later than `since`, a Unix time in seconds.

    cursor  the column that says how new a row is; None for an entity that has none
    since   None is all rows
    """

    entity: str
    cursor: str | None
    since: int | None


def fetch_entities(
    client: ApiClient, requests: Sequence[Request], *, threads: int, page_size: int
) -> Iterator[tuple[Request, list[Row]]]:
    """Give the rows of each request, in the order of the requests."""
    for fetched in fetch_in_threads(rows_fetcher(client, page_size), requests, threads=threads):
        yield fetched.item, fetched.value


def rows_fetcher(client: ApiClient, page_size: int) -> Callable[[Request], list[Row]]:
    """Make the function that workers run."""
    # A row that is changed while pages are read goes to their end, and those behind it move up: so each page
    # begins a little before the end of the last one, and paging fails if even that was not enough.
    overlap = min(10, page_size // 2)
    by = Offset("_offset", size=page_size, size_param="_limit", overlap=overlap, key="id")

    def rows_of(request: Request) -> list[Row]:
        pages = paginate(client, request.entity, by, records="response", params=parameters(request))
        return list(pages.records())

    return rows_of


def parameters(request: Request) -> dict[str, str]:
    """Write a request as Accelo's API has it.

    >>> parameters(Request("companies", "date_modified", 1709285400))["_filters"]
    'order_by_asc(date_modified),date_modified_after(1709285400)'
    >>> parameters(Request("staff", None, None))
    {'_fields': '_ALL'}
    """
    if request.cursor is None:
        return {"_fields": "_ALL"}  # in the order of their ids, which is Accelo's own
    later = [] if request.since is None else [f"{request.cursor}_after({request.since})"]
    return {"_fields": "_ALL", "_filters": ",".join([f"order_by_asc({request.cursor})", *later])}
