"""The app on a socket: uvicorn in a thread of its own, with a limit on everything a stranger can hold.

A connection that says nothing, says it letter by letter, or does not read its
answer is closed, and at once where there are too many of them (crowd.py); none
of them keeps a reader's one click waiting, nor an issue that is being sent in
the same process from its files and sockets. Who the client is comes from the
socket, or from a proxy that the settings name.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import threading
import time
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from newsletter.errors import CouldNotRun, Finding
from newsletter.web.crowd import Crowd
from newsletter.web.gate import QUIET_SECONDS, place

log = logging.getLogger(__name__)

HEAD_SECONDS = 10.0
"""From the first moment to the end of the request's head."""

IDLE_SECONDS = 5
"""Between two requests of one connection."""

READ_SECONDS = 30.0
"""How long an answer may wait for a client that does not read it."""

MOST_CONNECTIONS = 1000
"""Above it the answer is 503 at once; memory stays bounded. We wait for three of five at most (crowd.py):
the others' places are for those who have said what they want."""

BACKLOG = 256
"""Connections that the system keeps for us, and that are accepted in one round."""

ROUNDS = 3
"""An accepted connection enters a round or two later, and who goes for it is closed in the next."""

SPARE_FILES = 256
"""Descriptors for everything else in this process: the database, the lines to the mail server, the texts."""

LONGEST_HEAD = 16 * 1024
"""Octets of request line and headers."""


class Patient(H11Protocol):
    """uvicorn's protocol, with an end to its patience (it waits for a head for ever)."""

    head_seconds = HEAD_SECONDS
    read_seconds = READ_SECONDS

    def __init__(self, *args: Any, crowd: Crowd[Patient], **more: Any) -> None:
        super().__init__(*args, **more)
        self._crowd = crowd
        self._head: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head = self.loop.call_later(self.head_seconds, self._give_up)
        _send_away(self._crowd.enter(self))

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_head()
        elif self._head is None and not self.transport.is_closing():
            self._head = self.loop.call_later(self.head_seconds, self._give_up)
        self._look()

    def _look(self) -> None:
        """Whether the next step is ours, or we wait for the other end."""
        ours = self.cycle is not None and not self.cycle.response_complete
        if ours and not self.cycle.more_body and self._unread is None:
            self._crowd.serve(self)
        else:
            _send_away(self._crowd.wait_for(self))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and _framed_twice(self.headers):
            # Somebody between us and the client may have read the other length
            # and take the rest for a request: nothing more comes this way.
            close = (b"connection", b"close")
            if close not in self.cycle.default_headers:
                self.cycle.default_headers = [*self.cycle.default_headers, close]

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.read_seconds, self._give_up)
        self._look()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_unread()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.leave(self)
        self._stop_head()
        self._stop_unread()
        super().connection_lost(exc)

    def _stop_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _give_up(self) -> None:
        self.transport.abort()


def _send_away(longest: Patient | None) -> None:
    if longest is not None:
        longest._give_up()


def _framed_twice(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a request says its length in two ways. Source: RFC 9112, section 6.3, point 3."""
    names = {name for name, _ in headers}
    return {b"content-length", b"transfer-encoding"} <= names


class Server:
    """Serves `app` from `start` to `stop`; a port of 0 takes any free one, told by `port`.

    `trusted_proxies` are addresses or networks whose X-Forwarded-For is
    believed; from anybody else it is a header like any other.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        trusted_proxies: Sequence[str] = (),
        protocol: type[Patient] = Patient,
    ) -> None:
        self.host = host
        self.port = port
        most, backlog = room(_files())
        crowd: Crowd[Patient] = Crowd(most * 3 // 5)
        self._config = uvicorn.Config(
            app,
            http=partial(protocol, crowd=crowd),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            limit_concurrency=most,
            backlog=backlog,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=5,
            h11_max_incomplete_event_size=LONGEST_HEAD,
        )
        # `access_log=False` only takes its handlers away: a root handler that
        # somebody else sets up would bring the lines back, tokens and all.
        logging.getLogger("uvicorn.access").disabled = True
        # Its warnings are about what strangers send ("Invalid HTTP request
        # received."): a line for each would let them fill the disk.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._server = uvicorn.Server(self._config)
        self._thread: threading.Thread | None = None

    def start(self) -> Server:
        """Listen, and return.

        Raises:
            CouldNotRun: NL152, the address is taken or not this machine's.
        """
        listener = _listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener)),
            name="web",
            daemon=True,
        )
        # The socket listens already: who connects now waits for the thread and is answered.
        self._thread.start()
        return self

    async def _serve(self, listener: socket.socket) -> None:
        asyncio.get_running_loop().set_exception_handler(Complaints())
        await self._server.serve(sockets=[listener])

    def stop(self) -> None:
        """Answer what is under way, close the rest; returns when it is done."""
        if self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._thread = None

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class Complaints:
    """What the event loop complains of: kind and place, once a minute.

    Left to itself it writes a traceback for every connection that it cannot
    accept: whoever uses up the descriptors would fill the disk as well.
    """

    def __init__(self) -> None:
        self._quiet_until = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        now, error = time.monotonic(), about.get("exception")
        if error is not None and now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            log.error("the web server: %s", place(error))


def _files() -> int:
    """How many descriptors this process may have; it asks for what a full house needs."""
    wanted = 2 * MOST_CONNECTIONS + ROUNDS * BACKLOG + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):
        return soft
    return allowed


def room(files: int) -> tuple[int, int]:
    """How many may be connected, and wait to be, where the process may have so many descriptors."""
    free = max(32, files - SPARE_FILES)
    backlog = min(BACKLOG, max(1, free // 8))
    # Each may have a file of the site open.
    return min(MOST_CONNECTIONS, (free - ROUNDS * backlog) // 2), backlog


def serve(app: ASGIApp, bind: str, trusted_proxies: Sequence[str] = ()) -> Server:
    """Start a server at `bind` ("127.0.0.1:8000", "[::1]:8000"); the caller stops it."""
    host, _, port = bind.rpartition(":")
    return Server(app, host.strip("[]"), int(port), trusted_proxies=trusted_proxies).start()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Named as TCP, or asyncio leaves Nagle on and every answer waits 40 ms for an ACK.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise CouldNotRun(_taken(host, port, error)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise CouldNotRun(_taken(host, port, error)) from error
    return listener


def _taken(host: str, port: int, error: Exception) -> Finding:
    return Finding(
        "NL152",
        f"the web app cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}",
        help="is it running already? change `bind` under [web] in newsletter.toml",
    )
