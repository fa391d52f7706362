"""A form whose only answer is a mail: sign-up, and "what do you hold about me".

    fields -> honeypot -> the form's own questions -> address? -> one transaction: `act` -> one page

A good form gets one page after one time, whoever the address belongs to: who
watches the answers learns nothing about anybody.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from newsletter.subscribers import address as addresses
from newsletter.subscribers.address import Address, Refusal
from newsletter.web import bucket, fields
from newsletter.web.challenge import Solved
from newsletter.web.networks import Networks
from newsletter.web.pages import Pages, wants_json
from newsletter.web.parts import WebParts
from newsletter.web.together import Together

MOST_AT_ONCE = 200
"""Forms under way: each takes its time, whoever it is for, and a flood of them is not to have every place."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One good form. `client` is who sent it, to be counted by network and not to be kept."""

    address: Address
    language: str
    wording: str
    solved: Solved | None
    client: str | None
    now: dt.datetime


class MailingForm(ABC):
    """All forms of one app count their visitors together in `networks`: each makes mail for an address."""

    answer: ClassVar[str]
    """The template of the one page that a good form gets; it is told the link's `hours`."""
    together: ClassVar[str]

    def __init__(self, parts: WebParts, pages: Pages, networks: Networks) -> None:
        self._parts = parts
        self._pages = pages
        self._networks = networks
        self._together = Together(self._act_all, self.together)
        self._at_once = 0

    async def show(self, request: Request) -> Response:
        return self.form(request, self._pages.language(request))

    async def post(self, request: Request) -> Response:
        if self._at_once >= MOST_AT_ONCE:
            return self._pages.error(request, 503, {"Retry-After": "60"})
        self._at_once += 1
        try:
            return await self._post(request)
        finally:
            self._at_once -= 1

    async def _post(self, request: Request) -> Response:
        sent = await fields.read(request)
        began = time.monotonic()
        language = self._pages.language(request, sent.get("language"))
        if sent.get("website"):
            # The field is hidden from people: only a robot fills it in. It gets
            # the same answer as everybody and nothing is kept.
            return await self._asked(request, language, began)
        problem = self.problem(sent, language)
        if problem is not None:
            return self.form(request, language, problem)
        address = addresses.read(sent.get("address", ""), smtputf8=self._parts.smtputf8)
        if isinstance(address, Refusal):
            return self.form(request, language, "address")
        if not await self._together.do(self._wish(request, sent, language, address)):
            return self._pages.error(request, 429, {"Retry-After": "3600"})
        return await self._asked(request, language, began)

    def _wish(
        self, request: Request, sent: Mapping[str, str], language: str, address: Address
    ) -> Wish:
        now = self._parts.clock()
        client = request.client.host if request.client else None
        return Wish(address, language, sent.get("wording", ""), self.solved(sent, now), client, now)

    def _act_all(self, wishes: Sequence[Wish]) -> list[bool]:
        with self._parts.store.write() as tx:
            return [self.act(tx, wish) for wish in wishes]

    async def _asked(self, request: Request, language: str, began: float) -> Response:
        if wants_json(request):
            answer: Response = JSONResponse({"status": "asked"})
        else:
            hours = round(self.valid_for.total_seconds() / 3600)
            answer = self._pages.still(self.answer, language, hours=hours)
        await asyncio.sleep(bucket.rest(time.monotonic() - began))
        return answer

    # What each form says for itself.

    @property
    @abstractmethod
    def valid_for(self) -> dt.timedelta:
        """How long the mailed link acts."""

    def problem(self, sent: Mapping[str, str], language: str) -> str | None:
        """What is wrong with the form's own fields, by the name that its template knows."""
        return None

    def solved(self, sent: Mapping[str, str], now: dt.datetime) -> Solved | None:
        """The sum that was solved for it, where the form sets one."""
        return None

    @abstractmethod
    def act(self, tx: Connection, wish: Wish) -> bool:
        """Link and mail, in the caller's transaction; False when the network has had its measure."""

    @abstractmethod
    def form(self, request: Request, language: str, problem: str | None = None) -> Response:
        """The form; with `problem` as the answer to one that could not be taken."""
