"""Rows of files, streamed: CSV, JSON lines, XML, Parquet and Excel, gzipped, in a zip or in a tar.

In a connector::

    for row in csv_rows("export.csv.gz"):            # a path, or any open binary stream; gzip is noticed
        op.upsert("export", row)

    for name, member in zip_members("all.zip"):
        if name.endswith(".csv"):
            for row in csv_rows(member):
                op.upsert("export", row)

`tar_members` does the same for a tar, gzipped or not.

Memory does not grow with the file. What may grow has a limit: the unpacked bytes of a file (`max_bytes`: a
bomb of some kilobytes unpacks to any size) and one row (`max_row_bytes`: a file may be one endless line).
A `FileRefused` says which file and where.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol
from xml.parsers import expat

GIB = 1024**3
MIB = 1024**2
MAX_BYTES = 16 * GIB
MAX_ROW_BYTES = 16 * MIB
_CHUNK = 64 * 1024
_XML_DEPTH = 200
# What a tar has beside a file's bytes: its header, one for a long name, and what fills up their blocks.
_TAR_HEADER_BYTES = 4096
# What gzip, zipfile and tarfile raise when the bytes are not what they should be.
_BROKEN = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
    tarfile.ReadError,
)


# How a file starts that is compressed otherwise than by gzip; no text and no tar starts so.
_NOT_READ = {
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}
_LONGEST_START = 10


class Readable(Protocol):
    """What can be read as a file: an open file, an HTTP response body, an S3 body."""

    def read(self, size: int, /) -> bytes: ...


Source = str | Path | Readable
Row = dict[str, Any]


class FileRefused(ValueError):
    """The file is broken, or would take more memory or disk than allowed."""


def csv_rows(
    source: Source,
    *,
    delimiter: str = ",",
    columns: Sequence[str] | None = None,
    encoding: str = "utf-8-sig",
    max_bytes: int = MAX_BYTES,
    max_row_bytes: int = MAX_ROW_BYTES,
) -> Iterator[dict[str, str]]:
    """Give the rows of a CSV file; all values are text, as CSV has no types, and an empty field is "".

    columns   the names, for a file without a header line

    Errors: FileRefused for two columns of one name, a column without a name that holds values, a row with more
    or fewer fields than the header, bytes that are not in `encoding`, an open quote, and what exceeds the limits.
    Empty lines are passed over.

    >>> list(csv_rows(io.BytesIO(b'id,name\\n1,"Hopper, Grace"\\n')))
    [{'id': '1', 'name': 'Hopper, Grace'}]
    """
    with _unpacked(source, max_bytes) as (name, stream), _refusing(name, UnicodeDecodeError):
        # The csv module has one limit for the whole process, so it is only ever raised; _Lines is what limits.
        csv.field_size_limit(max(csv.field_size_limit(), max_row_bytes))
        text = io.TextIOWrapper(stream, encoding=encoding, newline="")
        lines = _Lines(text, name, max_row_bytes)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            header = list(columns) if columns is not None else next(reader, [])
            _refuse_duplicates(filter(None, header), name)
            nameless = [position for position, column in enumerate(header) if not column]
            lines.end_row()
            for fields in reader:
                lines.end_row()
                if not fields:
                    continue
                if len(fields) != len(header):
                    raise FileRefused(
                        f"{name}, line {reader.line_num}: {len(fields)} fields, and the header has {len(header)}"
                    )
                row = dict(zip(header, fields, strict=True))
                if nameless:
                    _refuse_nameless(fields, nameless, f"{name}, line {reader.line_num}")
                    del row[""]
                yield row
        except csv.Error as error:
            raise FileRefused(f"{name}, line {reader.line_num}: {error}") from error


def json_lines(
    source: Source,
    *,
    encoding: str = "utf-8-sig",
    max_bytes: int = MAX_BYTES,
    max_row_bytes: int = MAX_ROW_BYTES,
) -> Iterator[Any]:
    """Give the value of each line (NDJSON); empty lines are passed over.

    Errors: FileRefused with the line number for a line that is not JSON, and for what exceeds the limits.
    """
    with _unpacked(source, max_bytes) as (name, stream), _refusing(name, UnicodeDecodeError):
        text = io.TextIOWrapper(stream, encoding=encoding, newline="\n")  # other line ends are legal in JSON
        lines = _Lines(text, name, max_row_bytes)
        for line in lines:
            lines.end_row()
            if line.strip():
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise FileRefused(f"{name}, line {lines.number}: not JSON: {error}") from error
                yield value


def xml_rows(
    source: Source, tag: str, *, max_bytes: int = MAX_BYTES, max_row_bytes: int = MAX_ROW_BYTES
) -> Iterator[Row]:
    """Give each element `tag` as a dict, wherever it is in the document; namespaces are left out.

    Attributes are `@name`, children go by their tag, a name that repeats is a list, an element with text only is
    its text, text beside children is `#text`, an empty element is None.

    Errors: FileRefused for XML that is not well formed, and for any entity beyond XML's own five: they are how
    a small file becomes a large one, or reads other files.
    """
    with _unpacked(source, max_bytes) as (name, stream):
        rows = _XmlRows(name, tag, max_row_bytes)
        while chunk := stream.read(_CHUNK):
            yield from rows.of(chunk)
        yield from rows.of(b"")


def parquet_rows(
    source: Source,
    *,
    columns: Sequence[str] | None = None,
    batch_rows: int = 10_000,
    max_bytes: int = MAX_BYTES,
) -> Iterator[Row]:
    """Give the rows of a Parquet file, `batch_rows` in memory at a time; needs pyarrow.

    A stream that cannot seek is copied to a temporary file first, since Parquet is read from its end.
    Errors: FileRefused if it is no Parquet file, or unpacks to more than `max_bytes`.
    """
    import pyarrow
    import pyarrow.parquet

    with _seekable(source, max_bytes) as (name, file), _refusing(name, pyarrow.ArrowInvalid, OSError):
        parquet = pyarrow.parquet.ParquetFile(file)
        groups = range(parquet.metadata.num_row_groups)
        unpacked = sum(parquet.metadata.row_group(group).total_byte_size for group in groups)
        if unpacked > max_bytes:
            raise FileRefused(f"{name}: unpacks to {unpacked} bytes, and max_bytes is {max_bytes}")
        for batch in parquet.iter_batches(batch_size=batch_rows, columns=columns):
            yield from batch.to_pylist()


def excel_rows(source: Source, *, sheet: str | None = None, header_row: int = 1, max_bytes: int = GIB) -> Iterator[Row]:
    """Give the rows of one sheet of an .xlsx file below its header; needs openpyxl.

    sheet       its name; the first one if None
    header_row  the row with the column names, counted from 1

    Values are typed as in the sheet, formulas are what Excel last computed (None if no program has ever computed them),
    empty rows are passed over.
    Errors: FileRefused for no such sheet, a column without a name that holds values, two columns of one name,
    what unpacks to more than `max_bytes` (openpyxl holds all texts of a workbook in memory), or XML entities.
    """
    import openpyxl  # type: ignore[import-untyped]  # openpyxl publishes no types

    with _seekable(source, max_bytes) as (name, file), _refusing(name, zipfile.BadZipFile, KeyError):
        for member, part in zip_members(file, max_bytes=max_bytes):
            _refuse_entities(part, f"{name}: {member}", is_xml=member.endswith((".xml", ".rels")))
        file.seek(0)
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
        try:
            if sheet is not None and sheet not in workbook.sheetnames:
                raise FileRefused(f"{name}: no sheet {sheet!r}; it has {workbook.sheetnames}")
            worksheet = workbook.worksheets[0] if sheet is None else workbook[sheet]
            worksheet.reset_dimensions()  # the file's own claim of its size is often wrong
            yield from _sheet_rows(worksheet.iter_rows(min_row=header_row, values_only=True), name, header_row)
        finally:
            workbook.close()


def zip_members(
    source: Source, *, max_bytes: int = MAX_BYTES, max_members: int = 100_000
) -> Iterator[tuple[str, io.BufferedIOBase]]:
    """Give the name and the stream of each file in a zip; read the stream before you take the next.

    Errors: FileRefused for a name that leads out of the archive (`../x`, `/x`, `C:x`), two names that are one or differ
    in case only, a link, an encrypted file, too many files, or more than `max_bytes` in all, counted as unpacked and
    not as the zip claims.
    """
    with (
        _seekable(source, max_bytes) as (name, file),
        _refusing(name, *_BROKEN),
        zipfile.ZipFile(file) as archive,
    ):
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) > max_members:
            raise FileRefused(f"{name}: {len(members)} files, and max_members is {max_members}")
        names = _Names(name)
        for member in members:
            _refuse_zipped(member, name)
            names.take(member.filename)
        left = max_bytes
        for member in members:
            with archive.open(member) as packed:
                capped = _Capped(packed, f"{name}: {member.filename}", left)
                yield member.filename, io.BufferedReader(capped)
                left -= capped.position


def unzip(source: Source, directory: str | Path, *, max_bytes: int = MAX_BYTES) -> list[Path]:
    """Unpack a zip into `directory`, and give the paths of its files; refuses what `zip_members` refuses.

    Errors: FileExistsError rather than overwriting a file.
    """
    return _stored(zip_members(source, max_bytes=max_bytes), directory)


def tar_members(
    source: Source, *, max_bytes: int = MAX_BYTES, max_members: int = 100_000
) -> Iterator[tuple[str, io.BufferedIOBase]]:
    """Give the name and the stream of each file in a tar, as it comes; read the stream before you take the next.

    A tar has no list of what is in it: what is wrong with a later file is found when it comes.
    Errors: FileRefused for what `zip_members` refuses, for anything but files and folders, such as devices, and for a
    tar that is damaged, ends too early, or is compressed otherwise than by gzip.
    """
    with _unpacked(source, max_bytes + max_members * _TAR_HEADER_BYTES + MIB) as (name, stream):
        yield from _tar_members(stream, name, max_bytes, max_members)


def untar(source: Source, directory: str | Path, *, max_bytes: int = MAX_BYTES) -> list[Path]:
    """Unpack a tar into `directory`, and give the paths of its files; refuses what `tar_members` refuses.

    Nothing is written of a tar that is refused: it is read once before.
    Errors: FileExistsError rather than overwriting a file.
    """
    with _seekable(source, max_bytes) as (_, file):
        start = file.tell()
        for _ in tar_members(file, max_bytes=max_bytes):
            pass
        file.seek(start)
        return _stored(tar_members(file, max_bytes=max_bytes), directory)


def _tar_members(
    stream: Readable, name: str, max_bytes: int, max_members: int
) -> Iterator[tuple[str, io.BufferedIOBase]]:
    headers, names = _Headers(stream, name), _Names(name)
    left, count = max_bytes, 0
    with (
        _refusing(name, tarfile.TarError),
        tarfile.open(fileobj=headers, mode="r|", tarinfo=_TarMember) as archive,  # type: ignore[call-overload]  # it reads, no more
    ):
        while (member := headers.before(archive.next)) is not None:
            count += 1
            if count > max_members:
                raise FileRefused(f"{name}: more entries than max_members, which is {max_members}")
            archive.members = []  # tarfile would keep them all
            if member.isdir():
                continue
            names.take(member.name)
            if not member.isreg():
                raise FileRefused(f"{name}: {member.name!r} is a link or a device, and may point anywhere")
            packed = archive.extractfile(member)
            assert packed is not None  # it is a regular file
            capped = _Capped(packed, f"{name}: {member.name}", left)
            content = io.BufferedReader(capped)
            yield member.name, content
            while content.read(_CHUNK):  # what the caller has left counts too
                pass
            left -= capped.position


def _stored(members: Iterator[tuple[str, io.BufferedIOBase]], directory: str | Path) -> list[Path]:
    paths = []
    for name, member in members:
        path = Path(directory, *PurePosixPath(name).parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            shutil.copyfileobj(member, file)
        paths.append(path)
    return paths


class _Capped(io.RawIOBase):
    """Reads on, until `limit` bytes are exceeded; says which file it was when a decoder gives up."""

    def __init__(self, source: Readable, name: str, limit: int) -> None:
        self._source = source
        self._name = name
        self._limit = limit
        self._ahead = b""
        self.position = 0

    def readable(self) -> bool:
        return True

    def peek(self, size: int) -> bytes:
        """Give the next bytes, which will be read again; fewer than `size` only at the end of the source."""
        while len(self._ahead) < size and (more := self._read(size - len(self._ahead))):
            self._ahead += more
        return self._ahead

    def readinto(self, buffer: Any) -> int:
        chunk, self._ahead = self._ahead[: len(buffer)], self._ahead[len(buffer) :]
        chunk = chunk or self._read(len(buffer))
        self.position += len(chunk)
        if self.position > self._limit:
            raise FileRefused(f"{self._name}: unpacks to more than max_bytes, of which {self._limit} were left")
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except _BROKEN as error:
            raise FileRefused(f"{self._name}: damaged at byte {self.position}: {error}") from error


@contextmanager
def _opened(source: Source) -> Iterator[tuple[str, Readable]]:
    """Open a path; a stream stays the caller's, open."""
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file:
            yield str(source), file
    else:
        yield str(getattr(source, "name", None) or "the stream"), source


