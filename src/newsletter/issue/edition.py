"""An Edition: one language of an issue, rendered and frozen. It knows no reader.

The only thing that differs from one reader's copy to the next is the token in
their links; it stands as `TOKEN_SLOT`, which has a token's length and
alphabet, so that filling it moves nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

TOKEN_SLOT = "TOKEN-SLOT-32-characters-long-XX"
"""32 URL-safe characters, as long as a token (subscribers/tokens.py)."""


def leave_url(public_url: str, token: str = TOKEN_SLOT) -> str:
    """The one-click link: GET shows a page, POST leaves (RFC 8058)."""
    return f"{public_url}/leave/{token}"


def preferences_url(public_url: str, token: str = TOKEN_SLOT) -> str:
    return f"{public_url}/preferences/{token}"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Edition:
    """The bytes of one language. `html` and `text` hold `TOKEN_SLOT`; `body` does not.

    `body` is the archive's part of a page: everything between the mail's
    heading and its footer, with addresses of our own site without the host.
    """

    language: str
    subject: str
    preheader: str
    html: str
    text: str
    body: str


@dataclass(frozen=True, slots=True)
class ApprovedIssue:
    """What goes through the one door: the frozen editions and the hash that was approved.

    `manifest` is the SHA-256 of `edition.toml`; `as_of` is the period's due
    moment, aware; the first edition is that of the publication's first language.
    """

    period: str
    number: int
    manifest: str
    as_of: dt.datetime
    approved_by: tuple[str, ...]
    editions: tuple[Edition, ...]
