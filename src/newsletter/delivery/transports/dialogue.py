"""The SMTP dialogue itself: one connection, one message after another, every reply read by us.

`stage` is always how far it got, so that whoever catches an exception knows
what it means. Nothing here decides what becomes of a message, except by
`reply.judge`. Opening blocks, as smtplib does; the transaction is written in
steps (delivery/steps.py), so that one thread can hold many of them.

Source: RFC 5321 §3.3 and §4.5.3.2, RFC 2920, RFC 3207, RFC 3461, RFC 4954, RFC 6531;
RFC 2033 where the relay speaks LMTP.
"""

from __future__ import annotations

import ipaddress
import re
import smtplib
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from newsletter.delivery import reply as replies
from newsletter.delivery import steps
from newsletter.delivery.outcome import Envelope, Following, Kind, Outcome, Stage, boot_seconds
from newsletter.delivery.reply import Incoming, Nonsense, Reply
from newsletter.delivery.steps import Part, Wait
from newsletter.delivery.transports import auth, trouble
from newsletter.errors import NewsletterError

CHUNK = 256 * 1024
"""Bytes offered to the kernel at a time; nearly every message is one chunk."""

RESET = b"RSET\r\n"
_DOT = b".\r\n"

_PLAIN = re.compile(r"[A-Za-z0-9_-]*")
_UNSAYABLE = re.compile(r"[\x00-\x20<>\x7f]")
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Command = tuple[Stage, bytes]


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