@contextmanager
def _unpacked(source: Source, max_bytes: int) -> Iterator[tuple[str, io.BufferedReader[Any]]]:
    """Give the name and the bytes of a file, gunzipped if it starts like gzip; refuse other compressions by name."""
    with _opened(source) as (name, file):
        capped = _Capped(file, name, max_bytes)
        packed = io.BufferedReader(capped)
        start = capped.peek(_LONGEST_START)
        for compression, pattern in _NOT_READ.items():
            if pattern.match(start):
                raise FileRefused(
                    f"{name}: compressed by {compression}, which is not read here; gzip is: unpack it first"
                )
        if not start.startswith(b"\x1f\x8b"):
            yield name, packed
            return
        with gzip.GzipFile(fileobj=packed) as unzipped:
            yield name, io.BufferedReader(_Capped(unzipped, name, max_bytes))


@contextmanager
def _seekable(source: Source, max_bytes: int) -> Iterator[tuple[str, BinaryIO]]:
    with _opened(source) as (name, file):
        seekable: Callable[[], bool] | None = getattr(file, "seekable", None)
        if seekable is not None and seekable():
            yield name, file  # type: ignore[misc]  # what can seek is a whole file object
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(io.BufferedReader(_Capped(file, name, max_bytes)), copy)
            copy.seek(0)
            yield name, copy


