"""The SMTP dialogue itself: one connection, one message after another, every reply read by us.

`stage` is always how far it got, so that whoever catches an exception knows
what it means. Nothing here decides what becomes of a message, except by
`reply.judge`. Opening blocks, as smtplib does; the transaction is written in
steps (delivery/steps.py), so that one thread can hold many of them.

Source: RFC 5321 §3.3 and §4.5.3.2, RFC 2920, RFC 3207, RFC 6531.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from newsletter.delivery import reply as replies
from newsletter.delivery import steps
from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage, boot_seconds
from newsletter.delivery.reply import Nonsense, Reply
from newsletter.delivery.steps import Part, Wait

CHUNK = 256 * 1024
"""Bytes offered to the kernel at a time; nearly every message is one chunk."""

RESET = b"RSET\r\n"

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait at each step (RFC 5321 §4.5.3.2). A short one at the end makes duplicates."""

    connect: float = 60
    greeting: float = 300
    command: float = 300
    data: float = 120
    block: float = 180
    dot: float = 600


@dataclass(frozen=True, slots=True)
class Relay:
    """Where to, and how. `security`: tls (from the first byte), starttls (or nothing), none."""

    host: str
    port: int
    security: str
    helo: str
    user: str | None = None
    password: Callable[[], str] | None = None
    tls: ssl.SSLContext | None = None
    patience: Patience = Patience()


class Talk(smtplib.SMTP):
    """The dialogue. `stage` is how far it got, `goes_on` whether another MAIL may follow."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(local_hostname=relay.helo)
        self._host = relay.host  # whom starttls() expects in the certificate
        self._relay = relay
        self._reader: _Reader | None = None
        self._needs_reset = False
        self.stage = Stage.CONNECT
        self.goes_on = True

    def open(self) -> Outcome | None:
        relay, patience = self._relay, self._relay.patience
        self.timeout = patience.connect
        code, text = self.connect(relay.host, relay.port)
        if code != 220:
            return replies.outcome(self.stage, Reply(code, text.decode("ascii", "replace")))
        self.stage = Stage.HELLO
        self.ehlo_or_helo_if_needed()
        if relay.security == "starttls":
            self.stage = Stage.STARTTLS
            # Nothing that was said before the handshake counts: starttls() forgets
            # the greeting, and a new socket means a new reader (RFC 3207 §4.2).
            code, text = self.starttls(context=self._context())
            if code != 220:
                return replies.outcome(self.stage, Reply(code, text.decode("ascii", "replace")))
            self.stage = Stage.HELLO
            self.ehlo_or_helo_if_needed()
        if relay.user is not None and relay.password is not None:
            self.stage = Stage.AUTH
            self.login(relay.user, relay.password())
        self.stage = Stage.MAIL
        return None

    def _context(self) -> ssl.SSLContext:
        return self._relay.tls or ssl.create_default_context()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Called by smtplib.connect: dial, and from the first byte in TLS where that is asked."""
        made = socket.create_connection((host, port), timeout)
        # A mail is two small writes and a large one; Nagle and a delayed ACK would cost 40 ms each.
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._relay.security == "tls":
            self.stage = Stage.STARTTLS
            made = self._context().wrap_socket(made, server_hostname=host)
        self.stage = Stage.GREETING
        return made

    def getreply(self) -> tuple[int, bytes]:
        """One reply, for smtplib, which waits for it."""
        assert self.sock is not None
        before = self.sock.gettimeout()
        self.sock.setblocking(False)
        try:
            reply = steps.drive(self._reply(), self.fileno, lambda: None)
        finally:
            self.sock.settimeout(before)
        return reply.code, reply.text.encode("ascii", "replace")

    def fileno(self) -> int:
        return -1 if self.sock is None else self.sock.fileno()

    def _reply(self) -> Part[Reply]:
        """One reply, within the stage's patience as a whole."""
        assert self.sock is not None
        if self._reader is None or self._reader.sock is not self.sock:
            self._reader = _Reader(self.sock)
        patience = self._relay.patience
        seconds = {
            Stage.GREETING: patience.greeting,
            Stage.DATA: patience.data,
            Stage.TERMINATOR: patience.dot,
        }.get(self.stage, patience.command)
        code, text = yield from self._reader.reply(time.monotonic() + seconds)
        return Reply(code, text.decode("ascii", "replace"))

    def transaction(self, envelope: Envelope, message: bytes) -> Part[Outcome]:
        """MAIL, RCPT, DATA, the message. Raises OSError or Nonsense with `stage` telling where."""
        commands = self._commands(envelope, len(message))
        if commands is None:
            return Outcome(
                Kind.REJECTED, Stage.RCPT, 553, "5.6.7", "the relay does not offer SMTPUTF8"
            )
        pipelining = "pipelining" in self.esmtp_features
        assert self.sock is not None
        self.sock.setblocking(False)
        self.stage = Stage.MAIL
        if self._needs_reset:
            commands.insert(0, (Stage.MAIL, RESET))
        if pipelining:
            yield from self._write(b"".join(command for _, command in commands))
        bad = yield from self._walk(commands, envelope, written=pipelining)
        self._needs_reset = bad is not None
        return bad or (yield from self._message(envelope, message))

    def _walk(
        self, commands: list[tuple[Stage, bytes]], envelope: Envelope, *, written: bool
    ) -> Part[Outcome | None]:
        """Read each command's reply; the first bad one is the outcome, None when DATA may follow.

        A group that was written as one is read to its end (RFC 2920 §3.1), or
        the next message would get this one's replies.
        """
        bad: Outcome | None = None
        for stage, command in commands:
            self.stage = stage if bad is None else bad.stage
            if not written:
                yield from self._write(command)
            try:
                reply = yield from self._reply()
            except (OSError, Nonsense):
                if bad is None:
                    raise
                self.goes_on = False  # the answer that counts was already here
                return bad
            if command is RESET and reply.code != 250:
                raise Nonsense
            if bad is None and not _goes_on(stage, reply):
                bad = replies.outcome(stage, reply)
                if reply.code == 421 or not written:
                    return bad
            elif bad is not None and stage is Stage.DATA and reply.code == 354:
                # It waits for a message without a recipient. We give it none: hang up.
                self.goes_on = False
        return bad

    def _commands(self, envelope: Envelope, size: int) -> list[tuple[Stage, bytes]] | None:
        """The commands before the message; None when the relay cannot carry the address."""
        mail = f"MAIL FROM:<{envelope.sender}>"
        if "size" in self.esmtp_features:
            mail += f" SIZE={size}"
        if envelope.smtputf8:
            if "smtputf8" not in self.esmtp_features:
                return None
            mail += " BODY=8BITMIME SMTPUTF8"
        return [
            (Stage.MAIL, mail.encode() + b"\r\n"),
            (Stage.RCPT, f"RCPT TO:<{envelope.recipient}>\r\n".encode()),
            (Stage.DATA, b"DATA\r\n"),
        ]

    def _message(self, envelope: Envelope, message: bytes) -> Part[Outcome]:
        payload = memoryview(_stuffed(message) + b".\r\n")
        sent = 0
        while sent < len(payload):
            chunk = payload[sent : sent + CHUNK]
            if sent + len(chunk) == len(payload):
                if boot_seconds() > envelope.dot_before:
                    self.goes_on = False
                    return Outcome(Kind.DEFERRED, self.stage, reply="slept past the lease")
                self.stage = Stage.TERMINATOR
            sent += yield from self._some(chunk, self._relay.patience.block)
        reply = yield from self._reply()
        outcome = replies.outcome(Stage.TERMINATOR, reply)
        self.goes_on = outcome.kind is not Kind.IN_DOUBT
        self.stage = Stage.MAIL
        return outcome

    def _write(self, data: bytes) -> Part[None]:
        view = memoryview(data)
        while view:
            sent = yield from self._some(view, self._relay.patience.command)
            view = view[sent:]

    def _some(self, data: memoryview, patience: float) -> Part[int]:
        """Offer `data` to the kernel; how much of it was taken, at least one byte."""
        assert self.sock is not None
        until = 0.0
        while True:
            try:
                return self.sock.send(data)
            except _NOT_NOW as error:
                until = until or time.monotonic() + patience
                yield Wait(not isinstance(error, ssl.SSLWantReadError), until)

    def goodbye(self) -> None:
        assert self.sock is not None
        with suppress(OSError):
            self.sock.settimeout(1)
            self.sock.sendall(b"QUIT\r\n")  # the answer cannot change what was accepted

    def cut(self) -> None:
        sock = self.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _goes_on(stage: Stage, reply: Reply) -> bool:
    return reply.code == 354 if stage is Stage.DATA else 200 <= reply.code < 300


