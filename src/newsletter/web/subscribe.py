"""POST /subscribe: the form of the static site, our own page's, or a publisher's front end (JSON).

    fields -> honeypot -> agreed? -> known wording? -> address? -> network's measure -> one transaction:
        people.ask (pending row, link)  +  notices.enqueue (the mail with the link)

The answer to a good form is one page after one time, whoever the address belongs to.
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
from newsletter.web import bucket, challenge, fields
from newsletter.web.challenge import Solved
from newsletter.web.gate import FORM_POLICY
from newsletter.web.networks import Networks
from newsletter.web.pages import Pages, wants_json
from newsletter.web.parts import WebParts
from newsletter.web.together import Together


@dataclass(frozen=True, slots=True)
class _Wish:
    """One good form. `client` is who sent it, to be counted by network and not to be kept."""

    address: Address
    language: str
    wording: str
    solved: Solved | None
    client: str | None
    now: dt.datetime


class Subscribe:
    def __init__(self, parts: WebParts, pages: Pages, networks: Networks) -> None:
        self._parts = parts
        self._pages = pages
        self._networks = networks
        self._together = Together(self._ask_all, "sign-ups")

    async def show(self, request: Request) -> Response:
        return self._form(request, self._pages.language(request))

    async def post(self, request: Request) -> Response:
        sent = await fields.read(request)
        began = time.monotonic()
        language = self._pages.language(request, sent.get("language"))
        if sent.get("website"):
            # The field is hidden from people: only a robot fills it in. It gets
            # the same answer as everybody and nothing is kept.
            return await self._asked(request, language, began)
        wording = sent.get("wording", "")
        if sent.get("agree") not in ("yes", "on", "true"):
            return self._form(request, language, "agree")
        if sent.get("language") != language or not self._parts.known_wording(language, wording):
            return self._form(request, language, "wording")
        address = addresses.read(sent.get("address", ""), smtputf8=self._parts.smtputf8)
        if isinstance(address, Refusal):
            return self._form(request, language, "address")
        now = self._parts.clock()
        client = request.client.host if request.client else None
        solved = challenge.check(self._parts.vault, sent.get("altcha", ""), now)
        admitted = await self._together.do(_Wish(address, language, wording, solved, client, now))
        if not admitted:
            return self._pages.error(request, 429, {"Retry-After": "3600"})
        return await self._asked(request, language, began)

    async def challenge(self, request: Request) -> Response:
        """GET /challenge: for the form's script, and for a publisher's own front end."""
        return JSONResponse(challenge.make(self._parts.vault, self._parts.clock()))

    def _ask_all(self, wishes: Sequence[_Wish]) -> list[bool]:
        with self._parts.store.write() as tx:
            challenge.forget(tx, self._parts.clock())
            return [self._ask(tx, wish) for wish in wishes]

    def _ask(self, tx: Connection, wish: _Wish) -> bool:
        """Row, link and mail, in one transaction; False when the network has had its measure."""
        parts = self._parts
        proved = wish.solved is not None and challenge.spend(tx, wish.solved)
        if not self._networks.admits(wish.client, wish.now, proved=proved):
            return False
        asked = people.ask(
            tx,
            parts.vault,
            wish.address,
            wish.language,
            wish.wording,
            wish.now,
            valid_for=parts.unconfirmed,
        )
        if asked.send_notice and asked.subscriber_id and asked.confirmation_id:
            notices.enqueue(
                tx,
                "confirm",
                asked.subscriber_id,
                asked.confirmation_id,
                wish.language,
                asked.consent_epoch,
                wish.now,
            )
        return True

    async def _asked(self, request: Request, language: str, began: float) -> Response:
        if wants_json(request):
            answer: Response = JSONResponse({"status": "asked"})
        else:
            hours = round(self._parts.unconfirmed.total_seconds() / 3600)
            answer = self._pages.still("asked.html", language, hours=hours)
        await asyncio.sleep(bucket.rest(time.monotonic() - began))
        return answer

    def _form(self, request: Request, language: str, problem: str | None = None) -> Response:
        """The form; with `problem` as the answer to one that could not be taken."""
        status = 422 if problem else 200
        wording = self._parts.current_wording(language)
        if wants_json(request):
            shown = {"hash": wording.hash, "text": wording.text} if wording else None
            return JSONResponse(
                {"problem": problem, "language": language, "wording": shown}, status
            )
        return self._pages.page(
            "subscribe.html",
            language,
            status,
            switch=problem is None,
            headers={"Content-Security-Policy": FORM_POLICY},
            problem=problem,
            wording=wording,
        )
