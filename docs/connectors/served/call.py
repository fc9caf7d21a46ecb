"""Serves the connector beside it and calls it once, as a client anywhere else would."""

from typing import Any

import grpc
from connector import connector  # type: ignore[import-not-found,unused-ignore]  # beside this file

from headwater.compat.protocol import SERVICE, decoded, encoded, message
from headwater.compat.server import serve

server, port = serve(connector, "127.0.0.1:0")
with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    schema: Any = channel.unary_unary(f"/{SERVICE}/Schema")
    declared = decoded("SchemaResponse", schema(encoded(message("SchemaRequest"))))
    print([table.name for table in declared.without_schema.tables])

    update: Any = channel.unary_stream(f"/{SERVICE}/Update")
    request = message("UpdateRequest", configuration={"place": "Bergen"}, state_json="{}")
    for answer in update(encoded(request)):
        response = decoded("UpdateResponse", answer)
        for record in response.records.records:
            print(record.table_name, {name: value.WhichOneof("inner") for name, value in sorted(record.data.items())})
        if response.HasField("checkpoint"):
            print("state", response.checkpoint.state_json)
server.stop(grace=None).wait()
