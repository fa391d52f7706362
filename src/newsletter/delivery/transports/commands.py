"""What a relay is told of one message, before it and in it. Pure.

Source: RFC 5321 §3.3 and §4.5.2, RFC 1870 (SIZE), RFC 3461 (DSN), RFC 6531 (SMTPUTF8).
"""

from __future__ import annotations

import re
from collections.abc import Container

from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage

RESET = b"RSET\r\n"
DOT = b".\r\n"

_PLAIN = re.compile(r"[A-Za-z0-9_-]*")
_UNSAYABLE = re.compile(r"[\x00-\x20<>\x7f]")

Command = tuple[Stage, bytes]


def commands(envelope: Envelope, size: int, offered: Container[str]) -> list[Command] | Outcome:
    """The commands before the message, or why a relay that offers this cannot be told them."""
    mail, rcpt = f"MAIL FROM:<{envelope.sender}>", f"RCPT TO:<{envelope.recipient}>"
    if not (_sayable(envelope.sender) and _sayable(envelope.recipient)):
        return Outcome(Kind.DEFERRED, Stage.MAIL, reply="an address that would break the line")
    if "size" in offered:
        mail += f" SIZE={size}"
    ours = envelope.sender.isascii()
    if envelope.smtputf8 or not ours:
        if "smtputf8" not in offered:
            said = (553, "5.6.7", "the relay does not offer SMTPUTF8")
            if ours:
                return Outcome(Kind.REJECTED, Stage.RCPT, *said)
            return Outcome(Kind.OUR_FAULT, Stage.MAIL, *said)
        mail += " BODY=8BITMIME SMTPUTF8"
    if "dsn" in offered:
        mail += " RET=HDRS"  # a report needs no copy of the letter
        if envelope.envelope_id:
            mail += f" ENVID={_xtext(envelope.envelope_id)}"
        rcpt += " NOTIFY=FAILURE,DELAY"
    return [
        (Stage.MAIL, f"{mail}\r\n".encode()),
        (Stage.RCPT, f"{rcpt}\r\n".encode()),
        (Stage.DATA, b"DATA\r\n"),
    ]


def stuffed(message: bytes) -> bytes:
    """A dot at the start of a line is doubled (RFC 5321 §4.5.2)."""
    if message.startswith(b"."):
        message = b"." + message
    return message.replace(b"\r\n.", b"\r\n..") if b"\r\n." in message else message


def _sayable(address: str) -> bool:
    """Nothing in it ends the path or the line."""
    return _UNSAYABLE.search(address) is None


def _xtext(value: str) -> str:
    """RFC 3461 §4: printable ASCII but "+" and "="; the rest in hexadecimal."""
    if _PLAIN.fullmatch(value):
        return value[:100]
    return "".join(
        chr(each) if 33 <= each <= 126 and each not in b"+=" else f"+{each:02X}"
        for each in value.encode()
    )[:100]
