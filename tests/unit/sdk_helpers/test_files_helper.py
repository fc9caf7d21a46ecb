"""Rows of files, streamed, and what a hostile or broken file must not do."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import stat
import tarfile
import tracemalloc
import warnings
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]  # openpyxl publishes no types
import pyarrow as pa
import pyarrow.parquet
import pytest

from sdk_helpers.files import (
    FileRefused,
    csv_rows,
    excel_rows,
    json_lines,
    parquet_rows,
    tar_members,
    untar,
    unzip,
    xml_rows,
    zip_members,
)


class OnlyReads:
    """A body as HTTP gives it: it can be read, and nothing else."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)
        self._first = 1  # as a socket may: the first byte alone

    def read(self, size: int, /) -> bytes:
        most, self._first = self._first or 7, 0
        return self._file.read(min(size, most))


class Endless:
    """A file without end, made as it is read."""

    def __init__(self, start: bytes, line: bytes) -> None:
        self._line = line
        self._left = start
        self.given = 0

    def read(self, size: int, /) -> bytes:
        while len(self._left) < size:
            self._left += self._line * 1000
        chunk, self._left = self._left[:size], self._left[size:]
        self.given += len(chunk)
        return chunk


def zipped(members: dict[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    file.seek(0)
    return file


def parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def workbook(sheets: dict[str, list[list[Any]]]) -> io.BytesIO:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    return file


def refusal(rows: Iterator[Any]) -> str:
    with pytest.raises(FileRefused) as raised:
        for _ in rows:
            pass
    return str(raised.value)


# CSV


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("id,name\n1,Ada\n", {}, [{"id": "1", "name": "Ada"}]),
        ("\ufeffid,name\r\n1,Ada", {}, [{"id": "1", "name": "Ada"}]),
        ("id;name\r1;Ada\r", {"delimiter": ";"}, [{"id": "1", "name": "Ada"}]),
        ('id,name\n\n1,"a, ""b""\nc"\n\n', {}, [{"id": "1", "name": 'a, "b"\nc'}]),
        ("007,\n", {"columns": ["id", "name"]}, [{"id": "007", "name": ""}]),
        ("id,name\n", {}, []),
        ("id,,name,\n1,,Ada,\n", {}, [{"id": "1", "name": "Ada"}]),
        ("", {}, []),
        ("id\n" + "x" * 200_000 + "\n", {}, [{"id": "x" * 200_000}]),
    ],
)
def test_csv_rows_are_text_by_column(text: str, options: Any, expected: list[dict[str, str]]) -> None:
    content = text.encode()

    assert list(csv_rows(io.BytesIO(content), **options)) == expected
    assert list(csv_rows(OnlyReads(gzip.compress(content)), **options)) == expected


def test_csv_in_another_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id\né\n".encode("utf-16"))

    assert list(csv_rows(path, encoding="utf-16")) == [{"id": "é"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1\n", "a.csv, line 2: 1 fields, and the header has 2"),
        (b"a,b\n1,2\n1,2,3\n", "a.csv, line 3: 3 fields, and the header has 2"),
        (b"a,a\n1,2\n", "a.csv: two columns are named a"),
        (b"a,b,\n1,2,\n3,4,5\n", "a.csv, line 3: '5' in column 3, which has no name"),
        (b'a\n"open\n', "a.csv, line 2: unexpected end of data"),
        (b"a\n\xff\n", "a.csv: 'utf-8' codec can't decode byte 0xff"),
        # Without a moment of its own, gzip's header would name this one, and each process of the suite another test.
        (gzip.compress(b"a\n" + b"1\n" * 9999, mtime=0)[:-20], "a.csv: damaged at byte"),
        (b"\x1f\x8bnot gzip at all", "a.csv: damaged at byte 0"),
    ],
)
def test_a_broken_csv_is_refused_with_its_name_and_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)

    assert message in refusal(csv_rows(path))


