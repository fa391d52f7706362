"""A house with readers and an approved issue, on a fixed clock that a test may move."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from scripted_relay import Scripted

from newsletter.config import Settings
from newsletter.delivery import ledger, loop
from newsletter.delivery.ledger import Lane
from newsletter.delivery.outcome import Transport
from newsletter.delivery.press import Press
from newsletter.delivery.transports.smtp import Patience, Relay, SmtpTransport
from newsletter.issue.edition import ApprovedIssue, Edition, leave_url
from newsletter.store import Store
from newsletter.store.tables import deliveries, subscribers
from newsletter.subscribers import people
from newsletter.subscribers.address import Address
from newsletter.subscribers.vault import Vault

PERIOD = "2026-11"
LANE = Lane(PERIOD)


def edition(language: str, public_url: str = "http://127.0.0.1:8000") -> Edition:
    link = leave_url(public_url)
    return Edition(
        language=language,
        subject=f"November ({language})",
        preheader="What is new",
        html=f"<p>Hello in {language}</p><a href='{link}'>leave</a>",
        text=f"Hello in {language}\n\nLeave:\n{link}\n",
        body="<p>Hello</p>",
    )


def approved(period: str = PERIOD, number: int = 1, manifest: str = "a" * 64) -> ApprovedIssue:
    return ApprovedIssue(
        period=period,
        number=number,
        manifest=manifest,
        as_of=dt.datetime(2026, 11, 1, 8, tzinfo=dt.UTC),
        approved_by=("Editor",),
        editions=(edition("en"), edition("ru"), edition("de")),
    )


@dataclass
class House:
    """Everything a send needs; `now` is its clock."""

    settings: Settings
    store: Store
    vault: Vault
    now: dt.datetime

    def clock(self) -> dt.datetime:
        return self.now

    def readers(self, number: int, language: str = "en", first: int = 0) -> list[str]:
        """Confirmed subscribers reader0@example.org ...; their ids."""
        rows = []
        for at in range(first, first + number):
            mailbox = f"reader{at}@example.org"
            row = people.new_row(self.vault, Address(mailbox, mailbox), language, self.now)
            rows.append(row | {"state": "confirmed", "confirmed_at": self.now, "consent_epoch": 1})
        with self.store.write() as tx:
            tx.execute(sa.insert(subscribers), rows)
        return [str(row["id"]) for row in rows]

    def rules(self, **more: object) -> ledger.Rules:
        values: dict[str, object] = {
            "zone": self.settings.publication.time_zone,
            "minimum_gap_days": 14,
            "domain": "letter.example.org",
        }
        return ledger.Rules(**values | more)  # type: ignore[arg-type]

    def open(self, issue: ApprovedIssue | None = None, **rules: object) -> object:
        return ledger.open_issue(
            self.store, self.vault, issue or approved(), self.rules(**rules), self.now
        )

    def send(
        self,
        transport: Transport,
        *,
        lanes: Sequence[Lane] = (LANE,),
        connections: int = 2,
        **more: object,
    ) -> loop.Report:
        press = Press(self.settings, self.vault)
        with self.store.read() as tx:
            for lane in lanes:
                if lane.period is not None:
                    press.load(tx, lane.period)
        pace = loop.Pace(connections=connections, drain_seconds=0.2, retries=(), settle_seconds=0)
        values: dict[str, object] = {"pace": pace, "clock": self.clock}
        return loop.send(self.store, press, transport, lanes, **values | more)  # type: ignore[arg-type]

    def sum(self, period: str = PERIOD) -> ledger.Sum:
        with self.store.read() as tx:
            found = ledger.sums(tx, period)
        assert found is not None
        return found

    def states(self) -> dict[str, str]:
        """subscriber id -> state of their delivery."""
        with self.store.read() as tx:
            rows = tx.execute(sa.select(deliveries.c.subscriber_id, deliveries.c.state)).all()
        return {row[0]: row[1] for row in rows}


def smtp(server: Scripted, patience: Patience | None = None) -> SmtpTransport:
    quick = patience or Patience(*[0.3] * 6)
    return SmtpTransport(
        Relay("127.0.0.1", server.port, "none", "letter.example.org", patience=quick)
    )
