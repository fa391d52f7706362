"""A stand-in for SendGrid's API: a real HTTP server on loopback that can be told to misbehave.

    with fake() as far:
        far.behave = Answer(429, {"Retry-After": "0"})

It checks each request as the API does, so far as we know: bearer key, path,
one personalization, a `to` of one. What it takes is answered 202 with an id.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "SG.canarykeycanarykey"
ALLOWED = {
    "personalizations", "from", "reply_to", "subject", "content", "tracking_settings",
    "mail_settings",
}  # fmt: skip
RESERVED = {
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type",
    "content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc",
}  # fmt: skip
"""Header names that the API refuses in `headers`."""


@dataclass(frozen=True)
class Answer:
    """What is written back. `raw` goes out as it is, and the line is closed."""

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes | None = None
    claims: int | None = None
    """A Content-Length that is not true; the line is closed after the body."""


ACCEPT = Answer(202, {"X-Message-Id": "QtcB5exampleid"})
SANDBOX = Answer(200)
DROP = Answer(raw=b"")
GARBAGE = Answer(raw=b"\x00\xff not HTTP\r\n\r\n")
HANG = "hang"
RESET = "reset"
"""The line is cut with RST as soon as the request is read."""
EARLY = "early"
"""The line is cut while the request is still coming."""


def error(status: int, message: str, path: str | None = None, **headers: str) -> Answer:
    body = json.dumps({"errors": [{"message": message, "field": path, "help": None}]}).encode()
    return Answer(status, {"Content-Type": "application/json", **headers}, body)


Behaviour = Answer | str | Callable[[dict[str, Any]], "Answer | str"]


class Fake:
    """`requests` are the bodies as they came, `accepted` the readers whose request got an honest 202."""

    def __init__(self) -> None:
        self.behave: Behaviour = ACCEPT
        self.requests: list[dict[str, Any]] = []
        self.heads: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.accepted: list[str] = []
        self.connections = 0
        self.over = threading.Event()
        self._lines: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self.port = 0
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        if self._server is None:
            self._server = _Server(self.port, self)
            self.port = self._server.server_address[1]
            threading.Thread(
                target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
            ).start()

    def down(self) -> None:
        """Nobody listens, and every line that was open is cut."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        with self._lock:
            lines, self._lines = self._lines, set()
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def came(self, line: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            self._lines.add(line)

    def answer(self, body: dict[str, Any], path: str, head: dict[str, str]) -> Answer | str:
        with self._lock:
            self.requests.append(body)
            self.paths.append(path)
            self.heads.append(head)
        found = self.behave(body) if callable(self.behave) else self.behave
        wrong = self._wrong(body, path, head)
        if found == ACCEPT and wrong is not None:
            return wrong
        if found == ACCEPT:
            with self._lock:
                self.accepted += [each["email"] for each in body["personalizations"][0]["to"]]
        return found

    def _wrong(self, body: dict[str, Any], path: str, head: dict[str, str]) -> Answer | None:
        """What the API would refuse, and what we never want to see."""
        if head.get("authorization") != f"Bearer {KEY}":
            return error(401, "The provided authorization grant is invalid, expired, or revoked")
        if path != "/v3/mail/send" or set(body) - ALLOWED:
            return error(400, "unknown", "body")
        people = body["personalizations"]
        if len(people) != 1 or len(people[0]["to"]) != 1 or {"cc", "bcc"} & set(people[0]):
            return error(400, "more than one reader", "personalizations")
        if RESERVED & {name.lower() for name in people[0]["headers"]}:
            return error(400, "reserved", "personalizations.0.headers")
        if [each["type"] for each in body["content"]] != ["text/plain", "text/html"]:
            return error(400, "order", "content")
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, fake: Fake) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, *args: object) -> None:
        """A line that was cut on purpose is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.fake.came(self.connection)

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        fake = self.server.fake
        if fake.behave == EARLY:
            self._cut()
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        head = {name.lower(): value for name, value in self.headers.items()}
        self._say(fake.answer(body, self.path, head))

    def _say(self, found: Answer | str) -> None:
        if found == HANG:
            self.server.fake.over.wait(20)
        elif found == RESET:
            self._cut()
        elif isinstance(found, Answer) and found.raw is not None:
            self.wfile.write(found.raw)
        elif isinstance(found, Answer):
            self._answer(found)
            return
        self.close_connection = True

    def _answer(self, found: Answer) -> None:
        self.send_response(found.status)
        for name, value in found.headers.items():
            self.send_header(name, value)
        length = len(found.body) if found.claims is None else found.claims
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(found.body)
        self.close_connection = found.claims is not None

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.wfile.close()
        self.connection.close()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def fake() -> Iterator[Fake]:
    far = Fake()
    try:
        yield far
    finally:
        far.over.set()
        far.down()
