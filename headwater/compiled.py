"""The compiled part of headwater, where there is one; `cells.py` and `key_set.py` say what it is for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from headwater._cells import Cells, Upserts
    from headwater._integer_set import IntegerSet

PURE_PYTHON = "HEADWATER_PURE_PYTHON"


class Compiled(NamedTuple):
    """The classes of `_cells.c` and `_integer_set.c`."""

    cells: type[Cells]
    upserts: type[Upserts]
    integer_set: type[IntegerSet]


def compiled() -> Compiled | None:
    """Give what was compiled; None when nothing was, or when the environment asks to do without."""
    if os.environ.get(PURE_PYTHON, "0") not in ("", "0"):
        return None
    try:
        from headwater._cells import Cells, Upserts
        from headwater._integer_set import IntegerSet
    except ImportError:
        return None
    return Compiled(Cells, Upserts, IntegerSet)
