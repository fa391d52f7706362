"""One line to a relay: bytes out, replies in, and how long either may take.

`stage` is always how far the dialogue got, so that whoever catches an exception
knows what it means. Reading and writing are steps (delivery/steps.py): they
never block, they yield what they wait for.

Source: RFC 5321 §4.5.3.2 (patience).
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from newsletter.delivery import reply as replies
from newsletter.delivery import steps
from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.delivery.reply import Incoming, Nonsense, Reply
from newsletter.delivery.steps import Part, Wait

NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait at each step (RFC 5321 §4.5.3.2). A short one at the end makes duplicates."""

    connect: float = 60
    greeting: float = 300
    command: float = 300
    data: float = 120
    block: float = 180
    dot: float = 600


UNIX = "unix:"
"""What the host begins with when it is a socket in the file system."""


@dataclass(frozen=True, slots=True)
class Relay:
    """Where to, and how.

    `host` is a name, an address, or `unix:/path`. `security`: tls (from the
    first byte), starttls (or nothing), none. `authority` is the PEM file of who
    is believed instead of the system's authorities. `messages` go on one connection,
    then it is made anew; 0 for no limit.
    """

    host: str
    port: int
    security: str
    helo: str
    user: str | None = None
    password: Callable[[], str] | None = None
    tls: ssl.SSLContext | None = None
    authority: Path | None = None
    patience: Patience = Patience()
    lmtp: bool = False
    messages: int = 0


class Wire(smtplib.SMTP):
    """`stage` is how far the dialogue got, `goes_on` whether another MAIL may follow."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(local_hostname=relay.helo)
        self._relay = relay
        self._heard = Incoming()
        self.stage = Stage.CONNECT
        self.goes_on = True

    def fileno(self) -> int:
        return -1 if self.sock is None else self.sock.fileno()

    def getreply(self) -> tuple[int, bytes]:
        """One reply, for smtplib, which waits for it."""
        assert self.sock is not None
        self.sock.setblocking(False)
        try:
            reply = steps.drive(self._reply(), self.fileno, lambda: None)
        finally:
            self.sock.settimeout(self._relay.patience.command)
        return reply.code, reply.text.encode("ascii", "replace")

    def _glance(self) -> Outcome | None:
        """What the relay said unasked: nothing should be there. Never waits.

        A relay that speaks before it was asked would have its words taken for
        the answer to what comes next, and one that has hung up is better known
        before the next byte than after the dot.

        Raises:
            ConnectionResetError: the line is cut.
        """
        if not self._heard and not self._hear():
            return None
        self.goes_on = False
        stage = Stage.DATA if self.stage is Stage.TERMINATOR else self.stage
        with suppress(Nonsense):
            reply = self._heard.take()
            if reply is not None and reply.code // 100 in (4, 5):
                return Outcome(
                    Kind.DEFERRED, stage, reply.code, reply.enhanced, replies.scrub(reply.text)
                )
        return Outcome(Kind.DEFERRED, stage, reply="spoke before it was asked")

    def _hear(self) -> bool:
        """Take what has come, without waiting; whether there was anything."""
        assert self.sock is not None
        try:
            got = self.sock.recv(4096)
        except NOT_NOW:
            return False
        if not got:
            raise ConnectionResetError
        self._heard.feed(got)
        return True

    def _reply(self) -> Part[Reply]:
        """One reply, within the stage's patience as a whole, however steadily it drips.

        Raises:
            TimeoutError, OSError, Nonsense: it did not come, the line is cut, it is none.
        """
        until = 0.0
        # TLS may hold what has come; in clear the kernel alone knows, and tells the waiting.
        look_first = isinstance(self.sock, ssl.SSLSocket)
        while (reply := self._heard.take()) is None:
            assert self.sock is not None
            if not (until or look_first):
                until = time.monotonic() + self._seconds
                yield Wait(False, until)
                continue
            if until and time.monotonic() > until:
                raise TimeoutError
            until = until or time.monotonic() + self._seconds
            try:
                got = self.sock.recv(4096)
            except NOT_NOW as error:
                yield Wait(isinstance(error, ssl.SSLWantWriteError), until)
                continue
            if not got:
                raise ConnectionResetError
            self._heard.feed(got)
        return reply

    @property
    def _seconds(self) -> float:
        patience = self._relay.patience
        match self.stage:
            case Stage.GREETING:
                return patience.greeting
            case Stage.DATA:
                return patience.data
            case Stage.TERMINATOR:
                return patience.dot
        return patience.command

    def _write(self, data: bytes) -> Part[None]:
        """All of it, within a command's patience."""
        assert self.sock is not None
        view, until = memoryview(data), 0.0
        while view:
            try:
                view = view[self.sock.send(view) :]
            except NOT_NOW as error:
                until = until or time.monotonic() + self._relay.patience.command
                yield Wait(not isinstance(error, ssl.SSLWantReadError), until)

    def cut(self) -> None:
        sock = self.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
