"""GET and POST /data without a token: "what do you hold about me", asked with nothing but an address.

    fields -> honeypot -> address? -> network's measure -> one transaction:
        people.ask_data (a fresh link)  +  notices.enqueue (the mail with the link)

For whoever lost their letters, or left. The answer is one page after one time,
whoever the address belongs to; what is held goes to its mailbox alone, in the
language that its owner reads, and at most once a day.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from newsletter.delivery import notices
from newsletter.subscribers import address as addresses
from newsletter.subscribers import people
from newsletter.subscribers.address import Address, Refusal
from newsletter.subscribers.people import Person
from newsletter.web import bucket, fields
from newsletter.web.networks import Networks
from newsletter.web.pages import Pages, wants_json
from newsletter.web.parts import WebParts
from newsletter.web.together import Together


@dataclass(frozen=True, slots=True)
class _Wish:
    """One good form. `client` is who sent it, to be counted by network and not to be kept."""

    address: Address
    client: str | None
    now: dt.datetime


class Enquiry:
    """Counts its visitors together with the sign-up form: both make mail for an address."""

    def __init__(self, parts: WebParts, pages: Pages, networks: Networks) -> None:
        self._parts = parts
        self._pages = pages
        self._networks = networks
        self._together = Together(self._ask_all, "enquiries")

    async def show(self, request: Request) -> Response:
        return self._form(request, self._pages.language(request))

    async def post(self, request: Request) -> Response:
        sent = await fields.read(request)
        began = time.monotonic()
        language = self._pages.language(request, sent.get("language"))
        if sent.get("website"):
            # Only a robot fills it in (subscribe.py): the same answer, and nothing is done.
            return await self._asked(request, language, began)
        address = addresses.read(sent.get("address", ""), smtputf8=self._parts.smtputf8)
        if isinstance(address, Refusal):
            return self._form(request, language, "address")
        client = request.client.host if request.client else None
        if not await self._together.do(_Wish(address, client, self._parts.clock())):
            return self._pages.error(request, 429, {"Retry-After": "3600"})
        return await self._asked(request, language, began)

    def _ask_all(self, wishes: Sequence[_Wish]) -> list[bool]:
        with self._parts.store.write() as tx:
            return [self._ask(tx, wish) for wish in wishes]

    def _ask(self, tx: Connection, wish: _Wish) -> bool:
        """Link and mail for whoever is known; False when the network has had its measure."""
        if not self._networks.admits(wish.client, wish.now, proved=False):
            return False
        person = people.find_by_address(tx, self._parts.vault, wish.address)
        if person is not None:
            mail_link(tx, person, wish.now, once_a_day=True)
        return True

    async def _asked(self, request: Request, language: str, began: float) -> Response:
        if wants_json(request):
            answer: Response = JSONResponse({"status": "asked"})
        else:
            hours = round(people.DATA_VALID_FOR.total_seconds() / 3600)
            answer = self._pages.still("enquired.html", language, hours=hours)
        await asyncio.sleep(bucket.rest(time.monotonic() - began))
        return answer

    def _form(self, request: Request, language: str, problem: str | None = None) -> Response:
        """The form; with `problem` as the answer to one that could not be taken."""
        status = 422 if problem else 200
        if wants_json(request):
            return JSONResponse({"problem": problem, "language": language}, status)
        return self._pages.page(
            "enquiry.html", language, status, switch=problem is None, problem=problem
        )


def mail_link(
    tx: Connection, person: Person, now: dt.datetime, *, once_a_day: bool = False
) -> None:
    """Queue a mail with a fresh link to their own data, unless they had enough of them (`ask_data`)."""
    asked = people.ask_data(tx, person.id, now, once_a_day=once_a_day)
    if asked.send_notice and asked.subscriber_id and asked.confirmation_id:
        notices.enqueue(
            tx,
            "data",
            asked.subscriber_id,
            asked.confirmation_id,
            person.language,
            asked.consent_epoch,
            now,
        )
