"""One turn of a sender: what came of some rows is kept and the next are begun, in one commit.

SQLite    the statements one by one, inside this process
PostgreSQL    a statement for all rows of a kind, and the whole transaction in one round trip

Whatever is not a plain 250 of an issue's delivery takes the long way round: it
is rare, and says more than a state.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from newsletter.delivery.ledger import claims, settling, swift
from newsletter.delivery.ledger.lanes import Job
from newsletter.delivery.outcome import Kind, Outcome
from newsletter.delivery.states import State
from newsletter.store import Store
from newsletter.store.courier import Courier, Statement

Done = tuple[Job, Outcome]


class Turns:
    """One sender's turns. For one thread."""

    def __init__(self, store: Store, sender: str) -> None:
        self._store, self._sender = store, sender
        self._courier: Courier | None = store.courier()

    def take(
        self, done: Sequence[Done], following: Sequence[Job], now: dt.datetime
    ) -> tuple[list[State | None], list[bool]]:
        """As `exchange`; who could not be begun is fenced off, and stands as EXCLUDED among the states."""
        if self._courier is not None and _plain(done, following):
            return self._swiftly(self._courier, done, following, now)
        with self._store.write(durable=False) as tx:
            states, begun = settling.exchange(tx, done, following, self._sender, now)
            for job, ok in zip(following, begun, strict=True):
                if not ok and claims.fence(tx, job, self._sender, now):
                    states.append(State.EXCLUDED)
        return states, begun

    def close(self) -> None:
        if self._courier is not None:
            self._courier.close()
            self._courier = None

    def _swiftly(
        self, courier: Courier, done: Sequence[Done], following: Sequence[Job], now: dt.datetime
    ) -> tuple[list[State | None], list[bool]]:
        moment = swift.milliseconds(now)
        statements: list[Statement] = []
        if done:
            tries = ([job.id for job, _ in done], [job.attempt for job, _ in done])
            statements.append((_ACCEPT, (moment, *tries, self._sender)))
        if following:
            statements.append((_BEGIN, (moment, [job.id for job in following], self._sender)))
            statements.append((_BEGUN, (len(following), self._sender)))
        changed = courier.commit(statements)
        accepted = {row[0] for row in changed[0]} if done else set()
        begun = {row[0] for row in changed[-2]} if following else set()
        late = [each for each in done if each[0].id not in accepted]
        fenced = [job for job in following if job.id not in begun]
        states: list[State | None] = [State.ACCEPTED] * len(accepted)
        if late or fenced:
            with self._store.write(durable=False) as tx:
                states += settling.exchange(tx, late, [], self._sender, now)[0]
                for job in fenced:
                    if claims.fence(tx, job, self._sender, now):
                        states.append(State.EXCLUDED)
        return states, [job.id in begun for job in following]


def _plain(done: Sequence[Done], following: Sequence[Job]) -> bool:
    return all(
        outcome.kind is Kind.ACCEPTED and job.attempt == 1 and job.lane.period is not None
        for job, outcome in done
    ) and all(job.lane.period is not None for job in following)


_ACCEPT = """
UPDATE deliveries AS d SET state = 'accepted', reason = NULL, claim_id = NULL, settled_at = %s
FROM unnest(%s::text[], %s::int[]) AS done (id, attempt)
WHERE d.id = done.id AND d.attempts = done.attempt AND d.state = 'sending' AND d.claim_id = %s
RETURNING d.id
"""
_BEGIN = """
UPDATE deliveries SET state = 'sending', attempts = attempts + 1, begun_at = %s
WHERE id = ANY(%s) AND state = 'claimed' AND claim_id = %s AND EXISTS (
    SELECT 1 FROM subscribers
    WHERE subscribers.id = deliveries.subscriber_id
    AND subscribers.state = 'confirmed'
    AND subscribers.consent_epoch = deliveries.consent_epoch
    AND NOT EXISTS (
        SELECT 1 FROM suppressions WHERE suppressions.key = subscribers.suppression_key))
RETURNING id
"""
_BEGUN = "UPDATE senders SET begun = begun + %s WHERE claim_id = %s"
