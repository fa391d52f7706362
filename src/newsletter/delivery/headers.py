"""Header fields as bytes, folded by us. Pure.

`email.policy` is not used here: it turns a List-Unsubscribe of 75 characters
into encoded words, and one-click leaving dies silently (python/cpython issue
85725); it also loses spaces in display names of mixed scripts.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from email.header import Header
from email.utils import format_datetime, quote

from newsletter.config import Settings

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
LONGEST = 78
"""RFC 5322 §2.1.1: a line SHOULD have no more characters than this, and MUST have no more than 998."""

BOUNCE_NAME = "b"
LEAVE_NAME = "leave"
"""Our two mailboxes at the bounce domain: `b+TOKEN@`, `leave+TOKEN@`; delivery/feedback reads what comes to them."""


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes: the same on every message of a publication."""

    name: str
    address: str
    reply_to: str | None
    list_id: str
    title: str
    public_url: str
    site_url: str
    leave_domain: str | None = None
    """Where mail to `leave+TOKEN@` is read; None: nobody reads it, so nobody is told."""

    @classmethod
    def of(cls, settings: Settings) -> Letterhead:
        sender = settings.sender
        return cls(
            name=sender.name,
            address=sender.address,
            reply_to=sender.reply_to,
            list_id=sender.list_id,
            title=settings.publication.title,
            public_url=settings.public_url,
            site_url=settings.site_url,
            leave_domain=sender.bounce_domain if settings.feedback.leave_by_mail else None,
        )

    @property
    def domain(self) -> str:
        """Where Message-IDs are made: the sender's own domain."""
        return self.address.rpartition("@")[2]

    @property
    def mailbox(self) -> str:
        """The one that people read."""
        return self.reply_to or self.address


def text(name: str, value: str) -> bytes:
    """An unstructured field (Subject): encoded words only where they are needed (RFC 2047 §5 (1))."""
    _refuse_controls(value)
    if value.isascii() and "=?" not in value:
        return _line(name, Header(value, "us-ascii", LONGEST, name).encode(linesep="\r\n"))
    return _line(name, _words(name, value))


def mailbox(name: str, display: str, address: str) -> bytes:
    """A display name and an address (From) or list label (List-Id) in angle brackets."""
    _refuse_controls(display + address)
    if display.isascii() and "=?" not in display:
        value = f'"{quote(display)}" <{address}>'
        if len(name) + 2 + len(value) > LONGEST:
            value = f'"{quote(display)}"\r\n <{address}>'
        return _line(name, value)
    words = _words(name, display)
    last = words.rpartition("\r\n")[2]
    room = LONGEST - len(last) - (len(name) + 2 if "\r\n" not in words else 0)
    between = " " if len(address) + 3 <= room else "\r\n "
    return _line(name, f"{words}{between}<{address}>")


def raw(name: str, value: str) -> bytes:
    """A structured field on one line, never encoded, never folded (List-Unsubscribe, Message-ID)."""
    _refuse_controls(value)
    if not value.isascii():
        raise ValueError(f"{name} holds a character that is not ASCII")
    return _line(name, value)


def moment(value: dt.datetime) -> bytes:
    """Date; `value` is aware (RFC 5322 §3.3)."""
    return _line("Date", format_datetime(value))


def feedback_id(letterhead: Letterhead, what: str) -> str:
    """ "2026-12:letter:newsletter:SENDER": the same for every reader of an issue.

    Source: Google, Postmaster Tools, Feedback Loop: four fields, the last 5 to 15 characters.
    """
    label = letterhead.list_id.partition(".")[0]
    sender = hashlib.sha256(letterhead.list_id.lower().encode()).hexdigest()[:12]
    return f"{what}:{label}:newsletter:{sender}"


def _words(name: str, value: str) -> str:
    return Header(value, "utf-8", 76, name).encode(
        linesep="\r\n"
    )  # RFC 2047 §2: 76 with encoded words


def _line(name: str, value: str) -> bytes:
    return f"{name}: {value}\r\n".encode("ascii")


def _refuse_controls(value: str) -> None:
    """The standard library lets NUL through; a header holds none of these (RFC 5322 §2.2)."""
    if _CONTROL.search(value):
        raise ValueError("a header field with a control character")
