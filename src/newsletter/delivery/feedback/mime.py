"""A mail from a stranger as a tree of parts, within fixed bounds. Pure.

Not the standard library's parser: that one takes what it is given, and a mail
of nested multiparts keeps it busy for minutes or breaks its recursion. Here
every byte is looked at once for each level, there are few levels, and whatever
goes beyond is Unreadable. Header names are lower-case; values are unfolded
and not decoded (no name, no address and no word of them is ever kept).

Source: RFC 5322 §2.2, RFC 2045 §5 and §6, RFC 2046 §5.1.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

LONGEST = 1 << 20
"""Bytes of a mail that are read. A report stands at its beginning; what was returned comes after it."""
DEEPEST = 8
MOST_PARTS = 64
MOST_FIELDS = 400
LONGEST_VALUE = 16_384


class Unreadable(Exception):
    """A mail beyond the bounds; the words say which."""


@dataclass(frozen=True, slots=True)
class Part:
    """One MIME part. `parts` are those of a multipart, or the one message inside a message/*."""

    fields: tuple[tuple[str, str], ...]
    type: str
    parameters: dict[str, str]
    body: bytes
    parts: tuple[Part, ...] = ()

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field == name]

    def first(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)

    @property
    def content(self) -> bytes:
        """The body with its transfer encoding undone, as far as that goes."""
        return _decoded(self.first("content-transfer-encoding"), self.body)

    def __repr__(self) -> str:
        return f"Part({self.type})"


def parse(raw: bytes) -> Part:
    """The tree of `raw`, of which at most LONGEST bytes are looked at.

    Raises:
        Unreadable: too deep or too many parts.
    """
    text = raw[:LONGEST].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if text.startswith((b"From ", b">From ")):  # an mbox line, put there by a local delivery
        text = text.partition(b"\n")[2]
    return _part(text.lstrip(b"\n"), 0, [0], "text/plain")


def fields(text: bytes) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Header fields, names in lower case, and what follows the empty line.

    A line that is no field ends the header; whoever forgot the empty line is understood.
    """
    found: list[tuple[str, str]] = []
    at, end = 0, len(text)
    while at < end and len(found) < MOST_FIELDS:
        stop = text.find(b"\n", at)
        stop = end if stop < 0 else stop
        line = text[at:stop]
        if not line.strip(b" \t"):
            return tuple(found), text[stop + 1 :]
        if line[:1] in b" \t" and found:
            name, value = found[-1]
            if len(value) < LONGEST_VALUE:
                found[-1] = (name, f"{value} {_text(line.strip())}")
        else:
            named = _FIELD.match(line)
            if named is None:
                return tuple(found), text[at:]
            found.append((named[1].decode("ascii").lower(), _text(named[2].strip())))
        at = stop + 1
    return tuple(found), text[at:]


_FIELD = re.compile(rb"([!-9;-~]{1,80})[ \t]*:(.*)", re.DOTALL)
_TYPE = re.compile(r"\s*([\w.+-]+/[\w.+-]+)", re.ASCII)
_PARAMETER = re.compile(r';\s*([\w-]{1,40})\s*=\s*(?:"([^"]{0,200})"|([^\s;"]{1,200}))', re.ASCII)


def _text(value: bytes) -> str:
    return value[:LONGEST_VALUE].decode("utf-8", "replace")


def _part(text: bytes, depth: int, count: list[int], default: str) -> Part:
    count[0] += 1
    if count[0] > MOST_PARTS:
        raise Unreadable(f"it has more than {MOST_PARTS} parts")
    if depth > DEEPEST:
        raise Unreadable(f"its parts are nested more than {DEEPEST} deep")
    head, body = fields(text)
    said = next((value for name, value in head if name == "content-type"), "")
    found = _TYPE.match(said)
    kind = found[1].lower() if found else default
    parameters = {
        name.lower(): quoted or plain
        for name, quoted, plain in _PARAMETER.findall(said[:LONGEST_VALUE])
    }
    inside: tuple[Part, ...] = ()
    if kind.startswith("multipart/") and parameters.get("boundary"):
        following = "message/rfc822" if kind == "multipart/digest" else "text/plain"
        inside = tuple(
            _part(piece, depth + 1, count, following)
            for piece in _pieces(body, parameters["boundary"])
        )
    elif kind in ("message/rfc822", "message/global"):
        encoding = next((v for n, v in head if n == "content-transfer-encoding"), None)
        message = _plain_lines(_decoded(encoding, body)).lstrip(b"\n")
        inside = (_part(message, depth + 1, count, "text/plain"),)
    return Part(head, kind, parameters, body, inside)


def _pieces(body: bytes, boundary: str) -> list[bytes]:
    """What stands between the delimiter lines; a missing last one is forgiven."""
    line = re.compile(
        rb"^--" + re.escape(boundary.rstrip().encode()) + rb"(--)?[ \t]*$", re.MULTILINE
    )
    pieces: list[bytes] = []
    start = -1
    for found in line.finditer(body):
        if start >= 0:
            pieces.append(body[start : max(start, found.start() - 1)])
        start = found.end() + 1
        if found[1] or len(pieces) > MOST_PARTS:
            return pieces
    if start >= 0:
        pieces.append(body[start:])
    return pieces


def _decoded(encoding: str | None, body: bytes) -> bytes:
    match (encoding or "").strip().lower():
        case "base64":
            letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
            return binascii.a2b_base64(letters[: len(letters) // 4 * 4] or b"")
        case "quoted-printable":
            return binascii.a2b_qp(body)
        case _:
            return body


def _plain_lines(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
