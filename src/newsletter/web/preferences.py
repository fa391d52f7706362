"""/preferences/TOKEN, in every letter: the language, a link to one's own data, a way out.

The letter's token may do no more than that, because letters are passed on: the
page shows no address, and the data link goes to the reader's mailbox alone.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from newsletter.language import Language
from newsletter.subscribers import people
from newsletter.subscribers.people import Person
from newsletter.web import enquiry, fields
from newsletter.web.pages import Pages, wants_json
from newsletter.web.parts import WebParts


class Preferences:
    def __init__(self, parts: WebParts, pages: Pages) -> None:
        self._parts = parts
        self._pages = pages
        self._choices = [Language(tag, "web") for tag in parts.languages]

    async def show(self, request: Request) -> Response:
        token = request.path_params["token"]
        person = await run_in_threadpool(self._person, token)
        return self._page(request, token, person, None)

    async def post(self, request: Request) -> Response:
        token = request.path_params["token"]
        sent = await fields.read(request)
        match sent.get("action"):
            case "language":
                chosen = sent.get("language", "")
                if chosen not in self._parts.languages:
                    return self._pages.error(request, 400)
                person = await run_in_threadpool(self._change, token, chosen)
                said = "language"
            case "data":
                person = await run_in_threadpool(self._ask_data, token)
                said = "data"
            case _:
                return self._pages.error(request, 400)
        if wants_json(request):
            return JSONResponse({"status": "done"})
        return self._page(request, token, person, said, sent.get("lang"))

    def _page(
        self,
        request: Request,
        token: str,
        person: Person | None,
        said: str | None,
        asked: str | None = None,
    ) -> Response:
        """The same shape for a token that names nobody: nothing is chosen there."""
        own = person.language if person else None
        return self._pages.page(
            "preferences.html",
            self._pages.language(request, asked, own),
            switch=said is None,
            choices=self._choices,
            chosen=own or self._parts.languages[0],
            said=said,
            token=token,
        )

    def _person(self, token: str) -> Person | None:
        link_id = self._parts.vault.read_mail_token(token)
        if link_id is None:
            return None
        with self._parts.store.read() as tx:
            return people.find_by_link(tx, link_id)

    def _change(self, token: str, language: str) -> Person | None:
        person = self._person(token)
        if person is None:
            return None
        with self._parts.store.write() as tx:
            people.change_language(tx, person.id, language)
        return self._person(token)

    def _ask_data(self, token: str) -> Person | None:
        """A link to the reader's own mailbox, a few a day at most (`people.ask_data`)."""
        person = self._person(token)
        if person is None:
            return None
        with self._parts.store.write() as tx:
            enquiry.mail_link(tx, person, self._parts.clock())
        return person
