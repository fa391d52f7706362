"""The inbox as one object: one thread, one event loop, two listeners (SMTP and the page)."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import uvicorn

from newsletter.errors import CouldNotRun, Finding
from newsletter.inbox.mail import Mail
from newsletter.inbox.page import page
from newsletter.inbox.shelf import Shelf
from newsletter.inbox.sink import Sink, protocol

LOOPBACK = "127.0.0.1"
SMTP_PORT = 2525
WEB_PORT = 8025


def _utc() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Inbox:
    """`start` returns when both ports listen; `stop` returns when both are closed.

    A port of 0 takes any free one; the real ports are in `smtp_port` and
    `web_port` after `start`. `folder` None keeps the mails in memory.
    """

    def __init__(
        self,
        smtp_port: int = 0,
        web_port: int = 0,
        folder: Path | None = None,
        clock: Callable[[], dt.datetime] = _utc,
    ) -> None:
        self.smtp_port = smtp_port
        self.web_port = web_port
        self._shelf = Shelf(folder)
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._server: uvicorn.Server | None = None
        self._ready = threading.Event()

    @property
    def messages(self) -> tuple[Mail, ...]:
        """Every mail kept so far, in the order of arrival."""
        return self._shelf.all()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.web_port}/"

    def wait_for(self, count: int, timeout: float = 10) -> tuple[Mail, ...]:
        """The mails, as soon as there are at least `count`. Raises TimeoutError after `timeout` seconds."""
        return self._shelf.wait_for(count, timeout)

    def clear(self) -> None:
        self._shelf.clear()

    def start(self) -> Inbox:
        """Raises: CouldNotRun when a port is taken."""
        smtp, web = _listen(self.smtp_port), _listen(self.web_port)
        self.smtp_port, self.web_port = smtp.getsockname()[1], web.getsockname()[1]
        config = uvicorn.Config(
            page(self._shelf),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._ready.clear()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(smtp, web)), name="inbox", daemon=True
        )
        self._thread.start()
        self._ready.wait()
        return self

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Inbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def _serve(self, smtp: socket.socket, web: socket.socket) -> None:
        assert self._server is not None
        loop = asyncio.get_running_loop()
        sink = await loop.create_server(protocol(Sink(self._shelf, self._clock)), sock=smtp)
        # Both sockets listen already: what arrives from here on is answered.
        self._ready.set()
        try:
            await self._server.serve(sockets=[web])
        finally:
            sink.close()


def run(smtp_port: int = SMTP_PORT, web_port: int = WEB_PORT, folder: Path | None = None) -> Inbox:
    """Start an inbox; the caller keeps it, shows its `url`, and stops it."""
    return Inbox(smtp_port, web_port, folder).start()


def _listen(port: int) -> socket.socket:
    # Named as TCP, or asyncio leaves Nagle on and every reply waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise CouldNotRun(
            Finding(
                "NL151",
                f"the inbox cannot listen on {LOOPBACK}:{port}: {error.strerror}",
                help="is an inbox running already? name another port, or 0 for any free one",
            )
        ) from error
    return listener
