"""/confirm/TOKEN, from the confirmation mail: GET shows a page with one button, POST subscribes.

A mail scanner that opens every link subscribes nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from newsletter.store import tables
from newsletter.subscribers import people
from newsletter.subscribers.people import Confirmed, Outcome
from newsletter.web import fields
from newsletter.web.pages import Pages, wants_json
from newsletter.web.parts import WebParts


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a confirmation link was asked with."""

    language: str
    wording: str


class Confirm:
    def __init__(self, parts: WebParts, pages: Pages) -> None:
        self._parts = parts
        self._pages = pages

    async def show(self, request: Request) -> Response:
        """The question, in the language it was asked in, with the words that were agreed to."""
        asked = await run_in_threadpool(self._asked, request.path_params["token"])
        language = self._pages.language(request, own=asked.language if asked else None)
        return self._pages.page(
            "confirm.html", language, switch=True, wording=asked.wording if asked else None
        )

    async def post(self, request: Request) -> Response:
        sent = await fields.read(request)
        done = await run_in_threadpool(self._confirm, request.path_params["token"])
        language = self._pages.language(request, sent.get("language"), done.language)
        if wants_json(request):
            return self._json(done)
        match done.outcome:
            case Outcome.CONFIRMED | Outcome.ALREADY:
                first = self._parts.next_issue(self._parts.clock())
                date = self._pages.date(first, language) if first else None
                return self._pages.page("confirmed.html", language, first_letter=date)
            case Outcome.STALE | Outcome.BLOCKED:
                return self._pages.page("invalid.html", language, 404)

    def _asked(self, token: str) -> _Asked | None:
        confirmation_id = self._parts.vault.read_confirm_token(token)
        if confirmation_id is None:
            return None
        links, words = tables.confirmations, tables.wordings
        with self._parts.store.read() as tx:
            row = tx.execute(
                sa.select(links.c.language, words.c.text)
                .join_from(links, words, links.c.wording_hash == words.c.hash)
                .where(links.c.id == confirmation_id)
            ).first()
        return _Asked(*row) if row else None

    def _confirm(self, token: str) -> Confirmed:
        confirmation_id = self._parts.vault.read_confirm_token(token)
        if confirmation_id is None:
            return Confirmed(Outcome.STALE)
        with self._parts.store.write() as tx:
            return people.confirm(tx, confirmation_id, self._parts.clock())

    def _json(self, done: Confirmed) -> Response:
        if done.outcome in (Outcome.STALE, Outcome.BLOCKED):
            return JSONResponse({"error": "this link does not work"}, 404)
        first = self._parts.next_issue(self._parts.clock())
        return JSONResponse(
            {"status": "confirmed", "first_letter": first.isoformat() if first else None}
        )
