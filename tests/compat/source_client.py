"""A connector served over gRPC on a free port, and a client that calls it with the messages of the protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from headwater.compat.protocol import SERVICE, STREAMED, decoded, encoded, message
from headwater.compat.server import serve
from headwater.connector import Connector


class SourceClient:
    """Calls one server; each call takes the fields of its request."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel = grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])

    def call(self, name: str, /, **fields: Any) -> Any:
        multi = self.channel.unary_stream if name == STREAMED else self.channel.unary_unary
        send = multi(
            f"/{SERVICE}/{name}",
            request_serializer=encoded,
            response_deserializer=lambda content: decoded(f"{name}Response", content),
        )
        return send(message(f"{name}Request", **fields), timeout=20)

    def update(self, **fields: Any) -> list[Any]:
        return list(self.call("Update", **fields))


@contextmanager
def served(connector: Connector, **given: Any) -> Iterator[SourceClient]:
    """Serve a connector while the block runs."""
    server, port = serve(connector, "127.0.0.1:0", **given)
    client = SourceClient(f"127.0.0.1:{port}")
    try:
        yield client
    finally:
        client.channel.close()
        server.stop(grace=None).wait()