class Talk(smtplib.SMTP):
    """The dialogue. `stage` is how far it got, `goes_on` whether another MAIL may follow."""

    def __init__(self, relay: Relay, context: ssl.SSLContext | None) -> None:
        super().__init__(local_hostname=relay.helo)
        self._relay = relay
        self._context = context
        self._heard = Incoming()
        self._needs_reset = False
        self._announced: list[Command] | None = None
        self._kept: deque[Reply] = deque()
        """Answers to what was announced that have been read already."""
        self._last: tuple[tuple[object, ...], list[Command] | Outcome] | None = None
        self.command_encoding = (
            "utf-8"  # a name that cannot be said in ASCII is the relay's to refuse
        )
        self.ehlo_msg = "lhlo" if relay.lmtp else "ehlo"
        self.stage = Stage.CONNECT
        self.goes_on = True
        self.messages = 0
        self.carried = False
        """Whether one of them was accepted."""

    # Opening: it blocks.

    def open(self) -> Outcome | None:
        """Everything before the first MAIL. Raises OSError, SMTPException or Nonsense with `stage` telling where."""
        relay = self._relay
        self._connect()
        if relay.security == "none" and not self._private:
            return Outcome(Kind.OUR_FAULT, Stage.STARTTLS, reply=trouble.IN_CLEAR)
        if relay.security == "tls":
            self.stage = Stage.STARTTLS
            self._shake_hands()
        self.stage = Stage.GREETING
        reply = _reply_of(self.getreply())
        if reply.code != 220:
            return replies.outcome(self.stage, reply)
        bad = self._hello()
        if bad is None and relay.security == "starttls":
            bad = self._start_tls() or self._hello()
        if bad is None and relay.user is not None and relay.password is not None:
            bad = self._log_in(relay.user, relay.password)
        if bad is None:
            self.stage = Stage.MAIL
            assert self.sock is not None
            self.sock.setblocking(False)
        return bad

    def _connect(self) -> None:
        """Dial every address of the name. `self.sock` is there from the start, for `cut`."""
        relay = self._relay
        if relay.host.startswith(UNIX):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(relay.patience.connect)
            self.sock.connect(relay.host.removeprefix(UNIX))
            return
        found = socket.getaddrinfo(relay.host, relay.port, type=socket.SOCK_STREAM)
        last: OSError = ConnectionError()
        for family, kind, protocol, _, address in found:
            self.sock = socket.socket(family, kind, protocol)
            try:
                self.sock.settimeout(relay.patience.connect)
                self.sock.connect(address)
            except OSError as error:
                last = error
                self.sock.close()
                continue
            # A mail is two small writes and a large one; Nagle and a delayed ACK would cost 40 ms each.
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return
        raise last

    @property
    def _private(self) -> bool:
        """Nobody else can listen on the way: the other end is on this machine, whatever its name says."""
        assert self.sock is not None
        if self.sock.family == socket.AF_UNIX:
            return True
        host = str(self.sock.getpeername()[0]).partition("%")[0]
        return ipaddress.ip_address(host).is_loopback

    def _hello(self) -> Outcome | None:
        self.stage = Stage.HELLO
        reply = _reply_of(self.ehlo())
        if reply.code // 100 == 5 and not self._relay.lmtp:
            reply = _reply_of(self.helo())
        return None if reply.code == 250 else replies.outcome(self.stage, reply)

    def _start_tls(self) -> Outcome | None:
        self.stage = Stage.STARTTLS
        if not self.has_extn("starttls"):
            return Outcome(Kind.OUR_FAULT, self.stage, reply=trouble.NOT_OFFERED)
        reply = self._ask("STARTTLS")
        if reply.code != 220:
            return replies.outcome(self.stage, reply)
        if self._heard:
            # Somebody put words behind the 220 that would count as said in TLS.
            raise Nonsense
        # Nothing that was said before the handshake counts (RFC 3207 §4.2).
        self.esmtp_features, self.ehlo_resp, self.does_esmtp = {}, None, False
        self._shake_hands()
        return None

    def _shake_hands(self) -> None:
        assert self.sock is not None
        assert self._context is not None
        self.sock.settimeout(self._relay.patience.command)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._relay.host)

    def _log_in(self, user: str, password: Callable[[], str]) -> Outcome | None:
        self.stage = Stage.AUTH
        secure = isinstance(self.sock, ssl.SSLSocket)
        if not secure and not self._private:
            return Outcome(Kind.OUR_FAULT, self.stage, reply=trouble.IN_CLEAR)
        try:
            secret = password()
        except NewsletterError:
            return Outcome(Kind.OUR_FAULT, self.stage, reply=trouble.NO_PASSWORD)
        bad: Outcome | None = Outcome(Kind.OUR_FAULT, self.stage, reply=trouble.NOT_OFFERED)
        for way in auth.ways(self.esmtp_features.get("auth", ""), secure=secure):
            reply = self._say_who(auth.SAYINGS[way](user, secret))
            if reply.code // 100 == 2:
                return None
            bad = replies.outcome(self.stage, reply)
            if reply.code not in auth.TRY_ANOTHER:
                break
        return bad

    def _say_who(self, saying: auth.Saying) -> Reply:
        """One mechanism, to its end; the reply that is not 334."""
        reply = self._ask(next(saying))
        while reply.code == 334:
            try:
                answer = saying.send(reply.text)
            except StopIteration:
                answer = "*"  # it asks more than the mechanism has: call it off (RFC 4954 §4)
            reply = self._ask(answer)
            if answer == "*" and reply.code == 334:
                raise Nonsense
        return reply

    def _ask(self, line: str) -> Reply:
        assert self.sock is not None
        self.sock.settimeout(self._relay.patience.command)
        return _reply_of(self.docmd(line))

    def getreply(self) -> tuple[int, bytes]:
        """One reply, for smtplib, which waits for it."""
        assert self.sock is not None
        self.sock.setblocking(False)
        try:
            reply = steps.drive(self._reply(), self.fileno, lambda: None)
        finally:
            self.sock.settimeout(self._relay.patience.command)
        return reply.code, reply.text.encode("ascii", "replace")

    # One message after another: in steps.

    def fileno(self) -> int:
        return -1 if self.sock is None else self.sock.fileno()

    @property
    def announced(self) -> bool:
        """Whether a message was announced and has not had its turn."""
        return self._announced is not None

    def awaits(self, envelope: Envelope, size: int) -> bool:
        """Whether this message may go on this line now: none was announced, or just this one."""
        return self._announced is None or self._announced == self._told(envelope, size)

    def transaction(
        self, envelope: Envelope, message: bytes, following: Following | None = None
    ) -> Part[Outcome]:
        """MAIL, RCPT, DATA, the message. Raises OSError or Nonsense with `stage` telling where.

        `following` is announced behind the final dot, in the same write: a
        group may begin with the end of a message (RFC 2920 §3.1). Its replies
        are read when it is this function's turn to send it.
        """
        self.stage = Stage.MAIL
        self.messages += 1
        commands = self._told(envelope, len(message))
        if isinstance(commands, Outcome):
            return commands
        written = self.announced
        self._announced = None
        if not written:
            if self._glance() is not None:
                raise ConnectionResetError  # most likely it said goodbye: nothing of ours was said yet
            if self._needs_reset:
                commands = [(Stage.MAIL, RESET), *commands]
            if self._pipelines:
                yield from self._write(b"".join(command for _, command in commands))
                written = True
        bad = yield from self._walk(commands, written=written)
        self._needs_reset = bad is not None
        return bad or (yield from self._message(envelope, message, following))

    @property
    def _pipelines(self) -> bool:
        return "pipelining" in self.esmtp_features

    def _walk(self, commands: list[Command], *, written: bool) -> Part[Outcome | None]:
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
                reply = self._kept.popleft() if self._kept else (yield from self._reply())
            except (OSError, Nonsense):
                if bad is None:
                    raise
                self.goes_on = False  # the answer that counts was already here
                return bad
            if command is RESET and reply.code != 250:
                if reply.code == 421:
                    return replies.outcome(stage, reply)
                raise Nonsense
            if bad is None and not _goes_on(stage, reply):
                bad = replies.outcome(stage, reply)
                if reply.code == 421 or not written:
                    return bad
            elif bad is not None and stage is Stage.DATA and reply.code == 354:
                # It waits for a message without a recipient. We give it none: hang up.
                self.goes_on = False
        return bad

    def _told(self, envelope: Envelope, size: int) -> list[Command] | Outcome:
        """`_commands`, made once for a message that is announced, awaited and sent."""
        known = (envelope.sender, envelope.recipient, envelope.smtputf8, envelope.envelope_id, size)
        if self._last is None or self._last[0] != known:
            self._last = known, self._commands(envelope, size)
        return self._last[1]

    def _commands(self, envelope: Envelope, size: int) -> list[Command] | Outcome:
        """The commands before the message, or why the relay cannot be told them."""
        offered = self.esmtp_features
        mail, rcpt = f"MAIL FROM:<{envelope.sender}>", f"RCPT TO:<{envelope.recipient}>"
        if not (_sayable(envelope.sender) and _sayable(envelope.recipient)):
            return Outcome(Kind.DEFERRED, Stage.MAIL, reply="an address that would break the line")
        if "size" in offered:
            mail += f" SIZE={size}"
        ours = envelope.sender.isascii()
        if envelope.smtputf8 or not ours:
            if "smtputf8" not in offered:
                said = (553, "5.6.7", "the relay does not offer SMTPUTF8")
                if ours:
                    return Outcome(Kind.REJECTED, Stage.RCPT, *said)
                return Outcome(Kind.OUR_FAULT, Stage.MAIL, *said)
            mail += " BODY=8BITMIME SMTPUTF8"
        if "dsn" in offered:
            mail += " RET=HDRS"  # a report needs no copy of the letter
            if envelope.envelope_id:
                mail += f" ENVID={_xtext(envelope.envelope_id)}"
            rcpt += " NOTIFY=FAILURE,DELAY"
        return [
            (Stage.MAIL, f"{mail}\r\n".encode()),
            (Stage.RCPT, f"{rcpt}\r\n".encode()),
            (Stage.DATA, b"DATA\r\n"),
        ]

    def _message(
        self, envelope: Envelope, message: bytes, following: Following | None
    ) -> Part[Outcome]:
        """The message, its final dot, what follows; then the answer to the dot."""
        body = message if envelope.dotless else _stuffed(message)
        announced = self._to_announce(following)
        tail = b"".join(command for _, command in announced or ())
        payload = memoryview(b"".join((body, _DOT, tail)))
        sent, dot = 0, len(body)
        block = self._relay.patience.block
        while sent < len(payload):
            chunk = payload[sent : sent + CHUNK]
            if sent <= dot:
                self.stage = Stage.DATA
            until = 0.0
            while True:  # until the kernel takes some of it
                if self.stage is not Stage.TERMINATOR and sent + len(chunk) > dot:
                    early = self._glance()
                    if early is not None:
                        return early
                    if boot_seconds() > envelope.dot_before:
                        self.goes_on = False
                        return Outcome(Kind.DEFERRED, self.stage, reply="slept past the lease")
                    self.stage = Stage.TERMINATOR
                try:
                    assert self.sock is not None
                    sent += self.sock.send(chunk)
                    break
                except BlockingIOError:
                    # Not a byte of it was taken: the dot is not out.
                    self.stage = Stage.DATA if sent <= dot else self.stage
                    wait = Wait(writes=True, until=0)
                except _NOT_NOW as error:  # TLS keeps what it has sealed: as good as out
                    wait = Wait(not isinstance(error, ssl.SSLWantReadError), 0)
                until = until or time.monotonic() + block
                yield wait._replace(until=until)
        self._announced = announced
        reply = yield from self._reply()
        outcome = replies.outcome(Stage.TERMINATOR, reply)
        self.carried = self.carried or outcome.kind is Kind.ACCEPTED
        self.goes_on = outcome.kind is not Kind.IN_DOUBT
        self.stage = Stage.MAIL
        if announced and outcome.kind in (Kind.DEFERRED, Kind.REJECTED) and reply.code != 421:
            return (yield from self._if_all_answer(announced, outcome))
        return outcome

    def _if_all_answer(self, announced: list[Command], outcome: Outcome) -> Part[Outcome]:
        """`outcome`, once what was announced behind the dot is answered too; the answers are kept for its turn.

        A relay that leaves out its answer to the dot would have a refusal of the
        next reader's taken for it, and this one's message sent a second time.
        """
        try:
            for _ in announced:
                self._kept.append((yield from self._reply()))
        except (OSError, Nonsense):
            self.goes_on = False
            return Outcome(Kind.IN_DOUBT, Stage.TERMINATOR, reply="an answer is missing")
        return outcome

    def _to_announce(self, following: Following | None) -> list[Command] | None:
        """The commands of the next message, when this line will carry it."""
        most = self._relay.messages
        if following is None or not self._pipelines or (most and self.messages >= most):
            return None
        commands = self._told(following.envelope, following.size)
        return None if isinstance(commands, Outcome) else commands

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
        except _NOT_NOW:
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
            except _NOT_NOW as error:
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
            except _NOT_NOW as error:
                until = until or time.monotonic() + self._relay.patience.command
                yield Wait(not isinstance(error, ssl.SSLWantReadError), until)

    # Ending.

    def goodbye(self) -> None:
        """QUIT, unless a message was announced: behind a 354 it would be a line of it."""
        if self.sock is not None and self._announced is None and self.goes_on:
            with suppress(OSError):
                self.sock.settimeout(1)
                self.sock.sendall(b"QUIT\r\n")  # the answer cannot change what was accepted

    def cut(self) -> None:
        sock = self.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _reply_of(answer: tuple[int, bytes]) -> Reply:
    return Reply(answer[0], answer[1].decode("ascii", "replace"))


def _goes_on(stage: Stage, reply: Reply) -> bool:
    return reply.code == 354 if stage is Stage.DATA else 200 <= reply.code < 300


def _stuffed(message: bytes) -> bytes:
    """A dot at the start of a line is doubled (RFC 5321 §4.5.2)."""
    if message.startswith(b"."):
        message = b"." + message
    return message.replace(b"\r\n.", b"\r\n..") if b"\r\n." in message else message


def _sayable(address: str) -> bool:
    """Nothing in it ends the path or the line."""
    return _UNSAYABLE.search(address) is None


def _xtext(value: str) -> str:
    """RFC 3461 §4: printable ASCII but "+" and "="; the rest in hexadecimal."""
    if _PLAIN.fullmatch(value):
        return value[:100]
    return "".join(
        chr(each) if 33 <= each <= 126 and each not in b"+=" else f"+{each:02X}"
        for each in value.encode()
    )[:100]
