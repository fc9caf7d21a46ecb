"""Columns of text on a terminal: shortened, aligned, and without what would steer it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import click

from headwater.log import printable

CELL_WIDTH = 40


def cells(values: Sequence[str | None]) -> list[str]:
    return [cell(value) for value in values]


def cell(value: str | None) -> str:
    """Write a value on one line, shortened."""
    if value is None:
        return "NULL"
    if len(value) > CELL_WIDTH:
        value = f"{value[: CELL_WIDTH - 1]}…"
    return printable(value).replace("\n", "\\n").replace("\t", "\\t")


def print_aligned(lines: list[list[str]], *, header: bool = False) -> None:
    """Print lines of equally many cells; with `header` the first one is underlined."""
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    if header:
        lines = [lines[0], ["-" * width for width in widths], *lines[1:]]
    for line in lines:
        padded = (text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True))
        click.echo(f"  {'  '.join(padded).rstrip()}")


def _width(text: str) -> int:
    """Count the places of a text on a terminal, where some characters take two and some none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
