"""One turn of a sender: what came of some rows is kept and the next are begun, in one commit.

SQLite    the statements one by one, inside this process
PostgreSQL    a statement for all rows of a kind, and the whole transaction in one round trip

Whatever is not a plain 250 of an issue's delivery takes the long way round: it
is rare, and says more than a state.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy.engine import Connection

from newsletter.delivery.ledger import claims, settling
from newsletter.delivery.ledger.claims import GUARD
from newsletter.delivery.ledger.lanes import Job
from newsletter.delivery.outcome import Kind, Outcome
from newsletter.delivery.states import State
from newsletter.store import Store
from newsletter.store.courier import Courier, Statement
from newsletter.store.tables import Moment

Done = tuple[Job, Outcome]


class Turn(NamedTuple):
    """`states` of what was done (None: too late for its row) and of whom the guard refused; the rest in the order asked."""

    states: list[State | None]
    begun: list[bool]
    cleared: list[bool]


class Turns:
    """One sender's turns. For one thread."""

    def __init__(self, store: Store, sender: str) -> None:
        self._store, self._sender = store, sender
        self._courier: Courier | None = store.courier()

    @property
    def dear(self) -> bool:
        """Whether a turn costs much more than the rows in it."""
        return self._courier is not None

    def take(
        self,
        done: Sequence[Done],
        following: Sequence[Job],
        now: dt.datetime,
        announced: Sequence[Job] = (),
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Turn:
        """Settle `done`, begin `following`, and ask the guard about `announced`, whom a relay will hear of next.

        Whom the guard says no to is fenced off. `meanwhile` is done in this
        thread while a server is at work, where there is one.
        """
        if self._courier is not None and _plain(done, following):
            return self._swiftly(self._courier, done, following, announced, now, meanwhile)
        meanwhile()
        with self._store.write(durable=False) as tx:
            states, begun = settling.exchange(tx, done, following, self._sender, now)
            cleared = [claims.still(tx, job, self._sender) for job in announced]
            refused = _refused(following, begun) + _refused(announced, cleared)
            states += self._fence(tx, refused, now)
        return Turn(states, begun, cleared)

    def _fence(self, tx: Connection, jobs: list[Job], now: dt.datetime) -> list[State]:
        return [State.EXCLUDED for job in jobs if claims.fence(tx, job, self._sender, now)]

    def close(self) -> None:
        if self._courier is not None:
            self._courier.close()
            self._courier = None

    def _swiftly(
        self,
        courier: Courier,
        done: Sequence[Done],
        following: Sequence[Job],
        announced: Sequence[Job],
        now: dt.datetime,
        meanwhile: Callable[[], None],
    ) -> Turn:
        moment = Moment.milliseconds(now)
        statements: list[Statement] = []
        if done:
            statements.append((_ACCEPT, (moment, [job.id for job, _ in done], self._sender)))
        if following:
            statements.append((_BEGIN, (moment, [job.id for job in following], self._sender)))
            statements.append((_BEGUN, (len(following), self._sender)))
        if announced:
            statements.append((_STILL, ([job.id for job in announced], self._sender)))
        named = [{row[0] for row in rows} for rows in courier.commit(statements, meanwhile)]
        accepted = named.pop(0) if done else set()
        begun = [job.id in named[0] for job in following]
        cleared = [job.id in named[-1] for job in announced]
        states: list[State | None] = [State.ACCEPTED] * len(accepted)
        late = [each for each in done if each[0].id not in accepted]
        refused = _refused(following, begun) + _refused(announced, cleared)
        if late or refused:
            with self._store.write(durable=False) as tx:
                states += settling.exchange(tx, late, [], self._sender, now)[0]
                states += self._fence(tx, refused, now)
        return Turn(states, begun, cleared)


def _refused(jobs: Sequence[Job], granted: Sequence[bool]) -> list[Job]:
    return [job for job, ok in zip(jobs, granted, strict=True) if not ok]


def _plain(done: Sequence[Done], following: Sequence[Job]) -> bool:
    return all(
        outcome.kind is Kind.ACCEPTED and job.attempt == 1 and job.lane.period is not None
        for job, outcome in done
    ) and all(job.lane.period is not None for job in following)


# At the first try: `_plain` lets no other in. An array is looked up in the key's
# index; a join with it would read the whole table where that is small. State and
# sender are compared as one value, which no index has: the planner would walk all
# that this sender holds instead (ix_deliveries_held), and that is a hundred times more.
_ACCEPT = """
UPDATE deliveries SET state = 'accepted', reason = NULL, claim_id = NULL, settled_at = %s
WHERE id = ANY(%s) AND attempts = 1 AND ARRAY[state, claim_id] = ARRAY['sending', %s]
RETURNING id
"""
_GUARD = GUARD.replace(
    "state = 'claimed' AND claim_id = ?", "ARRAY[state, claim_id] = ARRAY['claimed', %s]"
)
assert "?" not in _GUARD
_BEGIN = """
UPDATE deliveries SET state = 'sending', attempts = attempts + 1, begun_at = %s
WHERE id = ANY(%s) AND GUARD RETURNING id
""".replace("GUARD", _GUARD)
_STILL = "SELECT id FROM deliveries WHERE id = ANY(%s) AND GUARD".replace("GUARD", _GUARD)
_BEGUN = "UPDATE senders SET begun = begun + %s WHERE claim_id = %s"
