"""The inbox's SMTP side: takes every mail, delivers none. Listens on loopback only."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any

from aiosmtpd.smtp import SMTP

from newsletter.inbox.shelf import Shelf

# aiosmtpd logs every envelope; addresses do not go into logs, not even here.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class Sink:
    """aiosmtpd's handler: one `put` per DATA, answered only when the mail is kept."""

    def __init__(self, shelf: Shelf, clock: Callable[[], dt.datetime]) -> None:
        self._shelf = shelf
        self._clock = clock

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer PIPELINING (RFC 2920): the server reads commands from a stream, so it keeps the rule."""
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        mail = self._shelf.put(
            envelope.mail_from or "", tuple(envelope.rcpt_tos), envelope.content, self._clock()
        )
        return f"250 2.0.0 kept as {mail.number}"


def protocol(sink: Sink) -> Callable[[], SMTP]:
    """What the event loop calls for each connection."""
    return lambda: SMTP(sink, hostname="localhost", ident="newsletter inbox", enable_SMTPUTF8=True)
