"""SendGrid's signed event webhook: is it theirs, is it fresh, and what does it tell? Pure.

    key, timestamp, signature, raw body, now -> theirs or not
    body -> events that name a row of ours by its custom argument

| event | becomes |
|---|---|
| delivered | delivered |
| deferred | deferred |
| bounce | bounced; blocked where its type says so |
| dropped: Bounced Address, Invalid | bounced |
| dropped: Spam Reporting Address | complained |
| dropped: Unsubscribed Address | left |
| dropped, for any other reason | blocked |
| spamreport | complained |

Opens, clicks and whatever else is looked past. Of an event its kind, its id
and two numbers are read: the address, the words, an IP stay where they are.

Source: Twilio SendGrid, Event Webhook reference and its security features.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from newsletter.config import FILE_NAME, Settings
from newsletter.delivery.feedback.events import ENHANCED, Event, Kind
from newsletter.delivery.transports.sendgrid_mail import DELIVERY
from newsletter.errors import CouldNotRun, Finding, Where

FRESH = dt.timedelta(seconds=300)
"""A request that was signed longer ago, or later than now, is somebody's recording."""
MOST_EVENTS = 20_000
"""SendGrid sends a batch when it reaches 768 KB, of events of some 300 octets."""
SOURCE = "sendgrid"

_DELIVERY_ID = re.compile(r"[0-9a-f]{32}")
_EVENT_ID = re.compile(r"[!-~]{1,200}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{80,140}={0,2}")
"""DER of two 256-bit numbers, in base64."""
_CODE = re.compile(r"\s*([245][0-9]{2})(?![0-9])")
_STATUS = re.compile(rf"\s*[245]\d{{2}}[ -]({ENHANCED.pattern})(?![\d.])", re.ASCII)

_DROPPED = {
    "bounced address": Kind.BOUNCED,
    "invalid": Kind.BOUNCED,
    "spam reporting address": Kind.COMPLAINED,
    "unsubscribed address": Kind.LEFT,
}


class Unreadable(ValueError):
    """The body is no list of events."""


def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """The verification key as SendGrid shows it: base64 of a SubjectPublicKeyInfo, with or without PEM's frame.

    Raises:
        ValueError: it is none, or not of P-256.
    """
    bare = re.sub(r"-----(BEGIN|END) PUBLIC KEY-----|\s", "", text)
    try:
        key = load_der_public_key(base64.b64decode(bare, validate=True))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("not a public key in base64") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a key of the curve P-256")
    return key


def objections(settings: Settings) -> list[Finding]:
    """NL635 where newsletter.toml holds a webhook key that is none."""
    text = settings.delivery.sendgrid.webhook_key
    try:
        if text is not None:
            public_key(text)
    except ValueError as error:
        return [
            Finding(
                "NL635",
                f"[delivery.sendgrid] webhook_key is {error}",
                Where(FILE_NAME),
                help="copy the verification key from SendGrid, Mail Settings, Event Webhook, Security features",
            )
        ]
    return []


def webhook_key(settings: Settings) -> ec.EllipticCurvePublicKey | None:
    """The key that SendGrid signs its events with; None where there is no webhook.

    Raises:
        CouldNotRun: NL635, it is none.
    """
    if found := objections(settings):
        raise CouldNotRun(*found)
    text = settings.delivery.sendgrid.webhook_key
    return None if text is None else public_key(text)


def is_fresh(timestamp: str, now: dt.datetime) -> bool:
    """Whether the moment that was signed (seconds since 1970) is within five minutes of `now`."""
    if not _TIMESTAMP.fullmatch(timestamp):
        return False
    return abs(now.timestamp() - int(timestamp)) <= FRESH.total_seconds()


def is_theirs(key: ec.EllipticCurvePublicKey, timestamp: str, signature: str, body: bytes) -> bool:
    """Whether `signature` is theirs for exactly these octets. Raises nothing."""
    if not _SIGNATURE.fullmatch(signature):
        return False
    try:
        key.verify(
            base64.b64decode(signature, validate=True),
            timestamp.encode("ascii") + body,
            ec.ECDSA(hashes.SHA256()),
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def read(body: bytes, now: dt.datetime) -> list[Event]:
    """The events that tell something of a row of ours; the others are looked past.

    Raises:
        Unreadable: it is no JSON list, or longer than any of SendGrid's.
    """
    try:
        found = json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Unreadable from error
    if not isinstance(found, list) or len(found) > MOST_EVENTS:
        raise Unreadable
    return list(_events(found, now))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, without the names that stand in it twice: nobody can say which one was meant."""
    made: dict[str, Any] = {}
    twice = set()
    for name, value in pairs:
        if name in made:
            twice.add(name)
        made[name] = value
    return {name: value for name, value in made.items() if name not in twice}


def _events(found: Iterable[object], now: dt.datetime) -> Iterable[Event]:
    for each in found:
        if not isinstance(each, Mapping):
            continue
        kind, name, unique = _kind(each), _text(each, DELIVERY), _text(each, "sg_event_id")
        if kind is None or not _DELIVERY_ID.fullmatch(name) or not _EVENT_ID.fullmatch(unique):
            continue
        code, enhanced = _numbers(each)
        yield Event(kind, unique, SOURCE, now, delivery_id=name, code=code, enhanced=enhanced)


def _kind(event: Mapping[str, object]) -> Kind | None:
    match _text(event, "event"):
        case "delivered":
            return Kind.DELIVERED
        case "deferred":
            return Kind.DEFERRED
        case "bounce":
            return Kind.BLOCKED if _text(event, "type") == "blocked" else Kind.BOUNCED
        case "dropped":
            return _DROPPED.get(_text(event, "reason").strip().lower(), Kind.BLOCKED)
        case "spamreport":
            return Kind.COMPLAINED
        case _:
            return None


def _numbers(event: Mapping[str, object]) -> tuple[int | None, str | None]:
    """RFC 5321 code and RFC 3463 status, from where SendGrid puts them."""
    said = _text(event, "reason") or _text(event, "response")
    code, own, status = _CODE.match(said), _STATUS.match(said), _text(event, "status")
    if own:  # the server's own words; `status` is often SendGrid's guess, such as 5.0.0
        enhanced: str | None = own[1]
    else:
        enhanced = status if ENHANCED.fullmatch(status) else None
    return int(code[1]) if code else None, enhanced


def _text(event: Mapping[str, object], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""