@contextmanager
def _refusing(name: str, *errors: type[Exception]) -> Iterator[None]:
    """Say which file it was when a decoder gives up."""
    try:
        yield
    except FileRefused:
        raise
    except errors as error:
        raise FileRefused(f"{name}: {error}") from error


class _Lines:
    """Gives the lines of a text, and refuses a row, of one line or many, that is longer than allowed."""

    def __init__(self, text: io.TextIOWrapper, name: str, max_row_bytes: int) -> None:
        self._text = text
        self._name = name
        self._limit = max_row_bytes
        self._row_size = 0
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._limit + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._row_size += len(line)
        if self._row_size > self._limit:
            raise FileRefused(f"{self._name}, line {self.number}: longer than max_row_bytes, which is {self._limit}")
        return line

    def end_row(self) -> None:
        self._row_size = 0


def _refuse_duplicates(header: Iterable[object], name: str) -> None:
    twice = [str(column) for column, count in Counter(header).items() if count > 1]
    if twice:
        raise FileRefused(f"{name}: two columns are named {', '.join(twice)}, and one would be lost")


def _refuse_nameless(fields: Sequence[str], nameless: Iterable[int], where: str) -> None:
    for position in nameless:
        if fields[position]:
            raise FileRefused(f"{where}: {fields[position]!r} in column {position + 1}, which has no name")


