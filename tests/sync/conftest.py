"""Both kinds of cells: what a sync does is the same with the compiled part of headwater and in Python alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater import cells, key_set


@pytest.fixture(scope="module", params=["compiled", "python"])
def kind_of_cells(request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of cells that takes rows; a module that uses this runs with each of them."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "python":
            patch.setattr(cells, "_compiled", None)
            patch.setattr(key_set, "_compiled", None)
        yield request.param
