"""The files that a BATCH message names: records as JSON lines or Parquet, on this machine."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from headwater.singer.messages import Message, MessageError

Record = dict[str, Any]


def records(message: Message, parse: Callable[[str], Record]) -> Iterator[Record]:
    """Read the records of a BATCH message, file after file.

    parse  reads the record of one line

    Errors: MessageError for an encoding or a place that cannot be read.
    """
    encoding = message["encoding"]
    kind, compression = encoding.get("format"), encoding.get("compression")
    for url in message["manifest"]:
        path = _path(url)
        try:
            if kind == "jsonl" and compression in (None, "none", "gzip"):
                yield from _json_lines(path, parse, compressed=compression == "gzip")
            elif kind == "parquet":
                yield from _parquet(path)
            else:
                raise MessageError(
                    f"a BATCH message has the encoding {encoding!r}",
                    hint="Let the tap write jsonl, plain or gzip, or parquet: batch_config.encoding.",
                )
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise MessageError(f"the batch file {url} cannot be read: {error}") from error


def _path(url: Any) -> Path:
    parts = urlsplit(str(url))
    if parts.scheme not in ("", "file"):
        raise MessageError(
            f"a BATCH message names a file on {parts.scheme}:, which the target does not read",
            hint="Let the tap write its batches to a folder of this machine: batch_config.storage.root.",
        )
    # Some taps write file://name: what looks like a host is part of the path.
    return Path(unquote(f"{parts.netloc}{parts.path}") if parts.scheme else str(url))


def _json_lines(path: Path, parse: Callable[[str], Record], *, compressed: bool) -> Iterator[Record]:
    with gzip.open(path, "rt", encoding="utf-8") if compressed else path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield parse(line)


def _parquet(path: Path) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    except pa.ArrowInvalid as error:
        raise MessageError(f"the batch file {path} is not Parquet: {error}") from error
