"""A message of ours as the JSON that SendGrid takes. Pure.

    envelope, RFC 5322 bytes -> {"personalizations": [one reader], "from", "subject", "content", ...}

One reader, in one `to`: a second address there would be shown to the first.
What the account may have switched on for all its mail (tracking, a footer) is
switched off in every request, and nothing is said of a reader but the address
and the row's random id.

Source: Twilio SendGrid, API reference, Mail Send (v3).
"""

from __future__ import annotations

import email
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr
from typing import Any

from newsletter.delivery.outcome import Envelope

DELIVERY = "newsletter_delivery"
"""The custom argument that comes back with every event: the row's id. No event has a field of this name."""

KEPT = (
    "Message-ID",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Help",
    "List-Owner",
    "List-Archive",
    "List-Post",
    "Feedback-ID",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
)
"""Header fields that go along. The others are SendGrid's to write, or stand in the JSON."""

OFF = {
    "tracking_settings": {
        "click_tracking": {"enable": False, "enable_text": False},
        "open_tracking": {"enable": False},
        "subscription_tracking": {"enable": False},
        "ganalytics": {"enable": False},
    },
    "mail_settings": {"footer": {"enable": False}, "sandbox_mode": {"enable": False}},
}
"""Said in every request: what it leaves out, the account's own settings decide."""


def request(envelope: Envelope, message: bytes) -> dict[str, Any]:
    """The body of POST /v3/mail/send for one reader."""
    parsed = email.message_from_bytes(message)
    reader: dict[str, Any] = {
        "to": [{"email": envelope.recipient}],
        "headers": {name: _raw(parsed, name) for name in KEPT if name in parsed},
    }
    if envelope.delivery_id is not None:
        reader["custom_args"] = {DELIVERY: envelope.delivery_id}
    name, address = parseaddr(_raw(parsed, "From"))
    body: dict[str, Any] = {
        "personalizations": [reader],
        "from": {"email": address, "name": _words(name)},
        "subject": _words(_raw(parsed, "Subject")),
        "content": [
            {"type": kind, "value": _text(parsed, kind)} for kind in ("text/plain", "text/html")
        ],
        **OFF,
    }
    if "Reply-To" in parsed:
        body["reply_to"] = {"email": _raw(parsed, "Reply-To")}
    return body


def _raw(parsed: Message, name: str) -> str:
    """A field's value on one line, its encoded words as they are."""
    return str(parsed[name]).replace("\r\n", "").replace("\n", "").strip()


def _words(value: str) -> str:
    return str(make_header(decode_header(value)))


def _text(parsed: Message, kind: str) -> str:
    part = next(part for part in parsed.walk() if part.get_content_type() == kind)
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8").replace("\r\n", "\n")
