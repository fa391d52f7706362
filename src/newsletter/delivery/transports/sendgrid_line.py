"""One HTTP/1.1 connection to one host, kept between requests. It knows no SendGrid and no mail.

    open        TCP, and TLS where the address says so: verified, no proxy, no other host
    exchange    the request in few writes, then the answer, each within its time
    cut         from another thread

A redirect is an answer like any other: nothing here follows one. `handed_over`
tells whether the whole request was given to the network: before that no server
can act on it (RFC 9112 §8), after that nobody can say.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from newsletter.delivery.outcome import boot_seconds

CHUNK = 256 * 1024
MOST_ANSWER = 64 * 1024
"""Octets of an answer's body that are read; an error has under 2,000."""
IDLE_SECONDS = 2.0
"""A line that nobody used for longer is not trusted: the far end may just be closing it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. A short one for the answer makes doubts; `rest` is how long a thread may sit out a limit."""

    connect: float = 30
    send: float = 60
    answer: float = 120
    rest: float = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """In the shape that the SDK reads from urllib."""

    status: int
    headers: Message
    body: bytes

    def getcode(self) -> int:
        return self.status

    def info(self) -> Message:
        return self.headers

    def read(self) -> bytes:
        return self.body


class Slept(Exception):
    """The process slept past its lease; the end of the request was not written."""


class Line:
    def __init__(self, base: str, patience: Patience, tls: ssl.SSLContext | None) -> None:
        parts = urlsplit(base)
        self._host, self._tls, self._patience = parts.hostname or "", tls, patience
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._sock: socket.socket | None = None
        self._used = 0.0
        self.handed_over = False

    @property
    def is_open(self) -> bool:
        return self._sock is not None

    def open(self) -> None:
        """Connect, unless the line is open and the far end has not hung up.

        Raises:
            OSError: nobody there, too slow, or not who the certificate should name.
        """
        if self._sock is not None and not self._is_stale():
            return
        self.close()
        made = socket.create_connection((self._host, self._port), self._patience.connect)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._secure:
            assert self._tls is not None
            try:
                made = self._tls.wrap_socket(made, server_hostname=self._host)
            except BaseException:
                made.close()
                raise
        self._sock, self._used = made, time.monotonic()

    def _is_stale(self) -> bool:
        assert self._sock is not None
        if time.monotonic() - self._used > IDLE_SECONDS:
            return True
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))  # nothing was asked: what comes is the end

    def exchange(self, request: bytes, dot_before: float) -> Answer:
        """Hand `request` over and read the answer. The line is open.

        Raises:
            Slept: the last bytes were held back.
            OSError, HTTPException: cut, too slow, or no HTTP; `handed_over` says what it means.
        """
        self.handed_over = False
        try:
            self._write(request, dot_before)
            self.handed_over = True
            return self._answer(time.monotonic() + self._patience.answer)
        except BaseException:
            self.close()
            raise

    def _write(self, request: bytes, dot_before: float) -> None:
        sock = self._sock
        if sock is None:
            raise ConnectionAbortedError
        deadline = time.monotonic() + self._patience.send
        view, sent = memoryview(request), 0
        while sent < len(view):
            chunk = view[sent : sent + CHUNK]
            if sent + len(chunk) == len(view) and boot_seconds() > dot_before:
                raise Slept
            sock.settimeout(_left(deadline))
            sent += sock.send(chunk)

    def _answer(self, deadline: float) -> Answer:
        assert self._sock is not None
        found = http.client.HTTPResponse(_Timed(self._sock, deadline), method="POST")  # type: ignore[arg-type]
        found.begin()
        body, whole = b"", False
        # The status has said what there is to say; a body that breaks off changes nothing.
        with suppress(OSError, http.client.HTTPException, ValueError):
            body = found.read(MOST_ANSWER)
            whole = found.isclosed() and not found.will_close
        if not whole:
            self.close()
        self._used = time.monotonic()
        return Answer(found.status, found.headers, body)

    def cut(self) -> None:
        sock = self._sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            with suppress(OSError):
                sock.close()


class _Timed(io.RawIOBase):
    """A socket as a file whose every read ends by `deadline`, however steadily it drips."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