def test_a_stream_that_is_damaged_from_its_first_byte_is_refused() -> None:
    assert "damaged at byte 0" in refusal(csv_rows(gzip.GzipFile(fileobj=io.BytesIO(b"\x1f\x8bnot gzip at all"))))


def test_rows_before_the_damage_are_given() -> None:
    rows = csv_rows(io.BytesIO(b"a,b\n1,2\n3\n"))

    assert next(rows) == {"a": "1", "b": "2"}
    with pytest.raises(FileRefused):
        next(rows)


# Limits


@pytest.mark.parametrize("read", [csv_rows, json_lines])
def test_a_bomb_is_stopped_at_the_limit(read: Any) -> None:
    bomb = gzip.compress(b'"x"\n' * 5_000_000)

    assert "unpacks to more than max_bytes, of which 1000000 were left" in refusal(
        read(io.BytesIO(bomb), max_bytes=1_000_000)
    )


def test_a_line_without_end_is_stopped_at_the_limit() -> None:
    for read in (csv_rows, json_lines):
        source = Endless(b"", b"x")
        message = refusal(read(source, max_row_bytes=100_000))

        assert "line 1: longer than max_row_bytes, which is 100000" in message
        assert source.given < 1_000_000


def test_an_open_quote_does_not_swallow_the_file() -> None:
    source = Endless(b'a\n"', b"x\n")

    assert "longer than max_row_bytes, which is 100000" in refusal(csv_rows(source, max_row_bytes=100_000))
    assert source.given < 1_000_000


def test_an_element_without_end_is_stopped_at_the_limit() -> None:
    for line in (b"<a>x</a>", b"text", b"<a>", b"<a/>", b" ", b"<!-- -->"):
        source = Endless(b"<r><row>", line)
        message = refusal(xml_rows(source, "row", max_row_bytes=100_000))

        assert "is longer than max_row_bytes" in message or "elements inside each other" in message
        assert source.given < 1_000_000


@pytest.mark.parametrize(
    "start", [b"<r><!--", b'<r><row a="', b"<r><row><![CDATA[", b"<", b"<r><?x ", b"<!DOCTYPE r ["]
)
def test_a_piece_of_xml_without_end_is_stopped_at_the_limit(start: bytes) -> None:
    source = Endless(start, b"x")

    assert "longer than max_row_bytes, which is 100000" in refusal(xml_rows(source, "row", max_row_bytes=100_000))
    assert source.given < 1_000_000


