"""One RFC 5322 message to one person, composed from bytes.

    subject, HTML, text -> Template   once for an edition: encoded, folded, split at its holes
    Template.fill(to, id, token)      for each person: only the holes are filled

    From To Subject Date Message-ID Reply-To List-* Feedback-ID MIME-Version
    multipart/alternative: text/plain, then text/html (RFC 2046 §5.1.4)

The same inputs give the same bytes: the boundary is a hash of the content, the
date is the issue's, the Message-ID stands in the ledger. Everything is 7-bit
clean, except the To of a reader whose local part is not ASCII (RFC 6532).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass

from newsletter.delivery import headers
from newsletter.delivery.encoding import SLOT, Encoded, Hole, Piece, encode
from newsletter.delivery.headers import LEAVE_NAME, Letterhead
from newsletter.issue.edition import TOKEN_SLOT, leave_url

_TO = b"TO-SLOT"
_ID = b"MESSAGE-ID-SLOT"


@dataclass(frozen=True, slots=True)
class Content:
    """What is said, with TOKEN_SLOT where the reader's token goes."""

    subject: str
    html: str
    text: str


class Template:
    """A message with holes. Threads may share it."""

    __slots__ = ("_holes", "_id", "_parts", "_to", "_tokens", "dotless")

    def __init__(self, pieces: list[Piece]) -> None:
        parts: list[bytes] = []
        self._tokens: list[int] = []
        self._holes: list[tuple[int, Hole]] = []
        for piece in pieces:
            if isinstance(piece, Hole):
                self._holes.append((len(parts), piece))
                parts.append(b"")
                continue
            for number, between in enumerate(piece.split(SLOT)):
                if number:
                    self._tokens.append(len(parts))
                    parts.append(b"")
                parts.append(between)
        self._parts = parts
        self._to, self._id = parts.index(_TO), parts.index(_ID)
        # What is filled in begins no line with a dot: base64, or behind a field's name.
        self.dotless = not re.search(rb"(?:\A|\n)\.", b"".join(part or b"-" for part in parts))

    def fill(self, to: str, message_id: str, token: str) -> bytes:
        """The message as CRLF bytes.

        `to` is a mailbox with an ASCII domain; `message_id` has its angle brackets.

        Raises:
            ValueError: `to` holds white space or a control character.
        """
        if not to or any(character <= " " or character == "\x7f" for character in to):
            raise ValueError("an address that would break the header")
        token_bytes = token.encode("ascii")
        parts = self._parts.copy()
        parts[self._to] = to.encode()
        parts[self._id] = message_id.encode("ascii")
        for at in self._tokens:
            parts[at] = token_bytes
        for at, hole in self._holes:
            parts[at] = hole.fill(token_bytes)
        return b"".join(parts)


def issue(letterhead: Letterhead, content: Content, period: str, dated: dt.datetime) -> Template:
    """The template of one edition."""
    return _compile(letterhead, content, dated, _list_headers(letterhead, period))


def notice(letterhead: Letterhead, content: Content, dated: dt.datetime) -> Template:
    """The template of a mail that is no issue: made by a machine, answered by no machine (RFC 3834 §5)."""
    return _compile(
        letterhead,
        content,
        dated,
        headers.raw("Auto-Submitted", "auto-generated")
        + headers.raw("X-Auto-Response-Suppress", "All"),
    )


def _list_headers(letterhead: Letterhead, period: str) -> bytes:
    """RFC 2369 and 2919, and one click to leave (RFC 8058 §3.1)."""
    owner = f"<mailto:{letterhead.mailbox}>"
    return b"".join(
        (
            headers.mailbox("List-Id", letterhead.title, letterhead.list_id),
            headers.raw("List-Unsubscribe", _leave(letterhead)),
            headers.raw("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            headers.raw("List-Help", f"<{letterhead.site_url}/>"),
            headers.raw("List-Owner", owner),
            headers.raw("List-Archive", f"<{letterhead.site_url}/issues/>"),
            headers.raw("List-Post", "NO"),
            headers.raw("Feedback-ID", headers.feedback_id(letterhead, period)),
        )
    )


def _leave(letterhead: Letterhead) -> str:
    """One click first; a mailbox beside it is allowed (RFC 8058 §3.1), and some programs know no other way."""
    one_click = f"<{leave_url(letterhead.public_url)}>"
    if letterhead.leave_domain is None:
        return one_click
    return (
        f"{one_click}, <mailto:{LEAVE_NAME}+{TOKEN_SLOT}@{letterhead.leave_domain}?subject=leave>"
    )


def _compile(letterhead: Letterhead, content: Content, dated: dt.datetime, more: bytes) -> Template:
    # "=_" stands in no quoted-printable and no base64 text (RFC 2045 §6.7), so no line can be the boundary.
    everything = "\0".join((content.subject, content.text, content.html))
    boundary = "=_" + hashlib.sha256(everything.encode()).hexdigest()[:40]
    line = f"--{boundary}".encode()
    reply_to = headers.raw("Reply-To", letterhead.reply_to) if letterhead.reply_to else b""
    pieces: list[Piece] = [
        headers.mailbox("From", letterhead.name, letterhead.address) + b"To: ",
        _TO,
        b"\r\n"
        + headers.text("Subject", content.subject)
        + headers.moment(dated)
        + b"Message-ID: ",
        _ID,
        b"\r\n"
        + reply_to
        + more
        + b"MIME-Version: 1.0\r\n"
        + f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode(),
        *_part(line, "plain", encode(content.text)),
        *_part(line, "html", encode(content.html)),
        line + b"--\r\n",
    ]
    return Template(pieces)


def _part(line: bytes, kind: str, body: Encoded) -> list[Piece]:
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: {body.name}\r\n\r\n"
    return [line + b"\r\n" + head.encode(), *body.pieces]
