"""A relay that does one thing wrong, once: `how` at `step`, and everything right before and after.

A step that belongs to the conversation (CONNECT to AUTH, QUIT) goes wrong on
line number `on_line`, counted from 1; a step of a message (MAIL to DOT) goes
wrong for the first message. With `on_line` 2 the first line is cut as soon as
its second message begins. CONNECT is the handshake of a relay that speaks TLS
from the first byte: before it there is no reply that could be wrong.

scripted_relay.py does what a script says, any number of times; here TLS can
break under any step, and the message is read as slowly as the step wants.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum


class At(StrEnum):
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    SHORT = "short-body"
    """While the message comes in; BODY is for one that no buffer holds whole."""
    DOT = "dot"
    QUIT = "quit"


class How(StrEnum):
    DROP = "drop"
    HANG = "hang"
    LATER = "4yz"
    NEVER = "5yz"
    CLOSING = "421"
    GARBAGE = "garbage"
    PARTIAL = "partial"
    """Half a reply line, then it hangs up."""
    DRIP = "drip"
    """A reply, one byte at a time, and never its end; a message read as slowly."""
    TLS = "tls"
    """At CONNECT and STARTTLS a certificate that nobody vouches for; later a record that does not open."""


CONVERSATION = (At.CONNECT, At.GREETING, At.EHLO, At.STARTTLS, At.AUTH, At.QUIT)
BODIES = (At.BODY, At.SHORT)
SAID = {
    How.LATER: b"451 4.3.0 later\r\n",
    How.NEVER: b"550 5.1.1 no\r\n",
    How.CLOSING: b"421 4.3.2 closing\r\n",
    How.GARBAGE: b"\x00\xffHTTP/1.1 200 OK\r\n",
    How.PARTIAL: b"25",
    How.DRIP: b"250-",
}


class Over(Exception):
    """This line has come to its end."""


@dataclass
class Faulty:
    step: At
    how: How
    pipelining: bool
    on_line: int = 1
    tls: ssl.SSLContext | None = None
    strange: ssl.SSLContext | None = None
    """As `tls`, with the certificate that nobody vouches for."""
    implicit: bool = False
    address: str = ""
    words: str = ""
    """Said with every reply that goes wrong, in place of our own."""
    port: int = 0
    lines: int = 0
    done: bool = False
    """It went wrong."""
    struck: str = ""
    """Whose message it was."""
    taken: list[str] = field(default_factory=list)
    """Whose final dot came."""
    commands: list[str] = field(default_factory=list)

    def strikes(self, step: At, line: int) -> bool:
        if step is not self.step or (step in CONVERSATION and line != self.on_line):
            return False
        if step not in CONVERSATION and self.done:
            return False
        self.done = True
        return True


@contextmanager
def faulty(server: Faulty) -> Iterator[Faulty]:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # a body does not fit into it
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server.port = listener.getsockname()[1]
    talks: list[_Talk] = []

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server.lines += 1
            talks.append(_Talk(server, client, server.lines))
            threading.Thread(target=talks[-1].run, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for talk in talks:
            talk.over.set()
            with suppress(OSError):
                talk.raw.shutdown(socket.SHUT_RDWR)


class _Talk:
    """One line."""

    def __init__(self, server: Faulty, client: socket.socket, number: int) -> None:
        self.server, self.number = server, number
        self.raw = self.client = client
        self.over = threading.Event()
        self.buffer = b""
        self.recipient = ""
        self.messages = 0

    def run(self) -> None:
        try:
            with suppress(OSError, Over, ssl.SSLError):
                self.talk()
        finally:
            with suppress(OSError):
                self.client.shutdown(socket.SHUT_RDWR)
            self.client.close()

    def talk(self) -> None:
        if self.server.implicit:
            self.secure(At.CONNECT)
        self.answer(At.GREETING, b"220 here\r\n")
        while line := self.line():
            words = line.decode("utf-8", "replace")
            self.server.commands.append(words)
            self.obey(words)

    def obey(self, words: str) -> None:
        match words.split(" ")[0].split(":")[0].upper():
            case "EHLO" | "HELO":
                self.answer(At.EHLO, self.offers())
            case "STARTTLS":
                if not self.strikes_in_words(At.STARTTLS):
                    self.client.sendall(b"220 go\r\n")
                self.secure(At.STARTTLS)
            case "AUTH":
                self.answer(At.AUTH, b"235 2.7.0 welcome\r\n")
            case "MAIL":
                self.messages += 1
                if self.server.on_line == 2 and self.number == 1 and self.messages == 2:
                    raise Over
                self.answer(At.MAIL, b"250 2.1.0 ok\r\n")
            case "RCPT":
                self.recipient = words[words.find("<") + 1 : words.find(">")]
                self.answer(At.RCPT, b"250 2.1.5 ok\r\n")
            case "DATA":
                if self.answer(At.DATA, b"354 go\r\n"):
                    self.body()
            case "QUIT":
                self.answer(At.QUIT, b"221 bye\r\n")
                raise Over
            case _:
                self.client.sendall(b"250 ok\r\n")

    def offers(self) -> bytes:
        secure = isinstance(self.client, ssl.SSLSocket)
        offered = ["here", *(["PIPELINING"] if self.server.pipelining else []), "AUTH PLAIN LOGIN"]
        if self.server.tls and not secure:
            offered.append("STARTTLS")
        return b"".join(f"250-{each}\r\n".encode() for each in offered) + b"250 8BITMIME\r\n"

    def secure(self, step: At) -> None:
        """The handshake; at the step that goes wrong with TLS, with the strange certificate."""
        server = self.server
        context = server.tls
        if step is At.CONNECT and server.strikes(step, self.number):
            if server.how is not How.TLS:
                self.wrong(step)
            context = server.strange
        elif step is At.STARTTLS and server.how is How.TLS and server.strikes(step, self.number):
            context = server.strange
        assert context is not None
        self.client = context.wrap_socket(self.client, server_side=True)

    def strikes_in_words(self, step: At) -> bool:
        """Whether the reply to STARTTLS itself is what goes wrong."""
        if self.server.how is How.TLS or not self.server.strikes(step, self.number):
            return False
        self.wrong(step)
        return True

    def body(self) -> None:
        """The message, to its dot; an answer that came before it is the only one."""
        answered = False
        if self.server.step in BODIES and self.server.strikes(self.server.step, self.number):
            self.server.struck = self.recipient
            self.buffer = self.buffer or self.client.recv(1)
            self.wrong(self.server.step)
            answered = True
        while not self.buffer.endswith(b"\r\n.\r\n"):
            more = self.client.recv(1 << 20)
            if not more:
                raise Over
            # Commands may stand behind the dot; only the end is looked at.
            self.buffer = self.buffer[-4:] + more
            if (end := self.buffer.find(b"\r\n.\r\n")) >= 0:
                self.buffer = self.buffer[end + 5 :]
                break
        if answered:
            return
        self.server.taken.append(self.recipient)
        self.answer(At.DOT, b"250 2.0.0 queued\r\n")

    def answer(self, step: At, good: bytes) -> bool:
        """Whether the good reply was given."""
        if not self.server.strikes(step, self.number):
            self.client.sendall(good)
            return True
        self.server.struck = self.recipient
        self.wrong(step)
        return False

    def wrong(self, step: At) -> None:
        """What goes wrong, in place of the reply."""
        said = SAID.get(self.server.how, b"")
        if self.server.words and self.server.how in (How.LATER, How.NEVER, How.CLOSING):
            said = said[:10] + self.server.words.encode() + b"\r\n"
        match self.server.how:
            case How.DROP:
                raise Over
            case How.HANG:
                self.silent(reads=step not in BODIES)
            case How.TLS:
                self.under_tls(b"250 2.0.0 in clear\r\n")
                self.silent(reads=True)
            case How.DRIP:
                self.client.sendall(said)
                while not self.over.wait(0.005):
                    self.client.sendall(b"x")
                    if step in BODIES:
                        self.client.recv(1)
            case How.PARTIAL:
                self.client.sendall(said)
                raise Over
            case _:
                self.client.sendall(said)
                if self.server.how is How.CLOSING:
                    raise Over
                if step in (At.BODY, At.CONNECT):
                    self.silent(reads=True)

    def under_tls(self, words: bytes) -> None:
        """Bytes past the layer that seals them; in clear where nothing is sealed."""
        descriptor = self.client.fileno()
        with socket.socket(fileno=descriptor) as bare:
            bare.sendall(words)
            bare.detach()

    def silent(self, *, reads: bool) -> None:
        """Say nothing more; until the other end goes, or the test is over."""
        if not reads:
            self.over.wait()
            raise Over
        self.raw.settimeout(None)
        with suppress(OSError, ssl.SSLError):
            while self.client.recv(1 << 20):
                pass
        raise Over

    def line(self) -> bytes:
        while b"\n" not in self.buffer:
            more = self.client.recv(1 << 16)
            if not more:
                raise Over
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.removesuffix(b"\r")
