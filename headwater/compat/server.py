"""A connector as a gRPC server of Fivetran's public connector protocol, as fivetran-connector-sdk 2.13.1 serves it.

Takes     the calls of a client: ConfigurationForm, Test, Schema, Update
Gives     what the author's functions answer, and the stream of operations of an update
Promises  one update at a time; what was emitted before an error arrives before it; no secret in an error

Source: rules A-06 to A-11, A-102, H-01 to H-08.
"""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from types import GeneratorType
from typing import Any, NoReturn, TypeVar

import grpc

from headwater import __version__, operations
from headwater.compat.protocol import CALLS, SERVICE, STREAMED, decoded, encoded, message
from headwater.compat.wire import UpdateCancelled, WireStream, schema_response
from headwater.configuration import check_configuration
from headwater.configuration_values import usable_values
from headwater.configuring import form_of
from headwater.connector import Connector
from headwater.errors import ConfigurationError
from headwater.form_message import form_message
from headwater.log import Logging, printable, redact
from headwater.schema import DeclaredTable, read_declaration
from headwater.state import dump_state, load_state

WORKERS = 10
MESSAGE_BYTES = 128 * 1024 * 1024
# An error travels as metadata, of which gRPC takes 8 KB for sure; above 16 KB all of it is lost (rule A-10).
DETAILS_BYTES = 6000

T = TypeVar("T")


def serve(
    connector: Connector,
    address: str,
    configuration: Mapping[str, Any] | None = None,
    state: Mapping[str, Any] | None = None,
) -> tuple[grpc.Server, int]:
    """Start a server; give it, and the port it has.

    address        `host:port`; port 0 takes one that is free
    configuration  instead of what clients send
    state          the same

    Errors: ConfigurationError when the port is taken, or the configuration breaks a rule.
    """
    checked = usable_values(check_configuration(dict(configuration), "the configuration")) if configuration else {}
    calls = _Calls(connector, checked, dump_state(dict(state)) if state else None)
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="headwater-grpc"),
        options=[
            ("grpc.max_send_message_length", MESSAGE_BYTES),
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            # Else a second server takes the port too, and the system deals out clients among them.
            ("grpc.so_reuseport", 0),
        ],
        handlers=[_handlers(calls)],
    )
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ConfigurationError(
            f"{address} cannot be listened on: {error}", hint="Another server may have the port: choose another one."
        ) from error
    server.start()
    Logging.info(f"Running on headwater {__version__}, port {port}")
    return server, port


def every_address(port: int) -> str:
    """Say where 2.13.1 listens: on every address, IPv6 where the system has it (rule A-07)."""
    return f"[::]:{port}" if socket.has_dualstack_ipv6() else f"0.0.0.0:{port}"


def stay_until_stopped(server: grpc.Server) -> None:
    """Keep the process from ending while the server runs, although `run()` has returned; Ctrl-C ends both."""

    def wait() -> None:
        try:
            server.wait_for_termination()
        except KeyboardInterrupt:
            server.stop(grace=None).wait()

    # `atexit` comes too late: by then Python has shut down the pool that answers calls.
    threading._register_atexit(wait)  # type: ignore[attr-defined]  # what concurrent.futures itself uses for this


def _handlers(calls: _Calls) -> grpc.GenericRpcHandler:
    """Route each call to the method of its name; messages are decoded here, and encoded by the methods."""

    def handler(name: str) -> grpc.RpcMethodHandler[Any, Any]:
        make = grpc.unary_stream_rpc_method_handler if name == STREAMED else grpc.unary_unary_rpc_method_handler
        return make(getattr(calls, name), request_deserializer=lambda content: decoded(f"{name}Request", content))

    return grpc.method_handlers_generic_handler(SERVICE, {name: handler(name) for name in CALLS})


