"""One thing that `headwater check` has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What is wrong where, and what to do.

    level  `error` for what fails here or on Fivetran, `warning` for what may
    """

    file: str
    line: int | None
    level: Level
    what: str
    hint: str

    @property
    def place(self) -> str:
        return self.file if self.line is None else f"{self.file}, line {self.line}"
