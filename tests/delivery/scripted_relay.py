"""A relay that does what a script says: any reply at any step, a cut, silence, garbage.

    with relay({Step.RCPT: "550 5.1.1 no such user"}) as server:
        ... server.port, server.delivered, server.lines

A step's action is a reply line, or one of the marks below. A list is used up
one by one, message after message; the last one stays. Everything the client
said is kept, so that a test can read the dialogue.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

DROP = "(drop)"
"""Hang up."""
HANG = "(hang)"
"""Say nothing until the client goes."""
GARBAGE = "(garbage)"
"""Bytes that are no reply."""
PARTIAL = "(partial)"
"""Half a reply line, then hang up."""
DRIP = "(drip)"
"""The start of a reply, one byte at a time, and never its end."""


class Step(StrEnum):
    GREETING = "greeting"
    HELLO = "hello"
    STARTTLS = "starttls"
    AUTH = "auth"
    RSET = "rset"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    """While the message comes in: only DROP means something."""
    DOT = "dot"


GOOD = {
    Step.GREETING: "220 scripted",
    Step.STARTTLS: "220 go",
    Step.AUTH: "235 2.7.0 welcome",
    Step.RSET: "250 2.0.0 ok",
    Step.MAIL: "250 2.1.0 ok",
    Step.RCPT: "250 2.1.5 ok",
    Step.DATA: "354 go",
    Step.DOT: "250 2.0.0 queued",
}

Script = Mapping[Step, str | list[str] | Callable[[str], str]]


class Cut(Exception):
    """The script hangs up."""


@dataclass
class Scripted:
    """What a test sees of the relay."""

    script: Script
    pipelining: bool = True
    tls: ssl.SSLContext | None = None
    extra: tuple[str, ...] = ()
    port: int = 0
    lines: list[str] = field(default_factory=list)
    delivered: list[tuple[str, bytes]] = field(default_factory=list)
    """(recipient, message) for each message whose final dot came, whatever was answered."""
    accepted: list[str] = field(default_factory=list)
    """Recipients that were answered 2yz after the dot."""
    connections: int = 0
    address: str = ""
    """The socket's path, when it is one in the file system."""
    implicit: bool = False
    extra_secure: tuple[str, ...] | None = None
    """What is offered inside TLS; None: the same as outside."""
    hits: dict[Step, threading.Event] = field(
        default_factory=lambda: {step: threading.Event() for step in Step}
    )
    lock: threading.Lock = field(default_factory=threading.Lock)
    open_now: set[socket.socket] = field(default_factory=set)
    sessions: list[threading.Thread] = field(default_factory=list)

    def ended(self) -> None:
        """Every line has been read to its end; whoever was on it has closed it."""
        for session in self.sessions:
            session.join(5)

    def hang_up(self) -> None:
        """Cut every line, now."""
        for client in self.open_now:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def action(self, step: Step, line: str = "") -> str:
        wanted = self.script.get(step, GOOD.get(step, "250 ok"))
        if callable(wanted):
            return wanted(line)  # outside the lock: it may take its time
        if isinstance(wanted, list):
            with self.lock:
                return wanted.pop(0) if len(wanted) > 1 else wanted[0]
        return wanted


@contextmanager
def relay(
    script: Script | None = None,
    *,
    pipelining: bool = True,
    tls: ssl.SSLContext | None = None,
    extra: tuple[str, ...] = (),
    unix: Path | None = None,
    implicit: bool = False,
) -> Iterator[Scripted]:
    """`implicit`: TLS from the first byte. `unix`: listen there, not at a port."""
    server = Scripted(script or {}, pipelining, tls, extra, implicit=implicit)
    if unix is not None:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(unix))
        listener.listen()
        server.address = f"unix:{unix}"
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        server.address, server.port = listener.getsockname()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            server.open_now.add(client)
            session = threading.Thread(target=serve, args=(client,), daemon=True)
            server.sessions.append(session)
            session.start()

    def serve(client: socket.socket) -> None:
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError, Cut, UnicodeError):  # TLS where a line was awaited
            _Session(server, client).run()
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # close alone would not wake accept()
        listener.close()
        server.hang_up()


