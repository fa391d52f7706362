"""/leave/TOKEN, in every letter: GET shows a page with one button, POST takes the reader off.

The POST is RFC 8058's one-click: whatever the body is, without cookies, Origin
or any other context, it is answered 200 at once and never redirected. A token
that names nobody gets the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from newsletter.delivery import departure
from newsletter.subscribers import people
from newsletter.web import fields
from newsletter.web.pages import Pages, wants_json
from newsletter.web.parts import WebParts
from newsletter.web.together import Together

ONE_CLICK = b"One-Click"
"""In the body when a mail program posts (RFC 8058 §3.2); our own page's form does not have it."""


class Leave:
    def __init__(self, parts: WebParts, pages: Pages) -> None:
        self._parts = parts
        self._pages = pages
        self._together = Together(self._leave_all, "leaves")

    async def show(self, request: Request) -> Response:
        own = await run_in_threadpool(self._language, request.path_params["token"])
        return self._pages.page("leave.html", self._pages.language(request, own=own), switch=True)

    async def post(self, request: Request) -> Response:
        try:
            body = await fields.read_body(request)
        except fields.Refused:
            # Too long, too slow or cut off: the address that was posted to says it all.
            body = ONE_CLICK
        channel = "one-click" if ONE_CLICK in body else "page"
        link_id = self._parts.vault.read_mail_token(request.path_params["token"])
        own = await self._together.do((link_id, channel)) if link_id is not None else None
        if wants_json(request):
            return JSONResponse({"status": "left"})
        return self._pages.still("left.html", self._pages.language(request, own=own))

    def _leave_all(self, wishes: Sequence[tuple[bytes, str]]) -> list[str | None]:
        """Leave, and tell each reader's language; None for a link that names nobody any more."""
        parts = self._parts
        left = departure.leave_all(parts.store, parts.journal, wishes, parts.clock())
        return [each.language if each else None for each in left]

    def _language(self, token: str) -> str | None:
        link_id = self._parts.vault.read_mail_token(token)
        if link_id is None:
            return None
        with self._parts.store.read() as tx:
            found = people.find_by_link(tx, link_id)
        return found.language if found else None
