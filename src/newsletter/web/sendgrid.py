"""POST /hooks/sendgrid: what became of mails that SendGrid carried, told by SendGrid itself.

    headers fresh and well-formed? -> raw body, within limits -> signature -> events
        403 no                         413, 408, 503              403          400 no list
    -> stored and applied, durably -> 204

Nobody else is believed and nobody is told why not. What is in a body is never
logged; an event that was here before changes nothing. SendGrid asks again for
a day where the answer is not 2xx, so a full house may say 503: to whoever has
been sending for longest, because SendGrid sends all at once.
"""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from newsletter.delivery import feedback
from newsletter.delivery.feedback import sendgrid as sendgrid_events
from newsletter.web import fields
from newsletter.web.parts import WebParts

PATH = "/hooks/sendgrid"
SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"

LONGEST_BODY = 1024 * 1024
"""Octets. SendGrid sends what it has when that reaches 768 KB."""
MOST_HELD = 16 * LONGEST_BODY
"""Octets of all bodies that are being read at one moment: strangers cannot fill the memory."""
TOGETHER = 250
"""Events in one commit: whoever sends meanwhile gets the pen in between."""


class Hands:
    """Every body in hand, by whose patience with its sender ends; at most MOST_HELD octets. For the event loop's thread."""

    def __init__(self) -> None:
        self._coming: dict[asyncio.Timeout, int] = {}
        """In the order in which they began."""
        self._whole: dict[asyncio.Timeout, int] = {}

    def __len__(self) -> int:
        return sum(self._coming.values()) + sum(self._whole.values())

    def take(self, one: asyncio.Timeout, octets: int) -> None:
        """So many more have come. Whoever has been coming for longest is let go of until there is room.

        Raises:
            Refused: 503, there is nobody else to let go of; or it was let go of itself.
        """
        if one.expired():
            raise fields.Refused(503)
        self._coming[one] = self._coming.get(one, 0) + octets
        while len(self) > MOST_HELD:
            longest = next(iter(self._coming))
            del self._coming[longest]
            if longest is one:
                raise fields.Refused(503)
            longest.reschedule(0)

    def keep(self, one: asyncio.Timeout) -> None:
        """All of it is here."""
        self._whole[one] = self._coming.pop(one, 0)

    def drop(self, one: asyncio.Timeout) -> None:
        self._coming.pop(one, None)
        self._whole.pop(one, None)


class Hook:
    """The route."""

    def __init__(self, parts: WebParts) -> None:
        assert parts.sendgrid is not None
        self._parts = parts
        self._key = parts.sendgrid
        self._hands = Hands()

    async def post(self, request: Request) -> Response:
        timestamp = _single(request, TIMESTAMP)
        signature = _single(request, SIGNATURE)
        if not sendgrid_events.is_fresh(timestamp, self._parts.clock()):
            return Response(status_code=403)
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            return Response(status_code=415)  # nothing is unpacked here
        mine = asyncio.timeout(None)
        try:
            async with mine:
                body = await fields.read_body(
                    request, LONGEST_BODY, lambda octets: self._hands.take(mine, octets)
                )
            self._hands.keep(mine)
            return await run_in_threadpool(self._take, timestamp, signature, body)
        except fields.Refused as refused:
            return Response(status_code=refused.status)
        except TimeoutError:
            return Response(status_code=503)
        finally:
            self._hands.drop(mine)

    def _take(self, timestamp: str, signature: str, body: bytes) -> Response:
        parts = self._parts
        if not sendgrid_events.is_theirs(self._key, timestamp, signature, body):
            return Response(status_code=403)
        now = parts.clock()
        try:
            events = sendgrid_events.read(body, now)
        except sendgrid_events.Unreadable:
            return Response(status_code=400)
        for at in range(0, len(events), TOGETHER):
            feedback.apply_all(parts.store, parts.journal, events[at : at + TOGETHER], now)
        return Response(status_code=204)


def _single(request: Request, name: str) -> str:
    """A header that stands there once; otherwise nothing."""
    found = request.headers.getlist(name)
    return found[0] if len(found) == 1 else ""
