"""The pages themselves: links lead somewhere, parts that come from the code are fresh, nothing goes unmentioned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

from docs.build import PARTS, built, pages, parts_of
from headwater.cli import COMMANDS, group
from tests.docs.sessions import ROOT

PAGES = pages()
PICTURES = sorted((ROOT / "docs").rglob("*.svg"))
REFERENCE = ROOT / "docs" / "reference" / "cli.md"

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


@each_page
def test_page_holds_what_the_code_says_now(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert built(text) == text, "run `make docs`"


def test_every_part_that_is_written_is_shown_on_some_page() -> None:
    shown = set(chain.from_iterable(parts_of(page.read_text(encoding="utf-8")) for page in PAGES))

    assert PARTS.keys() - shown == set()


@each_page
def test_every_relative_link_leads_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    broken = [target for target in _links(page) if not _leads_somewhere(page, target)]

    assert broken == []


@each_page
def test_every_block_of_code_says_what_it_is(page: Path) -> None:
    kinds = {language for language, _ in _FENCE.findall(page.read_text(encoding="utf-8"))}

    # sh is typed and shows nothing; text is not typed.
    assert kinds <= {"console", "python", "toml", "json", "sql", "sh", "text", ""}


@each_page
def test_every_make_target_on_a_page_is_in_the_makefile(page: Path) -> None:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^|\$ )make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE))

    assert named <= known


def test_every_page_below_docs_is_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    waiting = list(reached)
    while waiting:
        page = waiting.pop()
        linked = {(page.parent / target.partition("#")[0]).resolve() for target in _links(page)}
        new = {path for path in linked if path.suffix == ".md" and path.is_file()} - reached
        reached |= new
        waiting += new

    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in reached] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_flags_is_documented(name: str) -> None:
    reference = REFERENCE.read_text(encoding="utf-8")
    command = group.get_command(click.Context(group), name)
    assert command is not None
    options = [each for each in command.params if isinstance(each, click.Option)]
    flags = [flag for option in options if not option.hidden for flag in option.opts]  # a hidden one only refuses
    section = reference.partition(f"\n## headwater {name}\n")[2].partition("\n## ")[0]

    assert [flag for flag in flags if flag not in section] == []
    assert f"Usage: headwater {name}" in section


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_every_picture_is_whole_and_says_in_words_what_it_shows(picture: Path) -> None:
    root = ElementTree.parse(picture).getroot()

    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox")
    if picture.name == "way_of_a_row.svg":
        assert root.findtext("{http://www.w3.org/2000/svg}title")


def _links(page: Path) -> Iterator[str]:
    """Give the targets of a page's links, those to other hosts and those in code left out."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for match in _LINK.finditer(re.sub(r"`[^`\n]*`", "", text)):
        target = match[1] or match[2]
        if not re.match(r"[a-z]+:", target):
            yield target


def _leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists():
        return False
    return not anchor or anchor in {_anchor(heading) for heading in _HEADING.findall(file.read_text(encoding="utf-8"))}


def _anchor(heading: str) -> str:
    """Name a heading as GitHub does.

    >>> _anchor("The `make` targets, and why")
    'the-make-targets-and-why'
    """
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
