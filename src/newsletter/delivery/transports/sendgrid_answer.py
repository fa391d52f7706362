"""What an HTTP answer of SendGrid means for the message, and how long the sender is asked to rest. Pure.

    202 with X-Message-Id                accepted: it is theirs to deliver now
    400 that names the reader's address  rejected
    401, 403, 413 and other 4xx          our fault: nothing was taken, the sender pauses
    429                                  deferred, and the whole sender slows down
    anything else                        in doubt: 200 (a sandbox's answer), other 2xx, 3xx, 408, 5xx

An outcome's code is the HTTP status, but for a rejected reader: there it is
what an SMTP server says of an address that cannot be, for whoever judges it
later (feedback/verdict.py).

There is no key by which SendGrid would know a request again, so a message that
may have been taken is never offered a second time.

Source: Twilio SendGrid, API reference, Mail Send: responses and errors; RFC 9110 §10.2.3, §15.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from email.message import Message
from email.utils import parsedate_to_datetime

from newsletter.delivery import reply as replies
from newsletter.delivery.outcome import Kind, Outcome, Stage

_READER = re.compile(r"(message\.)?personalizations(\.0|\[0\])\.to(\.0|\[0\])\.email")
"""How an error names the one address in the request."""
_ID = re.compile(r"[!-~]{1,200}")

REST = 10.0
"""Seconds after a 429 that does not say how long."""
LONGEST_REST = 3600.0


def judge(status: int, headers: Message, body: bytes) -> Outcome:
    """The outcome of a request that was handed over whole."""
    end = Stage.TERMINATOR
    if status == 202:
        if _ID.fullmatch(str(headers.get("X-Message-Id", ""))):
            return Outcome(Kind.ACCEPTED, end, 202)
        return Outcome(Kind.IN_DOUBT, end, 202, reply="an acceptance without an id")
    if status == 400:
        return _refused(body)
    if status in (401, 403):
        return Outcome(Kind.OUR_FAULT, Stage.AUTH, status, reply=_said(body))
    if status == 429:
        return Outcome(Kind.DEFERRED, Stage.MAIL, 429, reply="too many requests")
    if 400 <= status < 500 and status != 408:
        return Outcome(Kind.OUR_FAULT, Stage.MAIL, status, reply=_said(body))
    return Outcome(Kind.IN_DOUBT, end, status, reply="neither accepted nor refused")


def rest(headers: Message, now: dt.datetime) -> float:
    """Seconds that a 429 asks for; `now` is used where the answer does not tell its own time."""
    now = _moment(str(headers.get("Date", ""))) or now
    after = str(headers.get("Retry-After", ""))
    reset = str(headers.get("X-RateLimit-Reset", ""))
    if re.fullmatch(r"\d{1,9}", after):
        seconds = float(after)
    elif (moment := _moment(after)) is not None:
        seconds = (moment - now).total_seconds()
    elif re.fullmatch(r"\d{1,11}", reset):
        seconds = int(reset) - now.timestamp()
    else:
        seconds = REST
    return min(max(seconds, 0.0), LONGEST_REST)


def _refused(body: bytes) -> Outcome:
    """A 400: about the reader when every error names the reader's address, else about us."""
    fields = [str(each.get("field")) for each in _errors(body)]
    if fields and all(_READER.fullmatch(field) for field in fields):
        # RFC 5321 §4.2.3: mailbox name not allowed; RFC 3463 §3.2: bad mailbox address syntax
        return Outcome(Kind.REJECTED, Stage.RCPT, 553, "5.1.3", _said(body))
    return Outcome(Kind.OUR_FAULT, Stage.MAIL, 400, reply=_said(body))


def _said(body: bytes) -> str:
    return replies.scrub(" ".join(str(each.get("message")) for each in _errors(body)))


def _errors(body: bytes) -> list[Mapping[str, object]]:
    try:
        found = json.loads(body)["errors"]
        return [each for each in found if isinstance(each, Mapping)]
    except (ValueError, RecursionError, KeyError, TypeError):
        return []


def _moment(text: str) -> dt.datetime | None:
    """An HTTP date, aware."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
