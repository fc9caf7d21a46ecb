"""An HTTP API on this machine that hands out tokens, counts, and says back what it was sent: canaries included."""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKENS = {"access_token": "canary-access-1234", "refresh_token": "canary-refresh-1234", "token_type": "Bearer"}
COOKIE = "canary-cookie-1234567890"


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked: Counter[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._send(TOKENS)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.asked[self.path] += 1
        if url.path == "/count":
            self._send({"count": self.asked[self.path]})
            return
        page = int(parse_qs(url.query)["page"][0])
        sent = {"url": self.path, "headers": dict(self.headers)}
        self._send({"rows": [{"id": page * 2 + number, "sent": json.dumps(sent)} for number in range(2)]})

    def _send(self, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Set-Cookie", f"sid={COOKIE}; Path=/")
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def recorded_api() -> Iterator[str]:
    """Serve it, and give its address."""
    handler = type("Api", (_Api,), {"asked": Counter()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
