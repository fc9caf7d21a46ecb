"""Columns of text on a terminal: shortened, aligned, and without what would steer it."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence

import click

from headwater.log import printable

CELL_WIDTH = 40
# Two blanks before each column; less than a few places of one say nothing.
_GAP = 2
_LEAST = 6
# The last column is cut before another is left out for it, but not below this.
_READABLE = 20


def cells(values: Sequence[str | None]) -> list[str]:
    return [cell(value) for value in values]


def cell(value: str | None) -> str:
    """Write a value on one line, shortened."""
    if value is None:
        return "NULL"
    if len(value) > CELL_WIDTH:
        value = f"{value[: CELL_WIDTH - 1]}…"
    return printable(value).replace("\n", "\\n").replace("\t", "\\t")


def print_aligned(
    lines: list[list[str]], *, header: bool = False, otherwise: str = "", first_out: Sequence[int] = ()
) -> None:
    """Print lines of equally many cells; with `header` the first one is underlined.

    On a terminal, columns that it is too narrow for are left out and counted: broken lines align nothing.

    otherwise  how to see the columns that are left out
    first_out  the numbers of those that go first, the least useful one leading; after them go the rightmost
    """
    fitting, left_out = _fitting(lines, _terminal_width(), first_out)
    widths = [max(map(_width, column)) for column in zip(*fitting, strict=True)]
    if header:
        fitting = [fitting[0], ["-" * width for width in widths], *fitting[1:]]
    for line in fitting:
        padded = (text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True))
        click.echo(f"  {'  '.join(padded).rstrip()}")
    if left_out:
        count = "1 more column" if left_out == 1 else f"{left_out:,} more columns"
        click.echo(f"… {count}: {otherwise}" if otherwise else f"… {count}")


def _terminal_width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _fitting(lines: list[list[str]], most: int | None, first_out: Sequence[int] = ()) -> tuple[list[list[str]], int]:
    """Keep the columns that fit into so many places, the last of them cut; also count those left out.

    >>> _fitting([["id", "a long name", "b"], ["1", "x", "y"]], 14)
    ([['id', 'a long …'], ['1', 'x']], 1)
    >>> _fitting([["id", "a long name", "b"], ["1", "x", "y"]], 14, first_out=[1])
    ([['id', 'b'], ['1', 'y']], 1)
    """
    if most is None:
        return lines, 0
    kept: list[list[str]] = []
    every = list(zip(*lines, strict=True))
    columns = _without(every, most, first_out)
    left = most
    for column in columns:
        left -= _GAP
        width = max(map(_width, column))
        if width > left and kept and left < _LEAST:
            break
        kept.append([text if _width(text) <= left else _cut(text, max(left, _LEAST)) for text in column])
        left -= width
    return [list(line) for line in zip(*kept, strict=True)], len(every) - len(kept)


def _without(columns: list[tuple[str, ...]], most: int, first_out: Sequence[int]) -> list[tuple[str, ...]]:
    """Leave out columns until the rest fits: of those that may go, the most useful ones that there is room for stay."""
    widths = [_GAP + max(map(_width, column)) for column in columns]
    widths[-1] = min(widths[-1], _GAP + _READABLE)
    kept = set(range(len(columns))) - set(first_out)
    for number in reversed(first_out):
        if sum(widths[each] for each in kept) + widths[number] <= most:
            kept.add(number)
    return [columns[number] for number in sorted(kept)]


def _cut(text: str, places: int) -> str:
    while _width(text) > places - 1:
        text = text[:-1]
    return f"{text}…"


def _width(text: str) -> int:
    """Count the places of a text on a terminal, where some characters take two and some none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
