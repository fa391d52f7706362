"""POST /hooks/sendgrid: what became of mails that SendGrid carried, told by SendGrid itself.

    headers fresh and well-formed? -> raw body, within limits -> signature -> events
        403 no                         413, 408, 503              403          400 no list
    -> stored and applied, durably -> 204

Nobody else is believed and nobody is told why not. What is in a body is never
logged; an event that was here before changes nothing. SendGrid asks again for
a day where the answer is not 2xx, so a full house may say 503.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


class Hook:
    """The route. `held` counts the octets in hand; it is touched by the event loop's thread alone."""

    def __init__(self, parts: WebParts) -> None:
        assert parts.sendgrid is not None
        self._parts = parts
        self._key = parts.sendgrid
        self._held = 0

    async def post(self, request: Request) -> Response:
        timestamp = _single(request, TIMESTAMP)
        signature = _single(request, SIGNATURE)
        if not sendgrid_events.is_fresh(timestamp, self._parts.clock()):
            return Response(status_code=403)
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            return Response(status_code=415)  # nothing is unpacked here
        with self._share() as hold:
            try:
                body = await fields.read_body(request, LONGEST_BODY, hold)
            except fields.Refused as refused:
                return Response(status_code=refused.status)
            return await run_in_threadpool(self._take, timestamp, signature, body)

    @contextmanager
    def _share(self) -> Iterator[Callable[[int], None]]:
        """One request's share of the octets in hand, given back at its end."""
        mine = 0

        def hold(octets: int) -> None:
            nonlocal mine
            if self._held + octets > MOST_HELD:
                raise fields.Refused(503)
            mine += octets
            self._held += octets

        try:
            yield hold
        finally:
            self._held -= mine

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
