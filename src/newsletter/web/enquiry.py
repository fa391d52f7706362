"""GET and POST /data without a token: "what do you hold about me", asked with nothing but an address.

    one transaction: people.ask_data (a fresh link)  +  notices.enqueue (the mail with the link)

For whoever lost their letters, or left. What is held goes to its mailbox alone,
in the language that its owner reads, and at most once a day.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from newsletter.delivery import notices
from newsletter.subscribers import people
from newsletter.subscribers.people import Person
from newsletter.web.mailing import MailingForm, Wish
from newsletter.web.pages import wants_json


class Enquiry(MailingForm):
    answer, together = "enquired.html", "enquiries"
    valid_for = people.DATA_VALID_FOR

    def act(self, tx: Connection, wish: Wish) -> bool:
        """Link and mail for whoever is known."""
        if not self._networks.admits(wish.client, wish.now, proved=False):
            return False
        person = people.find_by_address(tx, self._parts.vault, wish.address)
        if person is not None:
            mail_link(tx, person, wish.now, once_a_day=True)
        return True

    def form(self, request: Request, language: str, problem: str | None = None) -> Response:
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
