"""JSON that is text already."""

from __future__ import annotations


class JsonText(str):
    """The text of a dict or list, encoded in the operation that brought it."""

    __slots__ = ()
