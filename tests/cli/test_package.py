"""`headwater package`: what is in the zip, and that it runs elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from tests.cli.cli_project import IMPORTS, CliProject, Outcome, without_root
from tests.mit_sdk.stream import EnvironmentUnavailable, python, stream

CONNECTOR = f"""{IMPORTS}
import sdk_helpers.keys
from shop import rows

def schema(configuration):
    return [{{"table": "orders", "primary_key": ["id"], "columns": {{"id": "LONG"}}}}]

def update(configuration, state):
    op.upsert("orders", {{"id": rows.FIRST, "helper": sdk_helpers.keys.__file__}})
    op.checkpoint({{}})

connector = Connector(update=update, schema=schema)
"""
FORM = f"""{IMPORTS}
from fivetran_connector_sdk import ConfigurationForm, Test, form_field
CHOICES = [form_field.DropdownFieldParam("eu", "Europe", "Frankfurt"), form_field.DropdownFieldParam(1)]

def reachable(configuration):
    return Test.success()

def configuration_form():
    form = ConfigurationForm()
    form.add_field(form_field.TextField("base_url", "Address", required=True, placeholder="https://… " + 130 * "x"))
    form.add_field(form_field.TextField("key", "Key", form_field.TextField.password, description=""))
    form.add_field(form_field.DropdownField("region", "", fields=CHOICES, placeholder="choose"))
    form.add_field(form_field.ToggleField("old", "Old ones too", description="slow"))
    form.add_test(label="Reachable", func=reachable)
    return form

def update(configuration, state): ...

