"""Every session in README and docs, typed in a copy of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.environment import EnvironmentUnavailable
from docs.build import pages
from tests.cli.cli_project import environment
from tests.docs.sessions import ROOT, Command, Reader, read_commands
from tests.singer.sdk_environment import tap_folder

PAGES = [page for page in pages() if any(read_commands(page.read_text(encoding="utf-8")))]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_shows_what_is_seen(page: Path, tmp_path: Path) -> None:
    variables = environment(tmp_path / "shadows")
    if page.name == "singer.md":
        try:
            variables["PATH"] = f"{tap_folder(tmp_path / 'taps')}:{variables['PATH']}"
        except EnvironmentUnavailable as reason:
            pytest.skip(f"the page's tap needs singer-sdk: {reason}")
    reader = Reader(tmp_path.resolve(), variables)

    for command in read_commands(page.read_text(encoding="utf-8")):
        printed = reader.type(command.line)
        assert command.shows(printed), f"$ {command.line}\n--- is shown:\n{command.shown}\n--- is seen:\n{printed}"


def test_pages_that_show_what_the_engine_does_have_a_session() -> None:
    names = {str(page.relative_to(ROOT)) for page in PAGES}

    assert {
        "README.md",
        "docs/design/checkpoints.md",
        "docs/design/modes.md",
        "docs/design/schema_changes.md",
        "docs/howto/configuration.md",
    } - names == set()


SHOWN = [
    # shown                          printed                              varying   the same
    ("a\nb\n",                       "a\nb\n",                            False,    True),
    ("a\n…\nd\n",                    "a\nb\nc\nd\n",                      False,    True),
    ("a\n…\nd\n",                    "a\nd\n",                            False,    True),
    ("a\n…\nd\n",                    "a\nb\nc\n",                         False,    False),
    ("a\n",                          "a\nb\n",                            False,    False),
    ("",                             "a\n",                               False,    False),
    ("1 row\n",                      "2 rows\n",                          False,    False),
    ("12 rows\n",                    "13,000 rows\n",                     True,     True),
    ("x  2026-11-23 01:42:33.26+00   false\n", "x  2027-01-01 00:00:00+00  false\n", False, True),
    ("2024-01-01 00:01:00+00\n",     "2024-01-01 00:02:00+00\n",          False,    False),
    ("01:02:03.004 INFO a\n",        "11:12:13.014 INFO a\n",             False,    True),
    ("(pid 1, started now)\n",       "(pid 22, started 2026-11-23T01)\n", False,    True),
]  # fmt: skip


@pytest.mark.parametrize(("shown", "printed", "varying", "same"), SHOWN)
def test_only_times_pids_and_elided_lines_may_differ(shown: str, printed: str, varying: bool, same: bool) -> None:
    command = Command("true", shown, varying)

    assert command.shows(printed) is same


def test_a_block_that_shows_no_output_is_no_session() -> None:
    page = "```console\n$ pip install x\n```\n\n```console\n$ true\n$ echo a\na\n```\n"

    assert list(read_commands(page)) == [Command("true", "", False), Command("echo a", "a\n", False)]
