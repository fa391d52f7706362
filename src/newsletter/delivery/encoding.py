"""Transfer encodings with a hole: quoted-printable or base64 around a token that is filled later. Pure.

Both encoders return text that is 7-bit clean, with CRLF and lines of at most
76 characters, cut into pieces: bytes that are the same for every reader, and
`Hole`s that each reader's token goes into. Filling moves nothing:

    quoted-printable   the token stands alone on its line between soft breaks
    base64             the three-byte groups that the token touches are encoded
                       when it is known; everything around them is aligned

Source: RFC 2045 §6.7 and §6.8.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass

from newsletter.issue.edition import TOKEN_SLOT

SLOT = TOKEN_SLOT.encode()
LINE = 76
"""RFC 2045 §6.7 (5), §6.8: the longest encoded line, without its CRLF."""

_LITERAL = re.compile(rb"[^\t -<>-~]")
_LINE_END = re.compile("\r\n|\r|\n")
_BASE64_INPUT = LINE // 4 * 3


@dataclass(frozen=True, slots=True)
class Hole:
    """Raw bytes with `SLOT` in them, to be base64-encoded once the token is in; a multiple of three."""

    raw: bytes

    def fill(self, token: bytes) -> bytes:
        """Lines of their own. A token is as long as its slot."""
        return _base64_lines(self.raw.replace(SLOT, token))


Piece = bytes | Hole
"""Bytes may hold `SLOT` where the token stands as it is."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """`name` is the Content-Transfer-Encoding."""

    name: str
    pieces: tuple[Piece, ...]
    size: int


def encode(text: str) -> Encoded:
    """`text` as UTF-8 with CRLF line ends, in the encoding that makes it smaller."""
    lines = _LINE_END.split(text.rstrip("\r\n"))
    raw = "\r\n".join([*lines, ""]).encode()
    return min(quoted_printable(raw), base64(raw), key=lambda encoded: encoded.size)


def quoted_printable(raw: bytes) -> Encoded:
    body = b"\r\n".join(_hard_line(line) for line in raw.split(b"\r\n"))
    return Encoded("quoted-printable", (body,), len(body))


def _hard_line(line: bytes) -> bytes:
    lines: list[bytes] = []
    between = line.split(SLOT)
    for number, part in enumerate(between):
        if number:
            lines.append(SLOT)
        lines += _soft_lines(part, at_end=number == len(between) - 1)
    return b"=\r\n".join(lines)


def _soft_lines(part: bytes, *, at_end: bool) -> list[bytes]:
    text = _LITERAL.sub(lambda found: b"=%02X" % found[0][0], part)
    if at_end and text[-1:] in (b" ", b"\t"):  # a relay may drop white space at the end of a line
        text = text[:-1] + b"=%02X" % text[-1]
    lines = []
    start = 0
    while start < len(text):
        end = start + LINE - 1  # room for the soft break's "="
        # mbox quotes "From ", SMTP doubles a dot: neither begins a line of ours
        special = text.startswith((b"From ", b"."), start)
        end -= 2 * special
        if end < len(text):
            if text[end - 1 : end] == b"=":
                end -= 1
            elif text[end - 2 : end - 1] == b"=":
                end -= 2
        line = text[start:end]
        lines.append(b"=%02X" % line[0] + line[1:] if special else line)
        start = end
    return lines


def base64(raw: bytes) -> Encoded:
    pieces: list[Piece] = []
    size = done = 0
    for start, end in [*_groups(raw), (len(raw), len(raw))]:
        body = _base64_lines(raw[done:start])
        pieces.append(body)
        size += len(body)
        if start < end:
            pieces.append(Hole(raw[start:end]))
            size += len(_base64_lines(raw[start:end]))
        done = end
    return Encoded("base64", tuple(pieces), size)


def _groups(raw: bytes) -> list[tuple[int, int]]:
    """The three-byte groups that slots touch, as ranges; ranges that overlap become one.

    The raw text ends in CRLF, so there is room to align behind the last slot.
    """
    ranges: list[tuple[int, int]] = []
    at = raw.find(SLOT)
    while at >= 0:
        start, end = at // 3 * 3, -(-(at + len(SLOT)) // 3) * 3
        if ranges and start < ranges[-1][1]:
            start = ranges.pop()[0]
        ranges.append((start, end))
        at = raw.find(SLOT, at + len(SLOT))
    return ranges


def _base64_lines(raw: bytes) -> bytes:
    return b"".join(
        b64encode(raw[at : at + _BASE64_INPUT]) + b"\r\n"
        for at in range(0, len(raw), _BASE64_INPUT)
    )