def _sheet_rows(rows: Iterator[tuple[object, ...]], name: str, header_row: int) -> Iterator[Row]:
    header = [None if cell is None else str(cell).strip() for cell in next(rows, ())]
    _refuse_duplicates(filter(None, header), name)
    for number, cells in enumerate(rows, start=header_row + 1):
        row: Row = {column: None for column in header if column}
        for position, cell in enumerate(cells):
            column = header[position] if position < len(header) else None
            if column:
                row[column] = cell
            elif cell is not None:
                raise FileRefused(f"{name}, row {number}: {cell!r} in column {position + 1}, which has no name")
        if any(cell is not None for cell in cells):
            yield row


class _Names:
    """The names of an archive's files: none leads out of it, and none is another's, also where case does not count."""

    def __init__(self, archive: str) -> None:
        self._archive = archive
        self._taken: dict[str, str] = {}

    def take(self, name: str) -> None:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or ".." in parts or parts[0] == "/" or ":" in parts[0]:
            raise FileRefused(f"{self._archive}: the name {name!r} leads out of the archive")
        other = self._taken.setdefault("/".join(parts).casefold(), name)
        if other is not name:
            raise FileRefused(f"{self._archive}: {other!r} and {name!r} are one name, and one would be lost")


class _Headers:
    """What tarfile reads from: the headers before a file may not take more memory than they need."""

    MOST = MIB

    def __init__(self, stream: Readable, name: str) -> None:
        self._stream = stream
        self._name = name
        self._left: int | None = self.MOST  # to open an archive reads the first

    def read(self, size: int, /) -> bytes:
        chunk = self._stream.read(size)
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                raise FileRefused(f"{self._name}: a file has more than {self.MOST} bytes of header")
        return chunk

    def before(self, next_member: Callable[[], tarfile.TarInfo | None]) -> tarfile.TarInfo | None:
        """Read the headers before the next file."""
        self._left = self.MOST
        try:
            return next_member()
        finally:
            self._left = None


