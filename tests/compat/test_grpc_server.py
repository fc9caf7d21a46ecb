"""A connector served over gRPC, called by a real client."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import polars
import pyarrow as pa
import pytest

from headwater import ConfigurationForm, Connector, FileUpload, Test, form_field
from headwater import Operations as op
from headwater.compat import wire
from headwater.compat.server import DETAILS_BYTES
from headwater.errors import ConfigurationError
from headwater.log import redact
from tests.compat.source_client import SourceClient, served

Values = dict[str, str]
State = dict[str, Any]


@pytest.fixture(autouse=True)
def _secrets_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "_secrets", set())
    monkeypatch.setattr(redact, "_pattern", None)


def nothing(configuration: Values, state: State) -> None: ...


def details_of(error: grpc.RpcError) -> str:
    return str(error.details())


def kinds(responses: list[Any]) -> list[str]:
    """Say of each response what it is, of records how many."""
    return [
        f"{len(each.records.records)} records" if each.HasField("records") else each.WhichOneof("operation")
        for each in responses
    ]


def rows(responses: list[Any]) -> list[dict[str, Any]]:
    """Give each record's values as (type on the wire, value)."""
    return [
        {name: (kind := value.WhichOneof("inner"), getattr(value, kind)) for name, value in record.data.items()}
        for each in responses
        for record in each.records.records
    ]


# --- the configuration form and its tests


def reachable(configuration: Values) -> Any:
    return Test.success() if configuration.get("host") == "db" else Test.failure("no such host")


def careless(configuration: Values) -> Any:
    return "yes"


def broken(configuration: Values) -> Any:
    raise KeyError("port")


def form() -> ConfigurationForm:
    asked = ConfigurationForm().add_field(form_field.TextField("host", "Host", required=True))
    for test in (reachable, careless, broken):
        asked.add_test(label=test.__name__.capitalize(), func=test)
    return asked


def test_the_form_is_what_the_connector_makes() -> None:
    with served(Connector(nothing, configuration_form=form)) as client:
        given = client.call("ConfigurationForm")

    assert [(field.name, field.label, field.required) for field in given.fields] == [("host", "Host", True)]
    assert [(test.name, test.label) for test in given.tests] == [
        ("reachable", "Reachable"),
        ("careless", "Careless"),
        ("broken", "Broken"),
    ]


def test_a_connector_without_a_form_has_an_empty_one_and_every_test_passes() -> None:
    with served(Connector(nothing)) as client:
        given = client.call("ConfigurationForm")
        result = client.call("Test", name="any")

    assert (list(given.fields), list(given.tests)) == ([], [])
    assert (result.success, result.WhichOneof("response")) == (True, "success")


@pytest.mark.parametrize(
    ("name", "host", "answer"),
    [
        ("reachable", "db",   ("success", True)),
        ("reachable", "moon", ("failure", "no such host")),
        ("careless",  "db",   ("failure", "test 'careless' must return Test.success() or Test.failure(...), got str")),
    ],
)  # fmt: skip
def test_a_test_of_the_form_gets_the_configuration_and_answers(name: str, host: str, answer: Any) -> None:
    with served(Connector(nothing, configuration_form=form)) as client:
        result = client.call("Test", name=name, configuration={"host": host})

    kind = result.WhichOneof("response")
    assert (kind, getattr(result, kind)) == answer


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken",  "failed while executing test 'broken' error: 'port'\n"),
        ("unknown", "failed while executing test 'unknown' error: no test registered with name 'unknown'"),
    ],
)  # fmt: skip
def test_a_test_that_raises_is_an_error_of_the_call(name: str, message: str) -> None:
    with served(Connector(nothing, configuration_form=form)) as client, pytest.raises(grpc.RpcError) as caught:
        client.call("Test", name=name)

    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    assert details_of(caught.value).startswith(message)


# --- the schema


def test_a_connector_without_schema_says_so() -> None:
    with served(Connector(nothing)) as client:
        given = client.call("Schema")

    assert (given.WhichOneof("response"), given.schema_response_not_supported) == (
        "schema_response_not_supported",
        True,
    )


def test_a_wrong_schema_is_an_error_without_the_secrets_of_the_configuration() -> None:
    def schema(configuration: Values) -> list[Any]:
        raise ValueError(f"refused: {configuration['api_key']}")

    with served(Connector(nothing, schema=schema)) as client, pytest.raises(grpc.RpcError) as caught:
        client.call("Schema", configuration={"api_key": "s3cret-key-of-the-shop"})

    assert details_of(caught.value).startswith("failed while executing schema() error: refused: ***\nTraceback ")
    assert "s3cret" not in details_of(caught.value)


