"""One gate for every e-mail address that comes in: form, import, command line.

What passes has one spelling to send to and one key to be found by. The key
folds case and Unicode forms; it does not fold `+tags` or dots, because those
may be different people (two addresses are two readers). No DNS is asked.

Source: RFC 5321 §4.5.3.1 (lengths), RFC 5322 §3.4.1, RFC 6531 (SMTPUTF8),
RFC 5891 (A-labels); syntax by email-validator.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

LONGEST = 254
"""RFC 5321 §4.5.3.1.3: a path has 256 octets, two of them are angle brackets."""

ASCII_LOCAL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII
)
"""dot-atom-text of RFC 5322 §3.2.3; quoted local parts are refused."""

ROLES = frozenset(
    {"abuse", "admin", "administrator", "billing", "contact", "help", "hostmaster", "info", "it"}
    | {"mail", "mailer-daemon", "marketing", "news", "newsletter", "no-reply", "noreply"}
    | {"office", "postmaster", "press", "root", "sales", "security", "service", "support"}
    | {"team", "webmaster"}
)
"""Mailboxes that are often read by several people (RFC 2142 and habit): a hint, not a refusal."""


class Refusal(StrEnum):
    """Why a text is no address we can send to."""

    EMPTY = "empty"
    TOO_LONG = "too long"
    CONTROL = "control characters"
    MALFORMED = "not an e-mail address"
    NEEDS_SMTPUTF8 = "letters before the @ that this publication's mail road cannot carry"


@dataclass(frozen=True, slots=True)
class Address:
    """An address that passed the gate. It never prints itself.

    `mailbox` is what to send to: the local part as its owner wrote it (NFC),
    the domain as lower-case A-labels. `key` is what the indexes are made of.
    `smtputf8`: the local part is not ASCII, RFC 6531 must be spoken.
    """

    mailbox: str
    key: str
    smtputf8: bool = False

    @property
    def is_role(self) -> bool:
        return self.key.partition("@")[0] in ROLES

    def __repr__(self) -> str:
        return "Address(***)"


def read(text: str, *, smtputf8: bool = True) -> Address | Refusal:
    """Let one address in, or say why not. `smtputf8`: whether the transport carries such local parts."""
    text = text.strip(" \t\r\n")
    if not text:
        return Refusal.EMPTY
    if len(text) > LONGEST:
        return Refusal.TOO_LONG
    if not text.isprintable() and any(map(_is_control, text)):
        return Refusal.CONTROL
    local, _, domain = text.rpartition("@")
    if ASCII_LOCAL.fullmatch(local):
        if len(local) > 64:
            return Refusal.TOO_LONG
        ascii_domain = _domain(domain)
        if ascii_domain is None:
            return Refusal.MALFORMED
        return _sized(local, ascii_domain)
    try:
        found = validate_email(text, check_deliverability=False, strict=True)
    except EmailNotValidError:
        return Refusal.MALFORMED
    if not found.ascii_domain:
        return Refusal.MALFORMED
    if found.smtputf8 and not smtputf8:
        return Refusal.NEEDS_SMTPUTF8
    return _sized(found.local_part, found.ascii_domain.lower())


def _is_control(character: str) -> bool:
    """Controls, invisible formatting, lone surrogates, line and paragraph separators."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def again(mailbox: str) -> Address:
    """The Address of a mailbox that passed the gate before, whatever the gate says today."""
    local, _, domain = mailbox.rpartition("@")
    return _made(local, domain)


@lru_cache(maxsize=4096)
def _domain(domain: str) -> str | None:
    """The A-label form of a domain that may receive mail, else None. Lists have few domains: cached."""
    try:
        found = validate_email(f"x@{domain}", check_deliverability=False, strict=True)
    except EmailNotValidError:
        return None
    return found.ascii_domain.lower() if found.ascii_domain else None


def _sized(local: str, domain: str) -> Address | Refusal:
    mailbox = f"{local}@{domain}"
    if len(local.encode()) > 64 or len(mailbox.encode()) > LONGEST:
        return Refusal.TOO_LONG
    return _made(local, domain)


def _made(local: str, domain: str) -> Address:
    mailbox = f"{local}@{domain}"
    if local.isascii():
        return Address(mailbox, f"{local.lower()}@{domain}")
    # Case folding maps some letters onto ASCII (U+017F to "s"). The mark keeps
    # such a mailbox from being taken for its ASCII neighbour; a colon cannot
    # stand in an unquoted local part.
    folded = unicodedata.normalize("NFC", local.casefold())
    return Address(mailbox, f"utf8:{folded}@{domain}", smtputf8=True)
