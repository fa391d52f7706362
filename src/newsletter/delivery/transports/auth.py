"""Logging in: what is said for each mechanism, and which is tried first. Pure.

Our own and not smtplib's `login`: that one says a password in clear where it is
offered nothing better, tries on after a refusal until the account is locked,
and raises an error that holds the password when it is not ASCII.

Source: RFC 4954, RFC 4616 (PLAIN), RFC 2195 (CRAM-MD5).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Generator

from newsletter.delivery.reply import Nonsense

Saying = Generator[str, str, None]
"""Yields what to say; is sent the text of each 334."""

LONGEST = 500
"""RFC 4954 §4: a longer first answer waits for its own 334."""

TRY_ANOTHER = frozenset({500, 501, 502, 503, 504, 534, 538})
"""RFC 4954 §6: this mechanism does not do. 535 means that the password does not, and is believed."""


def ways(offered: str, *, secure: bool) -> list[str]:
    """The offered mechanisms that we know, the best first.

    Inside TLS the plain ones come first: they need no copy of the password that
    the relay could lose. Outside, only what does not show it comes first.
    """
    names = offered.upper().split()
    order = ("PLAIN", "LOGIN", "CRAM-MD5") if secure else ("CRAM-MD5", "PLAIN", "LOGIN")
    return [name for name in order if name in names]


def plain(user: str, password: str) -> Saying:
    answer = _coded(f"\0{user}\0{password}".encode())
    if len(answer) > LONGEST:
        yield "AUTH PLAIN"
        yield answer
    else:
        yield f"AUTH PLAIN {answer}"


def login(user: str, password: str) -> Saying:
    yield "AUTH LOGIN"
    yield _coded(user.encode())
    yield _coded(password.encode())


def cram_md5(user: str, password: str) -> Saying:
    """Raises Nonsense when the challenge is none."""
    challenge = yield "AUTH CRAM-MD5"
    try:
        asked = base64.b64decode(challenge, validate=True)
    except (binascii.Error, ValueError):
        raise Nonsense from None
    digest = hmac.new(password.encode(), asked, "md5").hexdigest()
    yield _coded(f"{user} {digest}".encode())


SAYINGS: dict[str, Callable[[str, str], Saying]] = {
    "PLAIN": plain,
    "LOGIN": login,
    "CRAM-MD5": cram_md5,
}


def _coded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