class _Session:
    def __init__(self, server: Scripted, client: socket.socket) -> None:
        self.server, self.client = server, client
        self.file = client.makefile("rb")
        self.recipient = ""

    def run(self) -> None:
        if self.server.implicit:
            self.secure()
        self.answer(Step.GREETING)
        while raw := self.file.readline():
            line = raw.decode("utf-8").rstrip("\r\n")
            with self.server.lock:
                self.server.lines.append(line)
            word = line.split(" ")[0].split(":")[0].upper()
            if word in ("EHLO", "HELO", "LHLO"):
                self.hello(line)
            elif word == "STARTTLS":
                self.answer(Step.STARTTLS)
                self.secure()
            elif word == "AUTH":
                while self.answer(Step.AUTH, line).startswith("334"):
                    line = self.file.readline().decode("ascii").rstrip("\r\n")
                    with self.server.lock:
                        self.server.lines.append(line)
            elif word == "DATA":
                self.data()
            elif word == "QUIT":
                self.client.sendall(b"221 bye\r\n")
                return
            else:
                found = re.search(r"RCPT TO:<([^>]*)>", line, re.IGNORECASE)
                self.recipient = found[1] if found else self.recipient
                self.answer(Step(word.lower()), line)

    def secure(self) -> None:
        assert self.server.tls is not None
        self.client = self.server.tls.wrap_socket(self.client, server_side=True)
        self.file = self.client.makefile("rb")

    def hello(self, line: str) -> None:
        action = self.server.action(Step.HELLO, line)
        if action != "250 ok":
            self.say(action)
            return
        secure = isinstance(self.client, ssl.SSLSocket)
        extra = self.server.extra
        if secure and self.server.extra_secure is not None:
            extra = self.server.extra_secure
        offers = [*(["PIPELINING"] if self.server.pipelining else []), *extra]
        if line.upper().startswith("HELO"):
            offers = []
        offers += ["STARTTLS"] if self.server.tls and not secure else []
        lines = ["scripted", *offers]
        text = "".join(f"250-{each}\r\n" for each in lines[:-1]) + f"250 {lines[-1]}\r\n"
        self.client.sendall(text.encode())

    def data(self) -> None:
        if not self.answer(Step.DATA).startswith("354"):
            return
        message = b""
        while True:
            if self.server.action(Step.BODY) == DROP:
                self.server.hits[Step.BODY].set()
                raise Cut
            line = self.file.readline()
            if not line:
                raise Cut
            if line == b".\r\n":
                break
            message += line.removeprefix(b".")
        recipient = self.recipient
        with self.server.lock:
            self.server.delivered.append((recipient, message))
        self.answer(Step.DOT, recipient, before=self.mark(recipient))

    def mark(self, recipient: str) -> Callable[[str], None]:
        def note(action: str) -> None:
            if action.startswith("2"):
                with self.server.lock:
                    self.server.accepted.append(recipient)

        return note

    def answer(
        self, step: Step, line: str = "", before: Callable[[str], None] | None = None
    ) -> str:
        action = self.server.action(step, line)
        if before is not None:
            before(action)
        self.server.hits[step].set()
        self.say(action)
        return action

    def say(self, action: str) -> None:
        match action:
            case "(drop)":
                raise Cut
            case "(hang)":
                while self.client.recv(65536):
                    pass
                raise Cut
            case "(garbage)":
                self.client.sendall(b"\x00\xffHTTP/1.1 200 OK\r\n")
            case "(partial)":
                self.client.sendall(b"25")
                raise Cut
            case "(drip)":
                pause = threading.Event()
                self.client.sendall(b"250-")
                while not pause.wait(0.02):  # each byte must reach the client alone
                    self.client.sendall(b"x")
            case _:
                self.client.sendall(action.encode() + b"\r\n")
                if action.startswith("421"):
                    raise Cut
