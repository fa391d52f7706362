"""/data/TOKEN, mailed on request and short-lived: what is held about a reader, and erasing it.

GET shows a page with one button and nothing of the person: a scanner that
opens the link sees no address. POST shows everything, as a page or as JSON;
POST with action=erase deletes it.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from newsletter.delivery import departure
from newsletter.language import Language
from newsletter.subscribers import holding, people
from newsletter.subscribers.people import Person
from newsletter.web import fields
from newsletter.web.pages import Pages, wants_json
from newsletter.web.parts import WebParts


class Data:
    def __init__(self, parts: WebParts, pages: Pages) -> None:
        self._parts = parts
        self._pages = pages

    async def show(self, request: Request) -> Response:
        person = await run_in_threadpool(self._person, request.path_params["token"])
        own = person.language if person else None
        return self._pages.page("data.html", self._pages.language(request, own=own), switch=True)

    async def post(self, request: Request) -> Response:
        sent = await fields.read(request)
        token = request.path_params["token"]
        match sent.get("action"):
            case "erase":
                return await self._erased(request, token, sent)
            case "show" | "download" as action:
                found = await run_in_threadpool(self._held, token)
                if found is None:
                    return self._invalid(request, sent.get("lang"))
                if action == "download" or wants_json(request):
                    return JSONResponse(
                        found,
                        headers={"Content-Disposition": 'attachment; filename="held.json"'},
                    )
                return self._page(request, found, sent.get("lang"))
            case _:
                return self._pages.error(request, 400)

    def _page(self, request: Request, found: dict[str, Any], asked: str | None) -> Response:
        pages = self._pages
        tag = pages.language(request, asked, found["language"])

        def when(minute: str) -> str:
            return pages.moment(dt.datetime.fromisoformat(minute), tag)

        speech = Language(found["language"], "web")
        return pages.page("held.html", tag, held=found, speech=speech, when=when)

    async def _erased(self, request: Request, token: str, sent: dict[str, str]) -> Response:
        language = await run_in_threadpool(self._erase, token)
        if language is None:
            return self._invalid(request, sent.get("lang"))
        if wants_json(request):
            return JSONResponse({"status": "erased"})
        tag = self._pages.language(request, sent.get("lang"), language)
        return self._pages.page("erased.html", tag)

    def _invalid(self, request: Request, asked: str | None) -> Response:
        if wants_json(request):
            return JSONResponse({"error": "this link does not work"}, 404)
        return self._pages.page("invalid.html", self._pages.language(request, asked), 404)

    def _person(self, token: str) -> Person | None:
        link = self._parts.vault.read_data_token(token)
        if link is None:
            return None
        with self._parts.store.read() as tx:
            return people.find_by_data_link(tx, link, self._parts.clock())

    def _held(self, token: str) -> dict[str, Any] | None:
        link = self._parts.vault.read_data_token(token)
        if link is None:
            return None
        with self._parts.store.read() as tx:
            person = people.find_by_data_link(tx, link, self._parts.clock())
            return holding.held(tx, self._parts.vault, person) if person else None

    def _erase(self, token: str) -> str | None:
        """Erase whoever the link names; their language, None when it names nobody (any more)."""
        person = self._person(token)
        if person is None:
            return None
        parts = self._parts
        gone = departure.erase(parts.store, parts.journal, person.id, parts.clock())
        return gone.language if gone else None
