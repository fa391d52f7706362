"""Collect: read mails, act on them, and only then let them go.

    source.batches() -> understand -> whose -> Event ─┐
    apply_all: journal, one commit  <─────────────────┘
    source.settle(...)                 now, and not before, a mail is moved or deleted

A crash before the commit leaves the mail where it was; a crash after it leads
to a second reading, which changes nothing. What is not understood, or names
nobody, stays where somebody can look at it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from sqlalchemy.engine import Connection

from newsletter.delivery.feedback.applying import Applied, Effect, apply_all, apply_waiting
from newsletter.delivery.feedback.events import Event, Kind
from newsletter.delivery.feedback.mail import Heard, Sort, understand
from newsletter.delivery.feedback.mime import Unreadable
from newsletter.delivery.feedback.naming import Named, Nobody, whose
from newsletter.errors import CouldNotRun
from newsletter.store import Store
from newsletter.subscribers.journal import Journal
from newsletter.subscribers.vault import Vault

BATCH = 50
"""Mails of one commit, and of one look into memory: 50 of at most 1 MiB."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail as its source has it. `at` is when it arrived, by a clock of ours.

    `name` is the source's own name for it; `recipients` are those of the
    envelope, where a header does not tell them.
    """

    name: str
    raw: bytes
    at: dt.datetime
    recipients: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Letter(***)"


class Fate(StrEnum):
    """What its source does with a mail once its effect is committed."""

    DONE = "done"
    """Marked as read, moved or deleted, as the settings say."""
    KEPT = "kept"
    """Flagged and never deleted: somebody should look at it."""


class Source(Protocol):
    """Where mails wait: a Maildir, an IMAP folder, standard input."""

    def batches(self) -> Generator[list[Letter]]:
        """Every mail that was not settled before, at most BATCH at a time; a batch is settled before the next."""
        ...

    def settle(self, fates: Sequence[tuple[Letter, Fate]]) -> None:
        """Let go of what is committed, keep the rest."""
        ...


class What(StrEnum):
    """What a mail turned out to be."""

    ACTED = "acted on"
    AUTOMATIC = "automatic"
    """Out of office and the like, to a mailbox that names a mail of ours. Any other is nobody's business here."""
    SILENT = "says nothing"
    """A report about a mail of ours that says neither failed nor taken."""
    NOT_OURS = "not ours"
    """A report that carries no name of ours."""
    FORGED = "forged"
    """Its names are not ours, or contradict each other."""
    OTHER = "no report"
    UNREADABLE = "unreadable"


KEPT = frozenset({What.SILENT, What.NOT_OURS, What.FORGED, What.OTHER, What.UNREADABLE})


@dataclass
class Collected:
    """What a pass came to: numbers, and the periods whose account changed."""

    mails: Counter[What] = field(default_factory=Counter)
    effects: Counter[Effect] = field(default_factory=Counter)
    periods: set[str] = field(default_factory=set)

    def add(self, applied: Iterable[Applied]) -> None:
        for each in applied:
            self.effects[each.effect] += 1
            if each.period is not None:
                self.periods.add(each.period)

    @property
    def total(self) -> int:
        return self.mails.total()

    @property
    def kept(self) -> int:
        """Mails that somebody should look at."""
        return sum(self.mails[what] for what in KEPT)


@dataclass(frozen=True, slots=True)
class Office:
    """What a collector works with; `domain` is that of our Message-IDs."""

    store: Store
    vault: Vault
    journal: Journal
    domain: str


def collect(
    office: Office,
    sources: Sequence[Source],
    now: dt.datetime,
    done: Collected,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Take in what waits in `sources`, and apply what waited for its delivery; `done` is told as it goes.

    `stopped` is asked after each batch; what is left then waits for the next pass.

    Raises:
        CouldNotRun: a source cannot be read; the others were, and what was taken in stands.
    """
    trouble: list[CouldNotRun] = []
    for source in sources:
        try:
            _empty(office, source, now, done, stopped)
        except CouldNotRun as error:
            trouble.append(error)
    while applied := apply_waiting(office.store, now):
        done.add(applied)
    if trouble:
        findings = (finding for each in trouble for finding in each.findings)
        stands = f"Of what was read before, {done.total:,} mails were taken in."
        raise CouldNotRun(*findings, state=stands if done.total else "")


def _empty(
    office: Office,
    source: Source,
    now: dt.datetime,
    done: Collected,
    stopped: Callable[[], bool],
) -> None:
    with contextlib.closing(source.batches()) as batches:
        for batch in batches:
            source.settle(take_in(office, batch, done, now))
            if stopped():
                return


def take_in(
    office: Office, letters: Sequence[Letter], done: Collected, now: dt.datetime
) -> list[tuple[Letter, Fate]]:
    """Act on `letters` in one commit; what may be done with each of them now."""
    events: list[Event] = []
    fates: list[tuple[Letter, Fate]] = []
    with office.store.read() as tx:
        for letter in letters:
            what, event = judge(tx, office, letter)
            done.mails[what] += 1
            fates.append((letter, Fate.KEPT if what in KEPT else Fate.DONE))
            if event is not None:
                events.append(event)
    if events:
        done.add(apply_all(office.store, office.journal, events, now))
    return fates


def judge(tx: Connection, office: Office, letter: Letter) -> tuple[What, Event | None]:
    """What `letter` is, and the event in it when it is about a mail or a reader of ours."""
    try:
        heard = understand(letter.raw, letter.recipients)
    except Unreadable:
        return What.UNREADABLE, None
    if heard.sort is Sort.OTHER:
        return What.OTHER, None
    named = whose(tx, office.vault, heard.claims, office.domain)
    if isinstance(named, Nobody):
        return (What.FORGED if named is Nobody.FORGED else What.NOT_OURS), None
    if heard.sort is Sort.AUTOMATIC:
        return What.AUTOMATIC, None
    if heard.kind is None:
        return What.SILENT, None
    if named.delivery_id is None and heard.kind not in (Kind.COMPLAINED, Kind.LEFT):
        return What.NOT_OURS, None  # a link tells a reader; a bounce is of one mail
    return What.ACTED, _event(heard, named, letter)


def _event(heard: Heard, named: Named, letter: Letter) -> Event:
    assert heard.kind is not None
    failure = heard.failure
    if heard.kind is Kind.LEFT or named.delivery_id is None:
        # Somebody may leave twice, by two mails; the same mail counts once for each.
        who = named.delivery_id or (named.link_id or b"").hex()
        unique = f"{who} {hashlib.sha256(letter.raw).hexdigest()}"
    else:
        unique = f"{named.delivery_id} {heard.kind} {failure.code} {failure.enhanced}"
    return Event(
        heard.kind,
        unique=unique,
        source=heard.sort.value,
        at=letter.at,
        delivery_id=named.delivery_id,
        link_id=named.link_id,
        code=failure.code,
        enhanced=failure.enhanced,
    )