connector = Connector(update=update, configuration_form=configuration_form)
"""
LEAK = "raise ValueError(open('configuration.json').read()); form = C"


def packaged(project: CliProject, *flags: str) -> tuple[Outcome, zipfile.ZipFile]:
    outcome = project.run("package", *flags)
    assert outcome.code == 0, outcome.err
    return outcome, zipfile.ZipFile(project.path / "files" / "shop.zip")


def official_python() -> Path:
    try:
        return python()
    except EnvironmentUnavailable as reason:
        pytest.skip(f"cannot compare with fivetran-connector-sdk 2.13.1: {reason}")


@pytest.fixture
def shop(project: CliProject) -> CliProject:
    project.write("connector.py", CONNECTOR)
    project.write("shop/__init__.py", "")
    project.write("shop/rows.py", "FIRST = 41\n")
    return project.configuration({"api_key": "canary-4711-secret"})


def test_the_package_runs_elsewhere_here_and_under_the_official_package(shop: CliProject, tmp_path: Path) -> None:
    official_python()
    outcome, archive = packaged(shop, "--vendor")
    elsewhere = CliProject(tmp_path / "elsewhere", shop.environment)
    archive.extractall(elsewhere.path)
    elsewhere.configuration({})
    ran = elsewhere.debug()
    there = [each["data"] for each in stream(elsewhere.path) if each["op"] == "upsert"]

    assert (ran.code, elsewhere.ids()) == (0, [41])
    helper = str(elsewhere.path / "sdk_helpers" / "keys.py")
    assert there == [{"id": ["long", 41], "helper": ["string", helper]}]
    assert archive.namelist() == [
        "configuration_form.pb", "connector.py", "sdk_helpers/__init__.py", "sdk_helpers/keys.py",
        "shop/__init__.py", "shop/rows.py",
    ]  # fmt: skip
    assert (
        outcome.out.splitlines()[-1]
        == f"sha256 {hashlib.sha256(Path(archive.filename or '').read_bytes()).hexdigest()}"
    )


PRESENT = [
    # file                       in the package
    ("connector.py",             True),
    ("requirements.txt",         True),
    ("data/countries.csv",       True),
    ("data/.gitignore",          True),
    (".gitignore",               True),
    ("lib2/a.py",                True),
    ("deep/keep.log",            True),
    ("drivers/installation.sh",  True),
    ("configuration.json",       False),
    ("data/configuration.json",  False),
    (".env",                     False),
    (".git/config",              False),
    ("__pycache__/a.pyc",        False),
    ("lib/a.py",                 False),
    ("deep/include/a.h",         False),
    ("files/warehouse.db",       False),
    ("crash-reports/crash.log",  False),
    ("venv/pyvenv.cfg",          False),
    ("venv/bin/python",          False),
    ("debug.log",                False),
    ("deep/debug.log",           False),
    ("data/private/a.csv",       False),
    ("data/x.tmp",               False),
]  # fmt: skip


def test_what_is_in_a_package_and_what_is_not(project: CliProject) -> None:
    for name, _ in PRESENT:
        project.write(name, "")
    project.write(".gitignore", "# logs\n*.log\n!deep/keep.log\n!configuration.json\n")
    project.write("data/.gitignore", "/private/\n*.tmp\n")
    (project.path / "venv" / "bin" / "link").symlink_to("/etc")  # what is left out may be anything
    _, archive = packaged(project)

    assert archive.namelist() == sorted(["configuration_form.pb", *(name for name, present in PRESENT if present)])
    assert archive.read("configuration_form.pb") == b""


SAME = {
    "connector.py": CONNECTOR,
    "shop/__init__.py": "",
    "shop/rows.py": "FIRST = 41\n",
    "requirements.txt": "",
    "Zeta.csv": "a",
    "alpha.csv": "b",
    "cafe\u0301/\u00e9.csv": "c",
    "drivers/installation.sh": "#!/bin/sh\n",
}
ELSEWHERE = {
    # What differs from machine to machine: the locale, with its encoding of file names, the time zone, and the rest.
    "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7",
    "SOURCE_DATE_EPOCH": "1",
}  # fmt: skip


def zip_of(folder: Path, names: list[str], umask: int, modified: float, environment: dict[str, str]) -> bytes:
    """Write a project, its files in this order, and package it, all of it with this umask."""
    project = CliProject(folder, environment)
    before = os.umask(umask)
    try:
        for name in names:
            project.write(name, SAME[name])
    finally:
        os.umask(before)
    (folder / "drivers" / "installation.sh").chmod(0o755 & ~umask)
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (modified, modified))
    process = project.start("package", "--vendor", umask=umask)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return (folder / "files" / f"{folder.name}.zip").read_bytes()


def test_the_same_files_give_the_same_bytes_whoever_packages_them_when_and_where(
    project: CliProject, tmp_path: Path
) -> None:
    names = list(SAME)
    here = zip_of(tmp_path / "a" / "shop", names, 0o022, time.time(), project.environment)
    # 1969: a zip can hold no time before 1980.
    there = zip_of(tmp_path / "b" / "shop", names[::-1], 0o077, -5000.0, {**project.environment, **ELSEWHERE})

    assert here == there
    archive = zipfile.ZipFile(tmp_path / "b" / "shop" / "files" / "shop.zip")
    assert set(SAME) < set(archive.namelist())
    assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_another_file_gives_other_bytes_and_all_files_stay_as_they_are(shop: CliProject) -> None:
    shop.write("requirements.txt", "")
    before = {path: (path.stat(), path.read_bytes()) for path in shop.path.rglob("*") if path.is_file()}
    first = json.loads(shop.run("package", "--vendor", "--json").out)
    after = {path: (path.stat(), path.read_bytes()) for path in before}
    shop.write("shop/rows.py", "FIRST = 42\n")
    other = json.loads(shop.run("package", "--vendor", "--json", "--yes").out)

    assert [each[1] for each in after.values()] == [each[1] for each in before.values()]
    assert [each[0].st_mtime_ns for each in after.values()] == [each[0].st_mtime_ns for each in before.values()]
    assert first["files"] == other["files"]
    assert first["sha256"] != other["sha256"]


def test_what_cannot_be_read_or_written_is_named(shop: CliProject) -> None:
    (shop.path / "shop" / "rows.py").chmod(0)
    unreadable = without_root(shop, "package", "--vendor")
    checked = without_root(shop, "check")
    (shop.path / "shop" / "rows.py").chmod(0o600)
    shop.path.chmod(0o500)
    unwritable = without_root(shop, "package", "--vendor")
    shop.path.chmod(0o700)

    assert (unreadable.code, unreadable.err) == (1, (
        "Error: these cannot go into a package: shop/rows.py: it cannot be read\n"
        "Put files in their place, or name them in .gitignore.\n"
    ))  # fmt: skip
    assert (checked.code, "shop/rows.py: error: it cannot go into a package: it cannot be read\n" in checked.out) == (
        1, True,
    )  # fmt: skip
    assert (unwritable.code, unwritable.err) == (1, (
        "Error: <project>/files/shop.zip cannot be written: Permission denied\n"
        "Make the project's folder writable, or package a copy.\n"
    ))  # fmt: skip


def test_the_form_is_the_message_that_the_official_package_writes(project: CliProject) -> None:
    project.write("connector.py", FORM)
    _, archive = packaged(project)
    program = (
        "import sys; sys.path.insert(0, '.'); import connector; "
        "sys.stdout.buffer.write(connector.configuration_form()._to_proto().SerializeToString())"
    )
    theirs = subprocess.run(
        [official_python(), "-c", program], cwd=project.path, capture_output=True, check=True, timeout=60
    )

    assert archive.read("configuration_form.pb") == theirs.stdout


def test_helpers_that_would_be_missing_are_named(shop: CliProject) -> None:
    outcome = shop.run("package")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == (
        "Error: the project uses sdk_helpers, which Fivetran has not\n"
        "Put sdk_helpers/__init__.py, sdk_helpers/keys.py in with --vendor.\n"
    )
    assert not (shop.path / "files").exists()


def test_links_are_refused_and_nothing_is_written(project: CliProject, tmp_path: Path) -> None:
    project.write("connector.py", FORM)
    (project.path / "data").symlink_to(tmp_path)
    (project.path / "here.csv").symlink_to("connector.py")
    os.mkfifo(project.path / "pipe")
    project.write("a\\..\\b", "")
    outcome = project.run("package")

    assert (outcome.code, outcome.err) == (
        1,
        (
            "Error: these cannot go into a package: a\\..\\b: its name holds a backslash, or what cannot be printed; "
            "data: it is a link; here.csv: it is a link; pipe: it is no file\n"
            "Put files in their place, or name them in .gitignore.\n"
        ),
    )
    assert not (project.path / "files").exists()


WRONG = [
    # files of the project                                code  what is said
    ({"a.py": ""},                                        1,    "Error: the package would have no connector.py\n"),
    ({"connector.py": "", "drivers/a.deb": ""},           1,    "Error: drivers/ holds no installation.sh\n"),
    ({"connector.py": "def configuration_form(:"},        1,    "Error: connector.py, line 1: Python cannot read it"),
    ({"connector.py": FORM.replace("def re", "1 / 0\ndef re")}, 1, "Error: ZeroDivisionError: division by zero"),
    ({"connector.py": FORM.replace("form = C", LEAK)},    1,    'Error: ValueError: {"api_key": "***"} (connector.py'),
]  # fmt: skip


@pytest.mark.parametrize(("files", "code", "said"), WRONG, ids=[row[2][:40] for row in WRONG])
def test_what_cannot_be_packaged(project: CliProject, files: dict[str, str], code: int, said: str) -> None:
    project.configuration({"api_key": "canary-4711-secret"})
    for name, text in files.items():
        project.write(name, text)
    outcome = project.run("package")

    assert (outcome.code, said in outcome.err, outcome.out) == (code, True, ""), outcome.err
    assert "canary" not in outcome.err
    assert not (project.path / "files").exists()
