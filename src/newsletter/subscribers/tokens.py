"""The 32 characters in a mailed link: 8 bytes that name a row, 16 that only we can make.

Pure. A token holds no address and cannot be guessed (U3 of RFC 8058 §3.1:
opaque, hard to forge). It is bound to its purpose, so that a leave link never
confirms anything. 24 bytes are 32 base64url characters without a spare bit:
every token has exactly one spelling.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum

ID_BYTES = 8
TAG_BYTES = 16
SHAPE = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)


class Purpose(StrEnum):
    """What a link may do."""

    MAIL = "mail"
    """In every issue: leave, language. Never expires; names a subscriber's link_id."""
    CONFIRM = "confirm"
    """In the confirmation mail; names a confirmation."""
    DATA = "data"
    """In a freshly mailed link: what is held, erase. Names a confirmation."""
    BOUNCE = "bounce"
    """In the envelope sender (VERP); names what was sent."""
    CHALLENGE = "challenge"
    """Never mailed: what the sign-up form's challenges are signed with (web/challenge.py)."""


def make(key: bytes, purpose: Purpose, name: bytes) -> str:
    """The token for `name` (8 bytes)."""
    if len(name) != ID_BYTES:
        raise ValueError("a token names eight bytes")
    return base64.urlsafe_b64encode(name + _tag(key, purpose, name)).decode("ascii")


def read(keys: Sequence[bytes], purpose: Purpose, token: str) -> bytes | None:
    """The name in a token that one of `keys` made for `purpose`; None for anything else.

    Every key is tried every time, each compared in constant time: neither the
    generation nor the first wrong byte shows in how long this takes.
    """
    if not SHAPE.fullmatch(token):
        return None
    raw = base64.urlsafe_b64decode(token)
    name, tag = raw[:ID_BYTES], raw[ID_BYTES:]
    good = False
    for key in keys:
        good |= hmac.compare_digest(tag, _tag(key, purpose, name))
    return name if good else None


def _tag(key: bytes, purpose: Purpose, name: bytes) -> bytes:
    return hmac.digest(key, purpose.encode() + b"\0" + name, "sha256")[:TAG_BYTES]
