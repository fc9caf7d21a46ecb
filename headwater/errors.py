"""The errors of a sync, named for who must act on them."""

from __future__ import annotations


class HeadwaterError(Exception):
    """Base of every error headwater raises on purpose.

    The first line says what is wrong and where; `hint` says what to do, on a line of its own.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConnectorError(HeadwaterError):
    """The author must change connector.py: what it emitted cannot be stored as it is."""


class SchemaError(ConnectorError, ValueError):
    """`schema()` returned something that does not describe tables."""


class RowError(ConnectorError, ValueError):
    """One emitted row cannot be stored: a missing key, or a value its column does not take."""


class ConfigurationError(HeadwaterError):
    """The operator must change the configuration, headwater.toml, or the command line."""


class DestinationError(HeadwaterError):
    """The operator must see to the destination: it refuses, is damaged, or is full."""


class TransientError(HeadwaterError):
    """Nobody must act: the same sync, run again, is expected to pass."""


class Busy(TransientError):
    """Another sync of this connection is running; its pid and start are in the message."""


class Fenced(TransientError):
    """A newer sync has taken over this connection, so this one may no longer commit."""
