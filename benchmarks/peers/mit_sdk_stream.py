"""Drains the gRPC stream of Fivetran's SDK 2.13.1 (MIT) and throws it away: nothing is loaded anywhere.

python -m benchmarks.peers.mit_sdk_stream drain ROWS       starts the server in a process of its own, and times it
python -m benchmarks.peers.mit_sdk_stream serve PORT ROWS  serves mit_sdk_connector.py until its standard input ends

The messages are counted and not even decoded. The time is from the call of Update to the end of its stream.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from typing import Any

CHECKPOINT_EVERY = 100_000
MESSAGE_BYTES = 128 * 1024 * 1024  # the package's own limit (rule A-07)
START_SECONDS = 60


def serve(port: int, configuration: dict[str, str]) -> None:
    from fivetran_connector_sdk_common import (  # type: ignore[import-not-found,unused-ignore]  # only there
        constants,
    )

    from benchmarks.peers.mit_sdk_connector import connector

    constants.DEBUGGING = True  # listen on 127.0.0.1, and give the server back instead of waiting for its end
    server = connector.run(port=port, configuration=configuration)
    sys.stdin.read()
    server.stop(grace=None).wait()


def drain(configuration: dict[str, str]) -> dict[str, float]:
    port = _free_port()
    command = [sys.executable, "-m", __spec__.name, "serve", str(port), configuration["rows"]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as server:
        try:
            return _drained(port, configuration)
        finally:
            assert server.stdin is not None
            server.stdin.close()


def _drained(port: int, configuration: dict[str, str]) -> dict[str, float]:
    import grpc  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in .venvs/mit_sdk
    from fivetran_connector_sdk.protos import (  # type: ignore[import-not-found,unused-ignore]  # only there
        connector_sdk_pb2,
    )

    limits = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_metadata_size", 1024 * 1024)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=limits) as channel:
        grpc.channel_ready_future(channel).result(timeout=START_SECONDS)
        update: Any = channel.unary_stream("/fivetran_sdk.v2.SourceConnector/Update")
        request = connector_sdk_pb2.UpdateRequest(configuration=configuration, state_json="{}")
        schema: Any = channel.unary_unary("/fivetran_sdk.v2.SourceConnector/Schema")
        schema(connector_sdk_pb2.SchemaRequest(configuration=configuration).SerializeToString())
        started = time.perf_counter()
        nbytes = sum(len(message) for message in update(request.SerializeToString()))
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "bytes": nbytes}


def _free_port() -> int:
    with socket.socket() as probe:  # run() takes a port, and does not tell which one it got for 0
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _configuration(count: str) -> dict[str, str]:
    return {"rows": count, "checkpoint_every": str(min(CHECKPOINT_EVERY, int(count)))}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["drain", count]:
            print(json.dumps(drain(_configuration(count))))
        case ["serve", port, count]:
            serve(int(port), _configuration(count))
        case _:
            sys.exit(__doc__)