@pytest.mark.parametrize(
    ("read", "start", "line"),
    [
        (csv_rows, b"a,b\n", b"1,2\n"),
        (json_lines, b"", b'{"a": 1}\n'),
        (lambda source: xml_rows(source, "row"), b"<r>", b"<row><a>1</a></row>"),
    ],
    ids=["csv", "json", "xml"],
)
def test_memory_does_not_grow_with_the_file(read: Any, start: bytes, line: bytes) -> None:
    rows = read(Endless(start, line))
    for _ in range(1000):
        next(rows)
    tracemalloc.start()
    for _ in range(50_000):
        next(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 2_000_000


# JSON lines


def test_json_lines_are_values() -> None:
    content = '{"a": 1}\r\n\n  \n[1.5]\n"x\u2028y"\nnull'.encode()

    assert list(json_lines(io.BytesIO(content))) == [{"a": 1}, [1.5], "x\u2028y", None]


@pytest.mark.parametrize(
    ("content", "message"), [(b'{"a": 1}\n{"a": \n', "line 2: not JSON"), (b"[" * 100_000, "line 1: not JSON")]
)
def test_a_line_that_is_no_json_is_refused_with_its_number(content: bytes, message: str) -> None:
    assert message in refusal(json_lines(io.BytesIO(content)))


# XML


def test_xml_elements_are_dicts() -> None:
    text = """<?xml version="1.0"?><feed xmlns="urn:x" xmlns:g="urn:g">
      <title>not a row</title>
      <group><item g:id="7"><name>A &amp; B</name><tag>x</tag><tag>y</tag><empty/><price unit="EUR">1.5</price>
        <!-- no --><![CDATA[<raw>]]></item></group>
      <item/>
    </feed>"""

    assert list(xml_rows(io.BytesIO(text.encode()), "item")) == [
        {
            "@id": "7",
            "name": "A & B",
            "tag": ["x", "y"],
            "empty": None,
            "price": {"@unit": "EUR", "#text": "1.5"},
            "#text": "<raw>",
        },
        {},
    ]


def test_attributes_of_two_namespaces_are_both_kept() -> None:
    content = b'<r xmlns:x="urn:x"><row lang="en" x:lang="de" xml:lang="fr" id="1"/></r>'

    assert list(xml_rows(io.BytesIO(content), "row")) == [{"@lang": ["en", "de", "fr"], "@id": "1"}]


def test_a_tag_inside_its_own_kind_belongs_to_the_outer_row() -> None:
    assert list(xml_rows(OnlyReads(b"<r><a><a>1</a></a><a>2</a></r>"), "a")) == [{"a": "1"}, {"#text": "2"}]


ENTITIES = {
    "laughs": '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><r><row>&b;</row></r>',
    "file": '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r><row>&x;</row></r>',
    "parameter": '<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]><r><row/></r>',
    "undefined": '<!DOCTYPE r SYSTEM "other.dtd"><r><row>&unknown;</row></r>',
}


@pytest.mark.parametrize("name", ENTITIES)
def test_entities_are_refused(name: str) -> None:
    assert "entity" in refusal(xml_rows(io.BytesIO(ENTITIES[name].encode()), "row"))


def test_a_doctype_alone_is_fine() -> None:
    assert list(xml_rows(io.BytesIO(b'<!DOCTYPE r SYSTEM "r.dtd"><r><row>1</row></r>'), "row")) == [{"#text": "1"}]


@pytest.mark.parametrize("content", [b"", b"<r><row>", b"<r></x>", b"{}"])
def test_xml_that_is_not_well_formed_is_refused(content: bytes) -> None:
    assert "not well-formed XML" in refusal(xml_rows(io.BytesIO(content), "row"))


# Parquet and Excel


def test_parquet_rows_come_from_paths_and_from_streams_that_cannot_seek(tmp_path: Path) -> None:
    rows = [{"id": number, "l": [number]} for number in range(25)]
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet(rows))

    assert list(parquet_rows(path, batch_rows=10)) == rows
    assert list(parquet_rows(OnlyReads(parquet(rows)), columns=["id"])) == [{"id": number} for number in range(25)]


def test_parquet_that_is_broken_or_too_large_is_refused() -> None:
    large = parquet([{"t": "x" * 1000}] * 100)

    assert "the stream" in refusal(parquet_rows(io.BytesIO(b"PAR1 no")))
    assert "max_bytes is 10" in refusal(parquet_rows(io.BytesIO(large), max_bytes=10))


def test_excel_rows_are_typed() -> None:
    file = workbook(
        {
            "first": [["no"]],
            "data": [["report of May"], ["id", " when ", None], [1, datetime(2024, 2, 29, 12)], [None], ["x", None]],
        }
    )

    assert list(excel_rows(file, sheet="data", header_row=2)) == [
        {"id": 1, "when": datetime(2024, 2, 29, 12)},
        {"id": "x", "when": None},
    ]
    assert list(excel_rows(OnlyReads(workbook({"s": [["a"], [1.5]]}).getvalue()))) == [{"a": 1.5}]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([["a", "a"], [1, 2]], {}, "two columns are named a"),
        ([["a"], [1, 2]], {}, "row 2: 2 in column 2, which has no name"),
        ([["a"]], {"sheet": "other"}, "no sheet 'other'; it has ['s']"),
        ([["a"]], {"max_bytes": 100}, "unpacks to more than max_bytes"),
    ],
)
def test_a_sheet_that_would_lose_a_value_is_refused(rows: Any, options: Any, message: str) -> None:
    assert message in refusal(excel_rows(workbook({"s": rows}), **options))


