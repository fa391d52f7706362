"""A house whose issue was sent, and what comes back to it."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from corpus import Ours
from delivery_house import House, approved

from newsletter.delivery import feedback
from newsletter.delivery.feedback import Applied, Event, Kind
from newsletter.delivery.feedback.collecting import Collected, Letter, Office, take_in
from newsletter.store.tables import deliveries, issues, subscribers, suppressions
from newsletter.subscribers.journal import Journal
from newsletter.subscribers.tokens import Purpose

PERIODS = ("2026-11", "2026-12", "2027-01", "2027-02")


@dataclass
class Sent(House):
    """A house whose mails the next hop took; `hear` is what comes back."""

    journal: Journal

    def issue(self, number: int = 1, state: str = "accepted") -> str:
        """Open issue `number` in its own month and bring its waiting rows to `state`; its period."""
        period = PERIODS[number - 1]
        self.now = dt.datetime.fromisoformat(f"{period}-21T12:00:00+00:00")
        self.open(approved(period, number, manifest=f"{number:064x}"))
        self.bring(state, period)
        return period

    def bring(self, state: str, period: str = PERIODS[0]) -> None:
        settled = None if state in ("queued", "claimed", "sending", "deferred") else self.now
        with self.store.write() as tx:
            tx.execute(
                sa.update(deliveries)
                .where(
                    deliveries.c.period == period,
                    deliveries.c.state.in_(["queued", "claimed", "sending", "deferred"]),
                )
                .values(state=state, settled_at=settled, attempts=1)
            )

    def delivery(self, reader: str, period: str = PERIODS[0]) -> str:
        with self.store.read() as tx:
            return str(
                tx.execute(
                    sa.select(deliveries.c.id).where(
                        deliveries.c.subscriber_id == reader, deliveries.c.period == period
                    )
                ).scalar_one()
            )

    def state(self, reader: str, period: str = PERIODS[0]) -> str:
        with self.store.read() as tx:
            return str(
                tx.execute(
                    sa.select(deliveries.c.state).where(
                        deliveries.c.subscriber_id == reader, deliveries.c.period == period
                    )
                ).scalar_one()
            )

    def hear(self, kind: Kind, delivery_id: str, **more: object) -> Applied:
        values: dict[str, object] = {"unique": f"{kind} {delivery_id} {more}", "source": "dsn"}
        event = Event(kind, delivery_id=delivery_id, **{"at": self.now, **values, **more})  # type: ignore[arg-type]
        return feedback.apply(self.store, self.journal, event, self.now)

    def bounce(
        self, reader: str, enhanced: str, period: str = PERIODS[0], **more: object
    ) -> Applied:
        return self.hear(Kind.BOUNCED, self.delivery(reader, period), enhanced=enhanced, **more)

    def ours(self, who: str, period: str = PERIODS[0], **more: str) -> Ours:
        """The marks of the reader's mail, as the press puts them on it."""
        delivery = self.delivery(who, period)
        token = self.bounce_token(delivery)
        with self.store.read() as tx:
            message_id = tx.scalar(
                sa.select(deliveries.c.message_id).where(deliveries.c.id == delivery)
            )
            link = tx.scalar(sa.select(subscribers.c.link_id).where(subscribers.c.id == who))
        leave = self.vault.mail_token(bytes(link)) if link is not None else ""
        assert message_id is not None
        values = {
            "verp": f"b+{token}@bounces.example.org",
            "message_id": message_id,
            "leave": leave,
            "envelope_id": token,
        }
        return Ours(**{**values, **more})

    def bounce_token(self, mail_id: str) -> str:
        return self.vault.token(Purpose.BOUNCE, bytes.fromhex(mail_id)[:8])

    @property
    def office(self) -> Office:
        return Office(self.store, self.vault, self.journal, "letter.example.org")

    def hears(self, *mails: bytes, recipients: tuple[str, ...] = ()) -> Collected:
        """The mails are taken in, whoever brought them."""
        done = Collected()
        letters = [Letter(str(at), raw, self.now, recipients) for at, raw in enumerate(mails)]
        take_in(self.office, letters, done, self.now)
        return done

    def why(self, reader: str) -> set[str]:
        """Why a reader is suppressed."""
        with self.store.read() as tx:
            rows = tx.execute(
                sa.select(suppressions.c.reason)
                .join(subscribers, subscribers.c.suppression_key == suppressions.c.key)
                .where(subscribers.c.id == reader)
            )
            return set(rows.scalars())

    def standing(self, reader: str) -> str:
        with self.store.read() as tx:
            return str(
                tx.execute(
                    sa.select(subscribers.c.state).where(subscribers.c.id == reader)
                ).scalar_one()
            )

    def close_issues(self) -> None:
        with self.store.write() as tx:
            tx.execute(sa.update(issues).values(state="closed", closed_at=self.now))
