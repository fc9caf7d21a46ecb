"""A tap built with singer-sdk that emits the rows, and notes the time of the first.

python -m benchmarks.peers.singer_tap --config '{"rows": ROWS, "started": FILE}'
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from singer_sdk import Stream, Tap  # type: ignore[import-not-found,unused-ignore]  # only in .venvs/bench_singer_tap

from benchmarks.rows import JSON_TYPES, KEY, TABLE, rows


class Orders(Stream):  # type: ignore[misc,unused-ignore]  # typed only where singer-sdk is installed
    """The rows, under a schema that says all that is known of them."""

    name = TABLE
    primary_keys: ClassVar[list[str]] = [KEY]
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {name: {"type": [kind] if name == KEY else [kind, "null"]} for name, kind in JSON_TYPES.items()},
    }

    def get_records(self, context: object) -> Iterable[dict[str, Any]]:
        Path(self.config["started"]).write_text(str(time.time()))
        yield from rows(self.config["rows"])


class RowsTap(Tap):  # type: ignore[misc,unused-ignore]  # typed only where singer-sdk is installed
    name = "tap-rows"
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "properties": {"rows": {"type": "integer"}, "started": {"type": "string"}}
    }

    def discover_streams(self) -> list[Orders]:
        return [Orders(self)]


if __name__ == "__main__":
    RowsTap.cli()
