"""The compiled part of headwater, where there is one; `headwater/cells.py` says what it is for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater._cells import Cells

PURE_PYTHON = "HEADWATER_PURE_PYTHON"


def compiled_cells() -> type[Cells] | None:
    """Give the class of `_cells.c`; None when it was not compiled, or the environment asks to do without."""
    if os.environ.get(PURE_PYTHON, "0") not in ("", "0"):
        return None
    try:
        from headwater._cells import Cells
    except ImportError:
        return None
    return Cells