class _TarMember(tarfile.TarInfo):
    """A member whose header is damaged is an error; tarfile itself takes it for the end, and what follows is lost."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile, /) -> _TarMember:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in the published types
            raise
        except tarfile.HeaderError as error:
            ended = isinstance(error, tarfile.EmptyHeaderError)  # type: ignore[attr-defined]  # not in the published types
            raise tarfile.ReadError("it ends too early" if ended else f"damaged: {error}") from error


def _refuse_zipped(member: zipfile.ZipInfo, name: str) -> None:
    if stat.S_ISLNK(member.external_attr >> 16):
        raise FileRefused(f"{name}: {member.filename!r} is a link, and may point anywhere")
    if member.flag_bits & 0x1:
        raise FileRefused(f"{name}: {member.filename!r} is encrypted: unpack it with its password first")


def _refuse_entities(part: io.BufferedIOBase, name: str, *, is_xml: bool) -> None:
    """Read a file with XML's entities forbidden; openpyxl would expand them.

    is_xml  its name says so. Others may be pictures, but also sheets: what is in a part, the workbook says elsewhere
    """
    parser = _strict_parser(name)
    try:
        while chunk := part.read(_CHUNK):
            parser.Parse(chunk, False)
    except expat.ExpatError as error:
        if is_xml:
            raise FileRefused(f"{name}: not well-formed XML: {error}") from error


def _strict_parser(name: str) -> expat.XMLParserType:
    def refuse(entity: str, *_: object) -> None:
        raise FileRefused(f"{name}: the XML has the entity {entity!r}, which could expand to anything")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.EntityDeclHandler = refuse
    parser.SkippedEntityHandler = refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    return parser


class _XmlRows:
    """Builds the dict of each wanted element while expat reads; other elements leave nothing behind."""

    def __init__(self, name: str, tag: str, max_row_bytes: int) -> None:
        self.parser = _strict_parser(name)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._name = name
        self._tag = tag
        self._max_row_bytes = max_row_bytes
        self._open: list[tuple[Row, list[str]]] = []  # the wanted element and those open in it: columns, texts
        self._fed = 0
        self._row_start = 0
        self._rows: list[Row] = []

    def of(self, chunk: bytes) -> list[Row]:
        """Give the rows that end in the next bytes of the file; b"" is its end."""
        try:
            self.parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            raise FileRefused(f"{self._name}: not well-formed XML: {error}") from error
        self._fed += len(chunk)
        # expat holds a comment, a tag or the like until its end has come.
        if self._fed - max(self.parser.CurrentByteIndex, 0) > self._max_row_bytes:
            raise FileRefused(
                f"{self._where}: a piece of markup is longer than max_row_bytes, which is {self._max_row_bytes}"
            )
        if self._open:
            self._refuse_long_row()
        rows, self._rows = self._rows, []
        return rows

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._open and _local(tag) != self._tag:
            return
        if not self._open:
            self._row_start = self.parser.CurrentByteIndex
        if len(self._open) >= _XML_DEPTH:
            raise FileRefused(f"{self._where}: more than {_XML_DEPTH} elements inside each other")
        self._refuse_long_row()
        columns: Row = {}
        for key, value in attributes.items():
            _append(columns, f"@{_local(key)}", value)
        self._open.append((columns, []))

    def _text(self, text: str) -> None:
        if self._open:
            self._refuse_long_row()
            self._open[-1][1].append(text)

    def _end(self, tag: str) -> None:
        if not self._open:
            return
        columns, texts = self._open.pop()
        text = "".join(texts).strip()
        value: Row = {**columns, "#text": text} if text else columns
        if self._open:
            _append(self._open[-1][0], _local(tag), value if columns else text or None)
        else:
            self._rows.append(value)

    def _refuse_long_row(self) -> None:
        if self.parser.CurrentByteIndex - self._row_start > self._max_row_bytes:
            raise FileRefused(
                f"{self._where}: one <{self._tag}> is longer than max_row_bytes, which is {self._max_row_bytes}"
            )

    @property
    def _where(self) -> str:
        return f"{self._name}, line {self.parser.CurrentLineNumber}"


def _append(columns: Row, tag: str, value: object) -> None:
    if tag not in columns:
        columns[tag] = value
    elif isinstance(columns[tag], list):
        columns[tag].append(value)
    else:
        columns[tag] = [columns[tag], value]


def _local(tag: str) -> str:
    return tag.rpartition(" ")[2]