# --- updates


def test_update_gets_the_request_unless_run_was_given_something() -> None:
    seen: list[Any] = []

    def update(configuration: Values, state: State) -> None:
        seen.append((configuration, state))

    sent: dict[str, Any] = {"configuration": {"from": "client"}, "state_json": '{"cursor": 1}'}
    with served(Connector(update)) as client:
        client.update(**sent)
        client.update()
    with served(Connector(update), configuration={"from": "run"}, state={"cursor": 2}) as client:
        client.update(**sent)

    assert seen == [({"from": "client"}, {"cursor": 1}), ({}, {}), ({"from": "run"}, {"cursor": 2})]


def test_records_go_in_groups_of_100_or_100_000_bytes_and_before_whatever_follows() -> None:
    def update(configuration: Values, state: State) -> None:
        for number in range(250):
            op.upsert("small", {"id": number})
        op.warning("half")
        for number in range(3):
            op.upsert("large", {"id": number, "text": "x" * 60_000})
        op.checkpoint({})
        op.delete("small", {"id": 1})

    with served(Connector(update)) as client:
        responses = client.update()

    assert kinds(responses) == [
        "100 records", "100 records", "50 records", "warning", "2 records", "1 records", "checkpoint", "1 records",
    ]  # fmt: skip
    assert [row["id"] for row in rows(responses)[:250]] == [("long", number) for number in range(250)]


def test_operations_of_many_threads_all_arrive_each_thread_s_in_order() -> None:
    def emit(thread: int) -> None:
        for number in range(300):
            op.upsert("rows", {"thread": thread, "number": number})
        op.checkpoint({"thread": thread})

    def update(configuration: Values, state: State) -> Iterator[None]:
        threads = [threading.Thread(target=emit, args=(thread,)) for thread in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        yield op.checkpoint({"all": True})

    with served(Connector(update)) as client:
        responses = client.update()

    arrived: dict[int, list[int]] = {}
    for row in rows(responses):
        arrived.setdefault(row["thread"][1], []).append(row["number"][1])
    states = [each.checkpoint.state_json for each in responses if each.HasField("checkpoint")]
    assert arrived == {thread: list(range(300)) for thread in range(8)}
    assert sorted(states) == sorted(['{"all": true}', *(f'{{"thread": {thread}}}' for thread in range(8))])


def test_each_column_of_a_frame_goes_as_its_own_type() -> None:
    moment = datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)

    def update(configuration: Values, state: State) -> None:
        op.upsert(
            "arrow",
            pa.table({"price": [Decimal("1.50"), None], "at": [moment, None], "none": pa.nulls(2), "list": [[1], []]}),
        )
        op.upsert("polars", polars.DataFrame({"id": [1], "ratio": [0.1]}))

    def schema(configuration: Values) -> list[dict[str, Any]]:
        return [{"table": "polars", "columns": {"id": "STRING"}}]

    with served(Connector(update, schema=schema)) as client:
        client.call("Schema")
        price, nulls, ratio = rows(client.update())

    assert price.pop("at")[1].ToJsonString() == "2024-02-29T01:02:03Z"
    assert price == {"price": ("decimal", "1.50"), "none": ("null", True), "list": ("json", "[1]")}
    assert nulls == dict.fromkeys(("price", "at", "none"), ("null", True)) | {"list": ("json", "[]")}
    assert ratio == {"id": ("string", "1"), "ratio": ("double", 0.1)}


def test_checkpoint_returns_when_the_client_was_sent_what_it_covers() -> None:
    returned = threading.Event()

    def update(configuration: Values, state: State) -> None:
        for number in range(4):
            op.upsert("rows", {"id": number, "text": "x" * 3_000_000})
        op.checkpoint({"first": True})
        returned.set()

    with served(Connector(update)) as client:
        responses = client.call("Update")
        before = returned.wait(0.3)  # the client has taken nothing yet, and its window is smaller than the rows
        taken = kinds(list(responses))

    assert (before, taken, returned.is_set()) == (False, ["1 records"] * 4 + ["checkpoint"], True)


