"""POST /subscribe: the form of the static site, our own page's, or a publisher's front end (JSON).

agreed? -> known wording? -> network's measure -> one transaction:
    people.ask (pending row, link)  +  notices.enqueue (the mail with the link)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from newsletter.delivery import notices
from newsletter.subscribers import people
from newsletter.web import challenge
from newsletter.web.challenge import Solved
from newsletter.web.gate import FORM_POLICY
from newsletter.web.mailing import MailingForm, Wish
from newsletter.web.pages import wants_json


class Subscribe(MailingForm):
    answer, together = "asked.html", "sign-ups"

    @property
    def valid_for(self) -> dt.timedelta:
        return self._parts.unconfirmed

    def problem(self, sent: Mapping[str, str], language: str) -> str | None:
        if sent.get("agree") not in ("yes", "on", "true"):
            return "agree"
        known = self._parts.known_wording(language, sent.get("wording", ""))
        return None if sent.get("language") == language and known else "wording"

    def solved(self, sent: Mapping[str, str], now: dt.datetime) -> Solved | None:
        return challenge.check(self._parts.vault, sent.get("altcha", ""), now)

    async def challenge(self, request: Request) -> Response:
        """GET /challenge: for the form's script, and for a publisher's own front end."""
        return JSONResponse(challenge.make(self._parts.vault, self._parts.clock()))

    def act(self, tx: Connection, wish: Wish) -> bool:
        """Row, link and mail; neither of them where the mailbox had its mails today."""
        parts = self._parts
        challenge.forget(tx, wish.now)
        proved = wish.solved is not None and challenge.spend(tx, wish.solved)
        if not self._networks.admits(wish.client, wish.now, proved=proved):
            return False
        if not self._networks.spares(wish.address, wish.now):
            return True
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

    def form(self, request: Request, language: str, problem: str | None = None) -> Response:
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