def _stuffed(message: bytes) -> bytes:
    """A dot at the start of a line is doubled (RFC 5321 §4.5.2)."""
    if message.startswith(b"."):
        message = b"." + message
    return message.replace(b"\r\n.", b"\r\n..") if b"\r\n." in message else message


class _Reader:
    """Reply lines from one socket; what the peer sends beyond its reply stays for the next."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def reply(self, deadline: float) -> Part[tuple[int, bytes]]:
        """One reply, its lines joined.

        Raises:
            TimeoutError: not whole by `deadline`, however steadily it drips.
            OSError: the line is cut.
            Nonsense: it is no reply.
        """
        texts: list[bytes] = []
        first: int | None = None
        while len(texts) < replies.MOST_LINES:
            code, more, text = replies.line((yield from self._line(deadline)))
            if first is not None and code != first:
                raise Nonsense
            first = code
            texts.append(text)
            if not more:
                return code, b"\n".join(texts)
        raise Nonsense

    def _line(self, deadline: float) -> Part[bytes]:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > replies.LONGEST_LINE:
                raise Nonsense
            if time.monotonic() > deadline:
                raise TimeoutError
            try:
                got = self.sock.recv(4096)
            except _NOT_NOW as error:
                yield Wait(isinstance(error, ssl.SSLWantWriteError), deadline)
                continue
            if not got:
                raise ConnectionResetError
            self._buffer += got
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        return line.removesuffix(b"\r")
