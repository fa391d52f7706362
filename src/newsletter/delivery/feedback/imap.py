"""An IMAP folder as a source: by UID, over verified TLS, or in clear to this machine alone.

    UID SEARCH UNSEEN UNFLAGGED UNDELETED
    UID FETCH (INTERNALDATE BODY.PEEK[]<0.1048576>)     reading changes nothing
    -- the effect is committed --
    DONE   \\Seen, or moved (UID MOVE), or \\Deleted and UID EXPUNGE
    KEPT   \\Flagged, unseen: a mail program shows it

Where the server has no UIDPLUS, what is \\Deleted stays so until somebody
expunges the folder: a bare EXPUNGE would remove other people's mails too.
Nothing the server says is put into a finding: it repeats the user's address.

Source: RFC 3501 §6.4.8, RFC 4315, RFC 6851, RFC 8314 §3.2.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import imaplib
import re
import ssl
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from newsletter.delivery.feedback.collecting import BATCH, Fate, Letter
from newsletter.delivery.feedback.imap_line import TIMEOUT, Endless, Plain, Secure
from newsletter.delivery.feedback.mime import LONGEST
from newsletter.errors import CouldNotRun, Finding


@dataclass(frozen=True, slots=True)
class Box:
    """Where the folder is. `password` is revealed when it is used; `move_to` None leaves mails where they are."""

    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    user: str
    password: Callable[[], str]
    folder: str = "INBOX"
    move_to: str | None = None
    delete: bool = False

    def __repr__(self) -> str:
        return f"Box({self.host}:{self.port})"


class ImapFolder:
    """A folder of `box`. `context` None verifies the server by the system's authorities."""

    def __init__(
        self, box: Box, *, context: ssl.SSLContext | None = None, timeout: float = TIMEOUT
    ) -> None:
        self._box = box
        self._context = context or ssl.create_default_context()
        self._timeout = timeout
        self._session: imaplib.IMAP4 | None = None
        self._offers: frozenset[str] = frozenset()

    def batches(self) -> Generator[list[Letter]]:
        """Raises CouldNotRun NL646 when the server cannot be talked to."""
        try:
            session = self._open()
            uids = self._unsettled(session)
            for start in range(0, len(uids), BATCH):
                read = [self._fetch(session, uid) for uid in uids[start : start + BATCH]]
                if letters := [letter for letter in read if letter is not None]:
                    yield letters
        except (imaplib.IMAP4.error, OSError) as error:
            self._hang_up()  # a farewell would have to be waited for
            raise self._trouble("broke off", error) from error
        finally:
            self._close()

    def settle(self, fates: Sequence[tuple[Letter, Fate]]) -> None:
        session = self._session
        assert session is not None, "what is settled was read in this session"
        done = [letter.name for letter, fate in fates if fate is Fate.DONE]
        kept = [letter.name for letter, fate in fates if fate is Fate.KEPT]
        try:
            if kept:
                self._flag(session, kept, r"(\Flagged)")
            if done:
                self._let_go(session, done)
        except (imaplib.IMAP4.error, OSError) as error:
            raise self._trouble("broke off", error) from error

    # The conversation.

    def _open(self) -> imaplib.IMAP4:
        box = self._box
        try:
            session: imaplib.IMAP4 = (
                Secure(box.host, box.port, self._context, self._timeout)
                if box.security == "tls"
                else Plain(box.host, box.port, self._timeout)
            )
            self._session = session
            if box.security == "starttls":
                session.starttls(self._context)
        except (imaplib.IMAP4.error, OSError) as error:
            self._hang_up()
            raise self._trouble("does not answer", error) from error
        try:
            session.login(box.user, box.password())
        except imaplib.IMAP4.abort:  # an error, too, but it says nothing about the password
            raise
        except (imaplib.IMAP4.error, UnicodeError):  # it speaks ASCII alone
            # Without "from": the server's words may hold the user's address.
            raise self._trouble("refuses the user or the password", None) from None
        answer, _ = session.select(_quoted(box.folder))
        if answer != "OK":
            raise self._trouble(f"has no folder {box.folder}", None)
        self._offers = _offers(session)
        return session

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(imaplib.IMAP4.error, OSError):
                session.logout()

    def _hang_up(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(OSError):
                session.shutdown()

    def _unsettled(self, session: imaplib.IMAP4) -> list[str]:
        _, found = _checked(session.uid("SEARCH", "UNSEEN", "UNFLAGGED", "UNDELETED"))
        return [word for word in _words(found) if _UID.fullmatch(word)]

    def _fetch(self, session: imaplib.IMAP4, uid: str) -> Letter | None:
        """One mail; None when it is gone."""
        _, found = _checked(session.uid("FETCH", uid, f"(INTERNALDATE BODY.PEEK[]<0.{LONGEST}>)"))
        for part in found:
            if isinstance(part, tuple):
                return Letter(uid, part[1], _arrived(part[0]))
        return None

    def _let_go(self, session: imaplib.IMAP4, uids: list[str]) -> None:
        box, which = self._box, ",".join(uids)
        if box.move_to is not None:
            folder = _quoted(box.move_to)
            if "MOVE" in self._offers:
                _checked(_extension(session, "MOVE", which, folder))
                return
            _checked(session.uid("COPY", which, folder))
        elif not box.delete:
            self._flag(session, uids, r"(\Seen)")
            return
        self._flag(session, uids, r"(\Seen \Deleted)")
        if "UIDPLUS" in self._offers:
            _checked(session.uid("EXPUNGE", which))

    def _flag(self, session: imaplib.IMAP4, uids: list[str], flags: str) -> None:
        _checked(session.uid("STORE", ",".join(uids), "+FLAGS.SILENT", flags))

    def _trouble(self, what: str, error: Exception | None) -> CouldNotRun:
        why = f" ({_plain(error)})" if error is not None else ""
        return CouldNotRun(
            Finding(
                "NL646",
                f"the IMAP server {self._box.host}:{self._box.port} {what}{why}",
                help="see [feedback.imap]; no mail was lost, it is read again",
            )
        )


def _offers(session: imaplib.IMAP4) -> frozenset[str]:
    """What the server offers to whom it knows: before the log-in most name neither MOVE nor UIDPLUS (RFC 3501 §7.2.1)."""
    _, told = _checked(session.capability())
    return frozenset(word.upper() for word in _words(told))


_UID = re.compile(r"[0-9]{1,10}")


def _words(told: Sequence[Any]) -> list[str]:
    """The words of an answer; a literal, which has no place in one of words, is none."""
    lines = [part for part in told if isinstance(part, bytes)]
    return b" ".join(lines).decode("ascii", "ignore").split()


def _extension(session: imaplib.IMAP4, name: str, *arguments: str) -> tuple[str, list[Any]]:
    """A UID command that imaplib has no name for (RFC 6851)."""
    imaplib.Commands.setdefault(name, ("SELECTED",))
    return session.uid(name, *arguments)


def _checked(answer: tuple[str, list[Any]]) -> tuple[str, list[Any]]:
    if answer[0] != "OK":
        raise imaplib.IMAP4.error("refused")
    return answer


def _plain(error: Exception) -> str:
    """What went wrong, in words of ours or the system's; none of the server's."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not good: {error.verify_message}"
        case TimeoutError():
            return "it is silent"
        case Endless():
            return "its answer has no end"
        case imaplib.IMAP4.abort():
            return "it hung up"
        case ssl.SSLError(reason=str() as reason):
            return f"TLS failed: {reason.replace('_', ' ').lower()}"
        case OSError(strerror=str() as words):
            return words
        case _:
            return "it refused a command"


def _quoted(folder: str) -> str:
    """A mailbox name as RFC 3501 §9 quotes it; other letters in its own UTF-7 (§5.1.3)."""
    name = re.sub(r"[^\x20-\x7e]+|&", _utf7, folder)
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _utf7(found: re.Match[str]) -> str:
    if found[0] == "&":
        return "&-"
    words = found[0].encode("utf-7").decode("ascii")  # "+...-"
    return f"&{words[1:].rstrip('-').replace('/', ',')}-"


def _arrived(head: bytes) -> dt.datetime:
    """INTERNALDATE: when the server got it; now, when it does not say, or says no date."""
    try:
        told = imaplib.Internaldate2tuple(head)
        if told is not None:
            return dt.datetime.fromtimestamp(time.mktime(told), dt.UTC)
    except (KeyError, ValueError, OverflowError):
        pass
    return dt.datetime.fromtimestamp(time.time(), dt.UTC)
