"""A stand-in for Fivetran's REST API on 127.0.0.1: it keeps state, checks what it gets, and fails when told to."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = base64.b64encode(b"canary-key-17:canary-secret-42").decode()
PAGE = 2


@dataclass(slots=True)
class Fault:
    """What is answered instead, once; with `after` the request has done its work before.

    status  0 hangs up without an answer
    """

    request: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False


@dataclass(slots=True)
class Account:
    """What Fivetran knows: destinations by id, connections and packages by id, and all requests it got."""

    destinations: dict[str, str] = field(default_factory=lambda: {"g1": "alpha", "g2": "beta", "g3": "warehouse"})
    connections: dict[str, dict[str, Any]] = field(default_factory=dict)
    packages: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    setup_tests: list[dict[str, str]] = field(default_factory=list)
    word: str = "connections"
    next_cursor: str | None = None  # instead of the right one
    made: int = 0

    def new_id(self, kind: str) -> str:
        self.made += 1
        return f"{kind}_{self.made}"

    def add_connection(self, schema: str, package: str | None = None, service: str = "connector_sdk") -> str:
        id = self.new_id("conn")
        config = {"schema": schema, "package_id": package, "secrets_list": [{"key": "old", "value": "kept"}]}
        self.connections[id] = {"id": id, "group_id": "g3", "service": service, "config": config}
        return id

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        match method, path.strip("/").split("/")[1:]:
            case "GET", ["groups"]:
                return 200, _page([{"id": id, "name": name} for id, name in self.destinations.items()], query)
            case "GET", ["connector-sdk", "packages"]:
                page = _page([self._record(id) for id in self.packages], query)
                return 200, {**page, "next_cursor": self.next_cursor} if self.next_cursor else page
            case _, ["connector-sdk", "packages", id] if id not in self.packages:
                return 404, "no such package"
            case "GET", ["groups", group, self.word]:
                items = [
                    each
                    for each in self.connections.values()
                    if each["group_id"] == group and each["config"]["schema"] == query["schema"]
                ]
                return 200, {"items": items}
            case "GET", [self.word, id]:
                return 200, self.connections[id]
            case "POST", [self.word]:
                id = self.new_id("conn")
                self.connections[id] = {"id": id, **body}
                return 201, {"id": id, "setup_tests": self.setup_tests}
            case "PATCH", [self.word, id]:
                config = {**self.connections[id]["config"], **body.pop("config")}
                self.connections[id] |= {**body, "config": config}
                return 200, {"id": id, "setup_tests": self.setup_tests}
            case "POST", ["connector-sdk", "packages"]:
                id = self.new_id("pkg")
                self.packages[id] = body
                return 201, {"id": id, "file_sha256_hash": hashlib.sha256(body).hexdigest()}
            case "GET", ["connector-sdk", "packages", id]:
                return 200, self._record(id)
            case "PATCH", ["connector-sdk", "packages", id]:
                self.packages[id] = body
                return 200, self._record(id)
            case "DELETE", ["connector-sdk", "packages", id]:
                del self.packages[id]
                return 200, {}
        return 404, "no such path"

    def _record(self, id: str) -> dict[str, Any]:
        return {
            "id": id,
            "connection_ids": [
                each["id"] for each in self.connections.values() if each["config"].get("package_id") == id
            ],
            "created_at": "2026-11-01T00:00:00Z",
            "created_by": "ada",
            "updated_at": "2026-11-02T00:00:00Z",
            "last_updated_by": "bea",
            "file_sha256_hash": hashlib.sha256(self.packages[id]).hexdigest(),
        }


def _page(items: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    start = int(query.get("cursor", "0"))
    data: dict[str, Any] = {"items": items[start : start + PAGE]}
    return {**data, "next_cursor": str(start + PAGE)} if start + PAGE < len(items) else data


@contextmanager
def stand_in(account: Account) -> Iterator[str]:
    """Serve an account; give the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"account": account}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    account: Account
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        request = f"{self.command} {url.path}"
        self.account.requests.append(request)
        fault = next((each for each in self.account.faults if each.request == request), None)
        if fault is not None:
            self.account.faults.remove(fault)
            if fault.after:
                self._work(url.path, url.query, content)
            if fault.status == 0:
                self.close_connection = True
                return
            self._send(fault.status, {"code": "Fault", "message": f"fault for {KEY}"}, fault.headers)
            return
        status, data = self._work(url.path, url.query, content)
        self._send(
            status, {"code": "Success", "data": data} if status < 400 else {"code": "Error", "message": data}, {}
        )

    def _work(self, path: str, query: str, content: bytes) -> tuple[int, Any]:
        if self.headers.get("Authorization") != f"Basic {KEY}":
            return 401, "Invalid authorization credentials"
        if not (self.headers.get("User-Agent") or "").startswith("headwater/"):
            return 400, "no User-Agent"
        try:
            body = self._body(content)
        except (ValueError, zipfile.BadZipFile) as error:
            return 400, str(error)
        parameters = {name: values[0] for name, values in parse_qs(query).items()}
        return self.account.answer(self.command, path, parameters, body)

    def _body(self, content: bytes) -> Any:
        kind = self.headers.get("Content-Type") or ""
        if kind.startswith("multipart/form-data"):
            message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + content)
            parts = message.get_payload()
            assert isinstance(parts, list) and len(parts) == 1
            part = parts[0]
            assert isinstance(part, Message)
            if part.get_param("name", header="Content-Disposition") != "file":
                raise ValueError("the file must be in the part `file`")
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            if "connector.py" not in zipfile.ZipFile(io.BytesIO(data)).namelist():
                raise ValueError("the package holds no connector.py")
            return data
        return json.loads(content) if content else None

    def _send(self, status: int, answer: Any, headers: dict[str, str]) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)