def test_a42_a_checkpoint_that_no_client_takes_in_time_is_a_timeout_in_its_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "CHECKPOINT_SECONDS", 0.3)
    raised: list[str] = []
    ended = threading.Event()

    def update(configuration: Values, state: State) -> None:
        for number in range(4):
            op.upsert("rows", {"id": number, "text": "x" * 3_000_000})
        try:
            op.checkpoint({"first": True})
        except TimeoutError as error:
            raised.append(str(error))
        ended.set()

    with served(Connector(update)) as client:
        responses = client.call("Update")
        assert ended.wait(20)
        list(responses)

    assert raised == ["Checkpoint flush timed out. Consumer may have failed to process checkpoint."]


def test_a43_the_chunks_of_a_file_and_its_row_are_together_whatever_other_threads_emit() -> None:
    def emit(thread: int) -> None:
        for number in range(5):
            op.upsert("rows", {"thread": thread})
            file = FileUpload(f"{thread}-{number}", io.BytesIO(b"x" * 5_000_000))
            op.upsert("files", {"id": thread}, file=file)

    def update(configuration: Values, state: State) -> None:
        threads = [threading.Thread(target=emit, args=(thread,)) for thread in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    with served(Connector(update)) as client:
        responses = client.update()

    parts = [part for each in responses for part in parts_of(each)]
    starts = [at for at, (kind, path) in enumerate(parts) if kind == "chunk" and parts[at - 1] != (kind, path)]
    assert len(starts) == 20
    assert [parts[at : at + 5] for at in starts] == [
        [("chunk", parts[at][1])] * 3 + [("end", parts[at][1]), ("row", parts[at][1])] for at in starts
    ]


def parts_of(response: Any) -> Iterator[tuple[str, str]]:
    """Give each record and each chunk of a file as its kind, and the file it is of."""
    if response.HasField("unstructured_record"):
        chunk = response.unstructured_record
        yield "end" if chunk.is_last else "chunk", chunk.file_path
    for record in response.records.records:
        yield "row", record.data["_fivetran_file_path"].string


def test_a_client_that_does_not_read_stops_the_author() -> None:
    emitted = [0]

    def update(configuration: Values, state: State) -> None:
        for number in range(1_000):
            op.upsert("rows", {"id": number, "text": "x" * 100_000})
            emitted[0] = number + 1

    with served(Connector(update)) as client:
        responses = client.call("Update")
        settled = wait_until_still(emitted)
        count = sum(len(each.records.records) for each in responses)

    assert settled < 400
    assert (count, emitted) == (1_000, [1_000])


def wait_until_still(number: list[int]) -> int:
    """Wait until a number has not changed for 0.3 s."""
    while True:
        before = number[0]
        time.sleep(0.3)
        if number[0] == before > 0:
            return before


def test_a_cancelled_update_ends_the_author_at_the_next_operation_and_a_new_one_can_begin() -> None:
    endings: list[str] = []

    def update(configuration: Values, state: State) -> None:
        if state:
            return
        try:
            while True:
                try:
                    op.upsert("rows", {"id": 1})
                    op.checkpoint({})
                except Exception:  # noqa: BLE001 - what careless authors write must not stop it
                    endings.append("caught")
        except BaseException as error:
            endings.append(type(error).__name__)
            raise

    with served(Connector(update)) as client:
        responses = client.call("Update")
        next(responses)
        responses.cancel()
        while not endings:
            time.sleep(0.01)
        after = update_when_free(client, state_json='{"again": true}')

    assert (endings, after) == (["UpdateCancelled"], [])


def update_when_free(client: SourceClient, **fields: Any) -> list[Any]:
    """Call Update again until the one before is over."""
    while True:
        try:
            return client.update(**fields)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                raise


def test_a126_the_configuration_of_a_request_is_a_plain_dict_of_texts() -> None:
    seen: list[Any] = []

    def schema(configuration: Values) -> list[dict[str, Any]]:
        seen.append(configuration)
        return []

    def update(configuration: Values, state: State) -> None:
        seen.append(configuration)

    with served(Connector(update, schema)) as client:
        client.call("Schema", configuration={"host": "db"})
        client.update(configuration={"host": "db"})

    assert [(type(each), each) for each in seen] == [(dict, {"host": "db"})] * 2


def test_a_second_update_at_the_same_time_is_refused() -> None:
    go_on = threading.Event()

    def update(configuration: Values, state: State) -> None:
        op.upsert("rows", {"id": 1})
        op.checkpoint({})
        go_on.wait(20)

    with served(Connector(update)) as client:
        first = client.call("Update")
        next(first)
        with pytest.raises(grpc.RpcError) as caught:
            client.update()
        go_on.set()
        rest = kinds(list(first))

    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert rest == ["checkpoint"]


def test_a10_the_end_of_a_very_long_error_still_arrives() -> None:
    def update(configuration: Values, state: State) -> None:
        op.upsert("rows", {"id": 1})
        raise RuntimeError("é" * 40_000 + " the end")

    with served(Connector(update)) as client:
        responses = client.call("Update")
        before = kinds([next(responses)])
        with pytest.raises(grpc.RpcError) as caught:
            next(responses)

    details = details_of(caught.value)
    assert before == ["1 records"]
    assert details.startswith("failed while executing update() error: ééé")
    assert re.search(r"\n\[\d+ characters left out\]\n(?s:.)*é the end$", details)
    assert len(details.encode()) <= DETAILS_BYTES + 100


def test_sys_exit_in_update_is_a_failure() -> None:
    def update(configuration: Values, state: State) -> None:
        sys.exit(0)

    with served(Connector(update)) as client, pytest.raises(grpc.RpcError) as caught:
        client.update()

    assert details_of(caught.value).startswith("failed while executing update() error: 0\nTraceback")


@pytest.mark.parametrize(
    ("state_json", "message"),
    [
        ("{",  "failed while executing update() error: the state is not JSON: "),
        ("[]", "failed while executing update() error: the state must hold a JSON object, not list\n"),
    ],
)  # fmt: skip
def test_a_state_that_is_no_object_is_refused(state_json: str, message: str) -> None:
    with served(Connector(nothing)) as client, pytest.raises(grpc.RpcError) as caught:
        client.update(state_json=state_json)

    assert details_of(caught.value).startswith(message)


def test_a36_a_state_that_json_cannot_write_raises_in_the_op_call() -> None:
    def update(configuration: Values, state: State) -> None:
        with pytest.raises(TypeError, match="Object of type datetime is not JSON serializable"):
            op.checkpoint({"at": datetime.now(UTC)})
        op.checkpoint({"nan": float("nan")})

    with served(Connector(update)) as client:
        states = [each.checkpoint.state_json for each in client.update()]

    assert states == ['{"nan": NaN}']


# --- run()


def test_run_refuses_a_port_that_is_taken_and_a_configuration_that_is_none() -> None:
    with served(Connector(nothing)) as client:
        port = int(client.address.rpartition(":")[2])
        with pytest.raises(ConfigurationError) as taken:
            Connector(nothing).run(port)
    with pytest.raises(ConfigurationError) as wrong:
        Connector(nothing).run(0, configuration={"size": 5})

    assert f":{port} cannot be listened on" in str(taken.value)
    assert "all values must be strings; these are not: size" in str(wrong.value)


SCRIPT = """\
import time
from headwater import Connector, Operations as op

calls = []

def update(configuration, state):
    op.upsert("rows", {"place": configuration["place"], "cursor": state["cursor"]})
    calls.append(1)
    if len(calls) == 2:
        op.checkpoint({})
        time.sleep(600)

connector = Connector(update=update)
server = connector.run(0, configuration={"place": "Bergen"}, state={"cursor": 7})
print(type(server).__name__, flush=True)
"""


def test_a_script_serves_on_after_its_last_line_and_ctrl_c_ends_it_even_in_an_update(
    tmp_path: Path,
) -> None:
    (tmp_path / "connector.py").write_text(SCRIPT, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "connector.py"],
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "GRPC_VERBOSITY": "NONE"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())["message"]
        kind = process.stdout.readline().strip()
        client = SourceClient(f"127.0.0.1:{started.rpartition(' ')[2]}")
        received = rows(client.update())
        kept = client.call("Update")
        next(kept)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        client.channel.close()
    finally:
        process.kill()
        process.wait()

    assert kind == "_Server"
    assert received == [{"place": ("string", "Bergen"), "cursor": ("long", 7)}]
    assert (process.returncode, errors) == (0, "")


def test_run_without_grpcio_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "grpc.py").write_text("raise ModuleNotFoundError(name='grpc')\n", encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", "from headwater import Connector\nConnector(print).run()"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert ended.stderr.endswith(
        "ConfigurationError: connector.run() needs the package grpcio\nInstall it: pip install 'headwater[grpc]'.\n"
    )
