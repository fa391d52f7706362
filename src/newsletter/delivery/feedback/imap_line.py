"""The line to an IMAP server: imaplib, with an end to what one answer may take, in time and in octets.

By itself imaplib believes any length that it is told, keeps whatever comes
unasked, and waits for ever for a line that comes letter by letter.

Source: RFC 3501 §2.2.2 and §7 (untagged answers, at any moment).
"""

from __future__ import annotations

import imaplib
import ssl
import time
from typing import TYPE_CHECKING, Any, cast

from newsletter.delivery.feedback.mime import LONGEST

if TYPE_CHECKING:
    import io

TIMEOUT = 60.0
"""Seconds of silence."""
PATIENCE = 10.0
"""So many times the timeout for a whole answer, however steadily it drips: a mail of 1 MiB at 2 KB a second."""
LARGEST = 16 * 1024 * 1024
"""Octets of an answer: the numbers of a million mails, or one mail."""
PIECE = 65_536


class Endless(OSError):
    """An answer that goes on for too long, or says that it will."""


class _Bounds:
    """In front of imaplib's classes."""

    patience: float
    untagged_responses: dict[str, Any]

    def _begin(self) -> None:
        """A new answer may be awaited."""
        self._until = time.monotonic() + self.patience
        self._left = LARGEST

    def _command(self, name: str, *args: Any) -> Any:
        self._begin()
        # What nobody asked for would be kept to the end of the session.
        for unasked in set(self.untagged_responses) - {"READ-ONLY"}:
            del self.untagged_responses[unasked]
        return super()._command(name, *args)  # type: ignore[misc]

    def read(self, size: int) -> bytes:
        """Raises Endless."""
        if size > LONGEST + PIECE:
            raise Endless
        found = bytearray()
        while len(found) < size:
            piece = self._incoming.read1(min(size - len(found), PIECE))
            if not piece:
                break
            self._count(len(piece))
            found += piece
        return bytes(found)

    def readline(self) -> bytes:
        """Raises Endless."""
        found = bytearray()
        while not found.endswith(b"\n"):
            waiting = self._incoming.peek(1)
            if not waiting:
                break
            end = waiting.find(b"\n") + 1 or len(waiting)
            self._count(end)
            found += self._incoming.read(end)
        return bytes(found)

    @property
    def _incoming(self) -> io.BufferedReader:
        """What it reads from, by the name that this Python's imaplib has for it."""
        here = vars(self)
        return cast("io.BufferedReader", here.get("_file") or here["file"])

    def _count(self, octets: int) -> None:
        self._left -= octets
        if self._left < 0 or time.monotonic() > self._until:
            raise Endless


class Plain(_Bounds, imaplib.IMAP4):
    """In clear, or until STARTTLS."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.patience = PATIENCE * timeout
        self._begin()
        super().__init__(host, port, timeout)


class Secure(_Bounds, imaplib.IMAP4_SSL):
    """TLS from the first byte."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout: float) -> None:
        self.patience = PATIENCE * timeout
        self._begin()
        super().__init__(host, port, ssl_context=context, timeout=timeout)
