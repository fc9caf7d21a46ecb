"""Serve one connector with the MIT package, call it over gRPC and print what it streams.

With --server the package only calls: a server that is running already.

Started by stream.py, inside .venvs/mit_sdk; the output is described there.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in .venvs/mit_sdk
from fivetran_connector_sdk.protos import (  # type: ignore[import-not-found,unused-ignore]  # only there
    common_pb2,
    connector_sdk_pb2,
    connector_sdk_pb2_grpc,
)
from fivetran_connector_sdk_common import (  # type: ignore[import-not-found,unused-ignore]  # only there
    constants,
)

MESSAGE_BYTES = 128 * 1024 * 1024  # the package's own limit (rule A-07)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("project", type=Path)
    parser.add_argument("--state", default="{}")
    parser.add_argument("--server", metavar="HOST:PORT")
    parser.add_argument("--also-import-from", nargs="*", default=[])
    arguments = parser.parse_args()
    sys.path[0] = str(arguments.project)  # in place of this script's own directory
    sys.path += arguments.also_import_from  # last, so that the package's own pins win
    output = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the package logs to stdout
    configuration = read_configuration(arguments.project)
    if arguments.server:
        recorded = called(arguments.server, configuration, arguments.state)
    else:
        recorded = served(load(arguments.project), configuration, arguments.state)
    for operation in recorded:
        print(json.dumps(operation), file=output, flush=True)


def served(connector: Any, configuration: dict[str, str], state: str) -> Iterator[dict[str, Any]]:
    constants.DEBUGGING = True  # listen on 127.0.0.1, and give the server back instead of waiting for its end
    port = free_port()
    server = connector.run(port=port, configuration=configuration)
    try:
        yield from called(f"127.0.0.1:{port}", configuration, state)
    finally:
        server.stop(grace=None).wait()


def called(address: str, configuration: dict[str, str], state: str) -> Iterator[dict[str, Any]]:
    limits = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_metadata_size", 1024 * 1024)]
    with grpc.insecure_channel(address, options=limits) as channel:
        yield from calls(connector_sdk_pb2_grpc.SourceConnectorStub(channel), configuration, state)


def calls(client: Any, configuration: dict[str, str], state: str) -> Iterator[dict[str, Any]]:
    try:
        schema = client.Schema(connector_sdk_pb2.SchemaRequest(configuration=configuration))
        yield {"op": "schema", "tables": list(tables(schema))}
        request = connector_sdk_pb2.UpdateRequest(configuration=configuration, state_json=state)
        for response in client.Update(request):
            yield from operations(response)
    except grpc.RpcError as error:
        yield {"op": "failure", "message": error.details()}


def load(project: Path) -> Any:
    spec = importlib.util.spec_from_file_location("connector_connector_code", project / "connector.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.connector


def read_configuration(project: Path) -> dict[str, str]:
    file = project / "configuration.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def free_port() -> int:
    with socket.socket() as probe:  # run() takes a port, and does not tell which one it got for 0
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tables(response: Any) -> Iterator[dict[str, Any]]:
    for table in response.without_schema.tables:
        yield described(None, table)
    for schema in response.with_schema.schemas:
        for table in schema.tables:
            yield described(schema.name, table)


def described(schema: str | None, table: Any) -> dict[str, Any]:
    columns = {c.name: [declared_type(c), c.primary_key] for c in table.columns}
    return {"schema": schema, "table": table.name, "columns": columns}


def declared_type(column: Any) -> str:
    name = str(common_pb2.DataType.Name(column.type))
    digits = column.params.decimal
    return f"{name}({digits.precision},{digits.scale})" if name == "DECIMAL" else name


def operations(response: Any) -> Iterator[dict[str, Any]]:
    kind = response.WhichOneof("operation")
    message = getattr(response, kind)
    if kind == "structured_records":
        yield from map(row, message.structured_records)
    elif kind == "structured_record":
        yield row(message)
    elif kind == "checkpoint":
        yield {"op": "checkpoint", "state": json.loads(message.state_json)}
    elif kind in ("warning", "task"):
        yield {"op": kind, **json.loads(message.message)}
    elif kind == "unstructured_record":
        yield {
            "op": "file",
            "schema": named_schema(message),
            "path": message.file_path,
            "bytes": len(message.chunk_data),
            "is_last": message.is_last,
        }
    else:
        raise ValueError(f"2.13.1 does not stream {kind}")


def row(record: Any) -> dict[str, Any]:
    operation = common_pb2.RecordType.Name(record.type).lower()
    named = {"op": operation, "schema": named_schema(record), "table": record.table_name}
    if operation == "truncate":
        return named
    return {**named, "data": {column: typed(value) for column, value in record.data.items()}}


def named_schema(message: Any) -> str | None:
    return str(message.schema_name) if message.HasField("schema_name") else None


def typed(value: Any) -> list[Any]:
    kind = value.WhichOneof("inner")
    content = getattr(value, kind)
    if isinstance(content, bytes):
        content = base64.b64encode(content).decode("ascii")
    elif hasattr(content, "ToJsonString"):
        content = content.ToJsonString()
    return [kind, content]


if __name__ == "__main__":
    main()
