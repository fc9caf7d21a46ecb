"""The attempts of one sync: when it is tried again, after how long, and from which state."""

from __future__ import annotations

from headwater.errors import Busy, DestinationError, Fenced, TransientError
from headwater.state import Commit
from headwater.sync import Result

MAX_WAIT_SECONDS = 60.0


def passes_by_itself(result: Result) -> bool:
    """Say whether a sync failed over its destination, in a way that the next attempt may not meet.

    An error of the connector is none of these, and who has lost the connection to another sync gives way to it.
    """
    transient = isinstance(result.error, TransientError) and not isinstance(result.error, Busy | Fenced)
    return result.status == "failed" and result.of_destination and transient


def wait_seconds(attempt: int, *, jitter: float) -> float:
    """Choose how long to wait before an attempt, in seconds: twice as long each time.

    attempt  counted from 1
    jitter   0 to 1: syncs that lost one server at once must not all come back at once

    >>> [wait_seconds(attempt, jitter=1.0) for attempt in (1, 2, 3, 10)]
    [1.0, 2.0, 4.0, 60.0]
    >>> wait_seconds(2, jitter=0.0)
    1.0
    """
    longest = min(MAX_WAIT_SECONDS, 2.0 ** (attempt - 1))
    return longest * (0.5 + jitter / 2)


class Attempts:
    """What a sync knows, over all its attempts, of what is committed.

    state      what the first attempt starts from
    epoch      of the destination as the first attempt opened it
    committed  the newest commit that it then held
    """

    def __init__(self, state: str, epoch: int, committed: Commit | None) -> None:
        self._state = state
        self._first_epoch = self._epoch = epoch
        self._newest = committed

    def committed(self, commit: Commit) -> None:
        """Note a commit of this sync."""
        self._newest = commit

    def go_on(self, epoch: int, found: Commit | None) -> tuple[str, Commit | None]:
        """Choose the state that the next attempt starts from; also give the commit whose answer was lost, if any.

        epoch  of the destination as it has been opened again
        found  the newest commit that it holds now

        Errors: Fenced when another sync has committed in between; DestinationError when commits are missing.
        """
        if found is not None and found.epoch > self._epoch:
            raise Fenced("another sync has taken the connection over in the meantime, and has committed")
        known, there = _position(self._newest), _position(found)
        if there < known:
            raise DestinationError(
                "the destination is older than this sync left it",
                hint="Has a standby taken over that had not received everything? The next sync finds out.",
            )
        self._epoch, self._newest = epoch, found
        own = found is not None and found.epoch >= self._first_epoch
        return found.state if found is not None and own else self._state, found if there > known else None


def _position(commit: Commit | None) -> tuple[int, int]:
    return (commit.epoch, commit.sequence) if commit is not None else (0, 0)
