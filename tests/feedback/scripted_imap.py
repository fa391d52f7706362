"""An IMAP server on this machine: real sockets, real TLS where asked, a folder in memory.

It knows what a collector needs of RFC 3501, RFC 4315 and RFC 6851, takes
partial fetches and literals, and hangs up where a test says so.
"""

from __future__ import annotations

import datetime as dt
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

PASSWORD = "s3cret"


@dataclass
class Mail:
    raw: bytes
    flags: set[str] = field(default_factory=set)
    arrived: dt.datetime = dt.datetime(2026, 11, 21, 12, 30, tzinfo=dt.UTC)


@dataclass
class Imap:
    """`hang_up` is the command at which the connection is cut, before anything is done.

    Like Dovecot it names the `extensions` to whoever has logged in, and to nobody else.
    """

    port: int
    folder: dict[int, Mail] = field(default_factory=dict)
    moved: list[bytes] = field(default_factory=list)
    capabilities: str = "IMAP4rev1"
    extensions: str = "UIDPLUS MOVE"
    logged_in: bool = False
    hang_up: str = ""
    seen: list[str] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    instead: dict[str, Callable[[BinaryIO], None]] = field(default_factory=dict)
    """What is said to a command before its OK, in place of a sensible answer."""

    def put(self, *mails: bytes) -> None:
        for raw in mails:
            self.folder[len(self.folder) + 1 + len(self.moved)] = Mail(raw)

    def talk(self, link: socket.socket) -> None:
        self.logged_in = False
        file = link.makefile("rwb")
        self._say(file, "* OK ready")
        while line := file.readline():
            words = line.decode("latin-1").strip()
            tag, _, command = words.partition(" ")
            self.seen.append(re.sub(r"(LOGIN \S+ ).*", r"\1...", command))
            if self.hang_up and command.startswith(self.hang_up):
                return
            if command == "STARTTLS":
                assert self.tls is not None
                self._say(file, f"{tag} OK begin")
                link = self.tls.wrap_socket(link, server_side=True)
                file = link.makefile("rwb")
                continue
            self._answer(file, tag, command)
            if command == "LOGOUT":
                return

    def _answer(self, file: BinaryIO, tag: str, command: str) -> None:
        verb = " ".join(command.split()[: 2 if command.startswith("UID") else 1])
        if verb in self.instead:
            self.instead[verb](file)
            self._say(file, f"{tag} OK done")
            return
        act = getattr(self, f"_{verb.lower().replace(' ', '_')}", None)
        done = (act(file, command) or "OK") if act else "BAD unknown"
        self._say(file, f"{tag} {done} done")

    def _capability(self, file: BinaryIO, _command: str) -> None:
        more = f" {self.extensions}" if self.logged_in else ""
        self._say(file, f"* CAPABILITY {self.capabilities}{more}")

    def _login(self, _file: BinaryIO, command: str) -> str:
        self.logged_in = f'"{PASSWORD}"' in command
        return "OK" if self.logged_in else "NO [AUTHENTICATIONFAILED] user@example.org"

    def _select(self, file: BinaryIO, command: str) -> str:
        self._say(file, f"* {len(self.folder)} EXISTS")
        return "OK [READ-WRITE]" if '"INBOX"' in command else "NO [NONEXISTENT]"

    def _logout(self, file: BinaryIO, _command: str) -> None:
        self._say(file, "* BYE")

    def _uid_search(self, file: BinaryIO, command: str) -> None:
        without = {f"\\{key.removeprefix('UN').capitalize()}" for key in command.split()[2:]}
        found = [str(uid) for uid, mail in self.folder.items() if not without & mail.flags]
        self._say(file, f"* SEARCH {' '.join(found)}")

    def _uid_expunge(self, _file: BinaryIO, command: str) -> None:
        for uid in self._uids(command):
            if r"\Deleted" in self.folder[uid].flags:
                del self.folder[uid]

    def _uid_move(self, _file: BinaryIO, command: str) -> None:
        self.moved += [self.folder.pop(uid).raw for uid in self._uids(command)]

    def _uid_copy(self, _file: BinaryIO, command: str) -> None:
        self.moved += [self.folder[uid].raw for uid in self._uids(command)]

    def _uid_fetch(self, file: BinaryIO, command: str) -> None:
        for uid in self._uids(command):
            if uid not in self.folder:
                continue
            mail = self.folder[uid]
            length = int(re.search(r"<0\.(\d+)>", command)[1])  # type: ignore[index]
            raw = mail.raw[:length]
            stamp = mail.arrived.strftime("%d-%b-%Y %H:%M:%S +0000")
            file.write(
                f'* {uid} FETCH (UID {uid} INTERNALDATE "{stamp}" BODY[]<0> {{{len(raw)}}}\r\n'.encode()
            )
            file.write(raw)
            self._say(file, ")")

    def _uid_store(self, _file: BinaryIO, command: str) -> None:
        flags = set(re.search(r"\((.*)\)", command)[1].split())  # type: ignore[index]
        for uid in self._uids(command):
            self.folder[uid].flags |= flags

    @staticmethod
    def _uids(command: str) -> list[int]:
        return [int(each) for each in command.split()[2].split(",")]

    @staticmethod
    def _say(file: BinaryIO, line: str) -> None:
        file.write(f"{line}\r\n".encode())
        file.flush()


@contextmanager
def imap(tls: ssl.SSLContext | None = None, *, at_once: bool = True) -> Iterator[Imap]:
    """A server; `tls` speaks it from the first byte (`at_once`) or after STARTTLS."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Imap(listener.getsockname()[1], tls=tls)
    if tls is not None and not at_once:
        server.capabilities += " STARTTLS"

    def serve() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError, AssertionError):
                if tls is not None and at_once:
                    link = tls.wrap_socket(link, server_side=True)
                server.talk(link)
            with suppress(OSError):
                link.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