class _Calls:
    """The four calls; each gets a message and gives encoded ones."""

    def __init__(self, connector: Connector, configuration: dict[str, str], state: str | None) -> None:
        self._connector = connector
        self._configuration = configuration
        self._state = state
        self._declared: list[DeclaredTable] = []
        self._one_update = threading.Lock()
        redact.learn(configuration)

    def ConfigurationForm(self, _request: Any, context: grpc.ServicerContext) -> bytes:
        if self._connector.configuration_form_method is None:
            return b""
        return _answer(context, "configuration_form()", lambda: form_message(form_of(self._connector)))

    def Test(self, request: Any, context: grpc.ServicerContext) -> bytes:
        if self._connector.configuration_form_method is None:
            return encoded(message("TestResponse", success=True))
        values = self._values(request)
        result = _answer(
            context, f"test '{request.name}'", lambda: form_of(self._connector).run_test(request.name, values)
        )
        return encoded(
            message("TestResponse", success=True) if result.success else message("TestResponse", failure=result.failure)
        )

    def Schema(self, request: Any, context: grpc.ServicerContext) -> bytes:
        schema = self._connector.schema_method
        if schema is None:
            return encoded(message("SchemaResponse", schema_response_not_supported=True))
        values = self._values(request)
        self._declared = _answer(context, "schema()", lambda: read_declaration(schema(values), warn=Logging.warning))
        return encoded(schema_response(self._declared))

    def Update(self, request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        """Run update() and stream what it emits; its values have the types of the last call of Schema, as in 2.13.1."""
        values = self._values(request)
        state = _answer(context, "update()", lambda: load_state(self._state or request.state_json or "{}", "the state"))
        if not self._one_update.acquire(blocking=False):
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                "another update of this connector is running or about to end; their operations would mix",
            )
        stream = WireStream(self._declared)
        failures: list[BaseException] = []
        operations.attach(stream)
        author = threading.Thread(
            target=self._run_update, args=(values, state, stream, failures), name="headwater-update", daemon=True
        )
        author.start()
        if not context.add_callback(stream.cancel):
            stream.cancel()
        try:
            yield from map(encoded, stream.responses())
        finally:
            stream.cancel()
        if failures:
            _abort(context, "update()", failures[0])

    def _run_update(
        self, configuration: dict[str, str], state: dict[str, Any], stream: WireStream, failures: list[BaseException]
    ) -> None:
        Logging.info("calling update()")
        try:
            emitted = self._connector.update_method(configuration=configuration, state=state)
            if isinstance(emitted, GeneratorType):
                for _ in emitted:  # what it yields are operations whose calls have emitted them already
                    pass
        except UpdateCancelled:
            Logging.info("the client has ended the update")
        except BaseException as error:  # noqa: BLE001 - the top of a thread: whatever it is, it is the answer
            failures.append(error)
        finally:
            # Not when the client has gone: until this thread is over it could still emit.
            operations.attach(None)
            self._one_update.release()
            stream.finish()

    def _values(self, request: Any) -> dict[str, str]:
        values = dict(self._configuration or request.configuration)
        redact.learn(values)
        return values


def _answer(context: grpc.ServicerContext, what: str, ask: Callable[[], T]) -> T:
    """Ask the author's code; its failure is the client's answer."""
    try:
        return ask()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the author's code may raise anything
        _abort(context, what, error)


def _abort(context: grpc.ServicerContext, what: str, error: BaseException) -> NoReturn:
    trace = "".join(traceback.format_exception(error)).rstrip()
    text = printable(redact(f"failed while executing {what} error: {error}\n{trace}"))
    Logging.error(text)
    context.abort(grpc.StatusCode.UNKNOWN, fitting(text))
    raise AssertionError("abort() raises")


def fitting(text: str, limit: int = DETAILS_BYTES) -> str:
    """Leave out the middle of a text that has more bytes than metadata takes, where gRPC spells out what is not ASCII.

    >>> fitting("first line\\n" + "é" * 100, limit=40)
    'first line\\n\\n[96 characters left out]\\néééé'
    """
    costs = [1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode()) for character in text]
    if sum(costs) <= limit:
        return text
    head = _within(costs, limit // 3)
    tail = _within(costs[::-1], limit - limit // 3)
    left_out = len(text) - head - tail
    return f"{text[:head]}\n[{left_out} characters left out]\n{text[len(text) - tail :]}"


def _within(costs: list[int], limit: int) -> int:
    """Count how many of the first costs stay within the limit."""
    for count, cost in enumerate(costs):
        limit -= cost
        if limit < 0:
            return count
    return len(costs)
