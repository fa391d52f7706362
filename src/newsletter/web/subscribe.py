"""POST /subscribe: the form of the static site, our own page's, or a publisher's front end (JSON).

    fields -> honeypot -> agreed? -> known wording? -> address? -> one transaction:
        people.ask (pending row, link)  +  notices.enqueue (the mail with the link)

The answer to a good form is one page, whoever the address belongs to.
"""

from __future__ import annotations

import datetime as dt

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from newsletter.delivery import notices
from newsletter.subscribers import address as addresses
from newsletter.subscribers import people
from newsletter.subscribers.address import Address, Refusal
from newsletter.web import fields
from newsletter.web.pages import Pages, wants_json
from newsletter.web.parts import WebParts


class Subscribe:
    def __init__(self, parts: WebParts, pages: Pages) -> None:
        self._parts = parts
        self._pages = pages

    async def show(self, request: Request) -> Response:
        return self._form(request, self._pages.language(request))

    async def post(self, request: Request) -> Response:
        sent = await fields.read(request)
        language = self._pages.language(request, sent.get("language"))
        if sent.get("website"):
            # The field is hidden from people: only a robot fills it in. It gets
            # the same answer as everybody and nothing is kept.
            return self._asked(request, language)
        wording = sent.get("wording", "")
        if sent.get("agree") not in ("yes", "on", "true"):
            return self._form(request, language, "agree")
        if sent.get("language") != language or not self._parts.known_wording(language, wording):
            return self._form(request, language, "wording")
        address = addresses.read(sent.get("address", ""), smtputf8=self._parts.smtputf8)
        if isinstance(address, Refusal):
            return self._form(request, language, "address")
        await run_in_threadpool(self._ask, address, language, wording, self._parts.clock())
        return self._asked(request, language)

    def _ask(self, address: Address, language: str, wording: str, now: dt.datetime) -> None:
        """Row, link and mail in one transaction: none of them is there without the others."""
        parts = self._parts
        with parts.store.write() as tx:
            asked = people.ask(
                tx, parts.vault, address, language, wording, now, valid_for=parts.unconfirmed
            )
            if asked.send_notice and asked.subscriber_id and asked.confirmation_id:
                notices.enqueue(
                    tx,
                    "confirm",
                    asked.subscriber_id,
                    asked.confirmation_id,
                    language,
                    asked.consent_epoch,
                    now,
                )

    def _asked(self, request: Request, language: str) -> Response:
        if wants_json(request):
            return JSONResponse({"status": "asked"})
        hours = round(self._parts.unconfirmed.total_seconds() / 3600)
        return self._pages.page("asked.html", language, hours=hours)

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
            problem=problem,
            wording=wording,
        )
