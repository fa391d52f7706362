"""A body read piece by piece, inflated piece by piece, and stopped when it is too much."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

PIECE = 65536


class TooMuch(Exception):
    """More bytes than a feed may have, before or after inflation."""


def gather(pieces: Iterable[bytes], encoding: str, limit: int) -> bytes:
    """The whole body of a response whose Content-Encoding is `encoding`.

    Never holds more than `limit` bytes and one piece, however small the
    compressed bomb.

    Raises:
        TooMuch: the body is larger than `limit`.
        ValueError: the encoding is none we asked for, or the data is broken.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return _bounded(pieces, limit)
    if encoding not in ("gzip", "x-gzip"):
        raise ValueError(f"the server sent the encoding {encoding[:20]!r}, which was not asked for")
    return _bounded(_inflated(pieces), limit)


def _bounded(pieces: Iterable[bytes], limit: int) -> bytes:
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) > limit:
            raise TooMuch
    return bytes(found)


def _inflated(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """gzip, inflated at most PIECE bytes at a time (RFC 1952; 16 asks zlib for its header)."""
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        for piece in pieces:
            waiting = piece
            while waiting and not inflater.eof:
                yield inflater.decompress(waiting, PIECE)
                waiting = inflater.unconsumed_tail
    except zlib.error as error:
        raise ValueError("the compressed data is broken") from error
    if not inflater.eof:
        raise ValueError("the compressed data ends too soon")