def test_a_workbook_with_entities_is_refused() -> None:
    good = workbook({"s": [["a"], ["b"]]})
    members = {name: member.read() for name, member in zip_members(good)}
    sheet = members["xl/worksheets/sheet1.xml"]
    members["xl/worksheets/sheet1.xml"] = b'<!DOCTYPE x [<!ENTITY a "ha">]>' + sheet

    assert "sheet1.xml: the XML has the entity 'a'" in refusal(excel_rows(zipped(members)))
    # What a part is called does not say what is in it: the relations of the workbook do.
    members["xl/worksheets/sheet1.dat"] = members.pop("xl/worksheets/sheet1.xml")
    for name in ("xl/_rels/workbook.xml.rels", "[Content_Types].xml"):
        members[name] = members[name].replace(b"sheet1.xml", b"sheet1.dat")
    assert "sheet1.dat: the XML has the entity 'a'" in refusal(excel_rows(zipped(members)))
    assert "File is not a zip file" in refusal(excel_rows(io.BytesIO(b"no")))


# Zip


def test_members_of_a_zip_are_streams() -> None:
    archive = zipped({"a.csv": b"x\n1\n", "dir/": b"", "dir/b.csv": b"x\n2\n"})

    got = {name: list(csv_rows(member)) for name, member in zip_members(OnlyReads(archive.getvalue()))}

    assert got == {"a.csv": [{"x": "1"}], "dir/b.csv": [{"x": "2"}]}


def test_a_zip_is_unpacked_into_its_directory(tmp_path: Path) -> None:
    paths = unzip(zipped({"a.txt": b"1", "deep/er/b.txt": b"2"}), tmp_path / "new")

    assert {str(path.relative_to(tmp_path)): path.read_bytes() for path in paths} == {
        "new/a.txt": b"1",
        "new/deep/er/b.txt": b"2",
    }
    with pytest.raises(FileExistsError):
        unzip(zipped({"a.txt": b"3"}), tmp_path / "new")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..\\x", "C:\\x", "a\\..\\..\\x"])
def test_a_name_that_leads_out_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "in"
    with pytest.raises(FileRefused, match="leads out of the archive"):
        unzip(zipped({"first.txt": b"1", name: b"2"}), inside)

    assert list(tmp_path.rglob("*")) == []


def test_a_link_in_a_zip_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    file.seek(0)

    assert "is a link" in refusal(zip_members(file))


def test_the_limit_counts_all_members_of_a_zip_together(tmp_path: Path) -> None:
    archive = zipped({"a": b"0" * 600, "b": b"0" * 600})

    with pytest.raises(FileRefused, match="b: unpacks to more than max_bytes"):
        unzip(archive, tmp_path, max_bytes=1000)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"no zip", {}, "File is not a zip file"),
        (zipped({"a": b"1", "b": b"2"}).getvalue(), {"max_members": 1}, "2 files, and max_members is 1"),
    ],
)
def test_a_zip_that_is_broken_or_too_full_is_refused(content: bytes, options: Any, message: str) -> None:
    assert message in refusal(zip_members(io.BytesIO(content), **options))


def test_a_damaged_member_is_refused_with_its_name() -> None:
    content = bytearray(zipped({"a.jsonl": json.dumps(list(range(5000))).encode()}).getvalue())
    content[200:210] = b"\0" * 10

    messages = [refusal(json_lines(member)) for _, member in zip_members(io.BytesIO(bytes(content)))]

    assert [message.partition(" at byte")[0] for message in messages] == ["the stream: a.jsonl: damaged"]


@pytest.mark.parametrize(
    "names", [("a.txt", "a.txt"), ("a.txt", "A.TXT"), ("d/a.txt", "D\\\\a.txt"), ("a.txt", "./a.txt")]
)
@pytest.mark.parametrize("unpack", [unzip, untar])
def test_two_files_of_one_name_are_refused_also_where_case_does_not_count(
    tmp_path: Path, unpack: Any, names: tuple[str, str]
) -> None:
    archive = tarred(*names) if unpack is untar else zipped_twice(*names)

    with pytest.raises(FileRefused, match="are one name, and one would be lost"):
        unpack(archive, tmp_path)
    assert list(tmp_path.iterdir()) == []


# Tar


def zipped_twice(*names: str) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name comes twice
        for name in names:
            archive.writestr(name, name)
    file.seek(0)
    return file


def tarred(*members: str | tarfile.TarInfo, content: bytes = b"x\n1\n", mode: Any = "w") -> io.BytesIO:
    """Pack files of one content by their names, and whatever else is given."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for each in members:
            member = tarfile.TarInfo(each) if isinstance(each, str) else each
            if member.isreg():
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if member.isreg() else None)
    file.seek(0)
    return file


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_members_of_a_tar_are_streams(mode: str) -> None:
    archive = tarred(special("./", tarfile.DIRTYPE), "./a.csv", "n" * 300 + ".csv", mode=mode)

    got = [(name, list(csv_rows(member))) for name, member in tar_members(OnlyReads(archive.getvalue()))]

    assert got == [("./a.csv", [{"x": "1"}]), ("n" * 300 + ".csv", [{"x": "1"}])]


def test_a_file_of_a_tar_that_is_not_read_is_passed_over() -> None:
    assert [name for name, _ in tar_members(tarred("a", "b", content=b"0" * 100_000))] == ["a", "b"]


def test_a_tar_is_unpacked_into_its_directory(tmp_path: Path) -> None:
    paths = untar(OnlyReads(tarred("a.txt", "deep/er/b.txt", mode="w:gz").getvalue()), tmp_path / "new")

    assert [str(path.relative_to(tmp_path)) for path in paths] == ["new/a.txt", "new/deep/er/b.txt"]
    assert {path.read_bytes() for path in paths} == {b"x\n1\n"}
    with pytest.raises(FileExistsError):
        untar(tarred("a.txt"), tmp_path / "new")


HOSTILE: list[tuple[str | tarfile.TarInfo, str]] = [
    *((name, "leads out of the archive") for name in ("../x", "/x", "a/../../x", "..\\x", "C:\\x")),
    (special("link", tarfile.SYMTYPE, "/etc/passwd"), "is a link or a device"),
    (special("link", tarfile.LNKTYPE, "first.txt"), "is a link or a device"),
    (special("pipe", tarfile.FIFOTYPE), "is a link or a device"),
    (special("disk", tarfile.BLKTYPE), "is a link or a device"),
    (special("tty", tarfile.CHRTYPE), "is a link or a device"),
]


@pytest.mark.parametrize(
    ("member", "message"), HOSTILE, ids=[each if isinstance(each, str) else each.name for each, _ in HOSTILE]
)
def test_what_leads_out_of_a_tar_is_refused_before_anything_is_written(
    tmp_path: Path, member: str | tarfile.TarInfo, message: str
) -> None:
    inside = tmp_path / "in"
    with pytest.raises(FileRefused, match=message):
        untar(tarred("first.txt", member), inside)

    assert list(tmp_path.rglob("*")) == []


def test_a_tar_of_200_megabytes_in_195_kilobytes_is_refused_without_taking_their_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.tar.gz"
    with tarfile.open(bomb, "w:gz") as archive:
        member = tarfile.TarInfo("zeros")
        member.size = 200 * 1024**2
        archive.addfile(member, Endless(b"", b"\0" * 100))  # type: ignore[arg-type]  # it is only read
    assert bomb.stat().st_size < 210_000

    tracemalloc.start()
    try:
        with pytest.raises(FileRefused, match="zeros: unpacks to more than max_bytes, of which 10485760 were left"):
            untar(bomb, tmp_path / "in", max_bytes=10 * 1024**2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024**2
    assert not (tmp_path / "in").exists()


def test_the_limit_counts_all_files_of_a_tar_together_read_or_not(tmp_path: Path) -> None:
    archive = tarred("a", "b", content=b"0" * 600)

    assert "b: unpacks to more than max_bytes, of which 400 were left" in refusal(tar_members(archive, max_bytes=1000))


def test_a_header_that_never_ends_is_refused_without_taking_its_memory() -> None:
    member = tarfile.TarInfo("a")
    member.pax_headers = {"comment": "0" * 50_000_000}
    archive = tarred(member, mode="w:gz")

    tracemalloc.start()
    try:
        message = refusal(tar_members(archive))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "a file has more than 1048576 bytes of header" in message
    assert peak < 16 * 1024**2


TWO = tarred("a.csv", "b.csv").getvalue()


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", {}, "the stream: it ends too early"),
        (b"no tar" * 200, {}, "the stream: damaged: "),
        (TWO[:1024], {}, "the stream: it ends too early"),
        (TWO[:600] , {}, "the stream: unexpected end of data"),
        (TWO[:1024] + b"\xff" * 512 + TWO[1536:], {}, "the stream: damaged: "),
        (TWO, {"max_members": 1}, "more entries than max_members, which is 1"),
        (tarred(*(special(f"d{n}", tarfile.DIRTYPE) for n in range(3))).getvalue(), {"max_members": 2},
         "more entries than max_members, which is 2"),
    ],
)  # fmt: skip
def test_a_tar_that_is_broken_or_too_full_is_refused(content: bytes, options: Any, message: str) -> None:
    assert message in refusal(tar_members(io.BytesIO(content), **options))


def test_a_tar_that_is_cut_off_inside_a_file_is_refused_where_that_is_read() -> None:
    content = tarred("a.csv", content=b"x\n" + b"1\n" * 50_000).getvalue()[:50_000]

    _, member = next(tar_members(io.BytesIO(content)))

    assert refusal(csv_rows(member)).startswith("the stream: a.csv: damaged at byte ")


# Other compressions

ZSTD = bytes.fromhex("28b52ffd045829000069640a310aed80b572")  # of the same rows, written by the command `zstd`
OTHER_COMPRESSIONS = [
    ("bzip2", bz2.compress(b"id\n1\n")),
    ("bzip2", bz2.compress(b"")),
    ("xz", lzma.compress(b"id\n1\n")),
    ("zstd", ZSTD),
]


@pytest.mark.parametrize(("compression", "content"), OTHER_COMPRESSIONS, ids=["bzip2", "empty bzip2", "xz", "zstd"])
@pytest.mark.parametrize("read", [csv_rows, json_lines, tar_members, lambda source: xml_rows(source, "row")])
def test_a_compression_that_is_not_read_is_refused_by_name(read: Any, compression: str, content: bytes) -> None:
    assert refusal(read(OnlyReads(content))) == (
        f"the stream: compressed by {compression}, which is not read here; gzip is: unpack it first"
    )


@pytest.mark.parametrize(("compression", "mode"), [("bzip2", "w:bz2"), ("xz", "w:xz")])
def test_a_tar_in_a_compression_that_is_not_read_is_refused_by_name(
    tmp_path: Path, compression: str, mode: str
) -> None:
    archive = tmp_path / "all.tar"
    archive.write_bytes(tarred("a.csv", mode=mode).getvalue())
    with pytest.raises(FileRefused, match=rf"all\.tar: compressed by {compression}, which is not read here; gzip is"):
        untar(archive, tmp_path / "in")

    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize("start", ["BZh", "BZh9", "BZh91", "BZh91AY&S", "(/"])
def test_text_that_only_starts_like_a_compressed_file_is_text(start: str) -> None:
    assert list(csv_rows(io.BytesIO(f"{start}\n1\n".encode()))) == [{start: "1"}]


def test_the_stream_of_the_caller_stays_open() -> None:
    source = io.BytesIO(b"a\n1\n")
    list(csv_rows(source))

    assert not source.closed
