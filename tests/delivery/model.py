"""A model of what may befall a delivery: small enough to be explored to its last corner. Pure.

Readers have rows, senders have lives, the relay has copies. `moves` gives every
move that may come next and the world after it; what the world does not know
(whether a killed sender's mail was taken, what a relay answers) is a move of
its own. test_model.py walks through all of it and asks the law at every step,
and test_delivery_machine.py makes the same moves on the real ledger, on both
databases, and compares the rows.

What is believed of the world outside: an operator and a report tell the truth;
a relay that says 4yz or 5yz has not taken the mail; a sender that is past its
lease writes no final dot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from newsletter.delivery.outcome import Kind
from newsletter.delivery.states import PENDING, State

S = State
READY = (S.QUEUED, S.DEFERRED)
UNBEGUN = (*READY, S.CLAIMED)


class Life(StrEnum):
    OUT = "out"
    ALIVE = "alive"
    KILLED = "killed"
    """Dead, and the ledger does not know."""
    DARK = "dark"
    """Its machine lost power, and the ledger does not know."""
    FENCED = "fenced"
    """Alive, and taken for dead."""


class Mail(StrEnum):
    """A message under way."""

    OPEN = "open"
    TAKEN = "taken"
    """The relay has it; its sender has not read so."""
    LOST = "lost"
    """Its sender is fenced and writes no dot any more."""


@dataclass(frozen=True, slots=True)
class Row:
    """`holder` is the sender whose claim stands in it, `copies` what the relay took."""

    state: State = S.QUEUED
    holder: int | None = None
    copies: int = 0
    consents: bool = True
    due: bool = True
    report: State | None = None
    """A bounce or a complaint that came before the row had settled."""


@dataclass(frozen=True, slots=True)
class Sender:
    life: Life = Life.OUT
    claimed: frozenset[int] = frozenset()
    flying: tuple[tuple[int, Mail], ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    rows: tuple[Row, ...]
    senders: tuple[Sender, ...]
    halted: bool = False
    over: bool = False
    """The issue's last moment has passed."""

    def states(self) -> tuple[State, ...]:
        return tuple(row.state for row in self.rows)


@dataclass(frozen=True, slots=True)
class Move:
    name: str
    sender: int | None = None
    reader: int | None = None
    what: str = ""

    def __str__(self) -> str:
        who = [f"sender {self.sender}"] if self.sender is not None else []
        whom = [f"reader {self.reader}"] if self.reader is not None else []
        return " ".join([self.name, *who, *whom, self.what]).strip()


Next = Iterator[tuple[Move, World]]


def begin_with(readers: int, senders: int) -> World:
    return World((Row(),) * readers, (Sender(),) * senders)


def moves(world: World) -> Next:
    yield from _lives(world)
    yield from _sending(world)
    yield from _readers(world)
    yield from _words(world)
    yield from _issue(world)


# Putting a changed row or sender into the world.


def _row(world: World, at: int, **change: object) -> World:
    rows = list(world.rows)
    rows[at] = replace(rows[at], **change)  # type: ignore[arg-type]
    return replace(world, rows=tuple(rows))


def _sender(world: World, at: int, **change: object) -> World:
    senders = list(world.senders)
    senders[at] = replace(senders[at], **change)  # type: ignore[arg-type]
    return replace(world, senders=tuple(senders))


def _all_rows(world: World, change: object) -> World:
    return replace(world, rows=tuple(change(row) for row in world.rows))  # type: ignore[operator]


# Senders come, end, are killed, are taken for dead.


def _lives(world: World) -> Next:
    for at, sender in enumerate(world.senders):
        match sender.life:
            case Life.OUT:
                yield Move("start", at), _sender(world, at, life=Life.ALIVE)
            case Life.ALIVE:
                yield Move("kill", at), _gone(world, at, Life.KILLED)
                yield Move("stall", at), stall(world, at)
                if not sender.flying:
                    yield Move("end", at), end(world, at)
            case Life.FENCED:
                yield Move("kill", at), _orphan(_gone(world, at, Life.OUT), at)
    lives = {sender.life for sender in world.senders}
    if lives & {Life.KILLED, Life.DARK}:
        yield Move("recover"), recover(world)
    if lives & {Life.ALIVE, Life.KILLED, Life.FENCED}:
        dark = power(world)
        yield Move("power"), dark
        if (forgetful := forgotten(dark)) != dark:
            yield Move("power", what="forgotten"), forgetful


def _gone(world: World, at: int, life: Life) -> World:
    return _sender(world, at, life=life, claimed=frozenset(), flying=())


def _orphan(world: World, at: int) -> World:
    """Nobody answers for the sender's rows any more."""
    return _all_rows(world, lambda row: replace(row, holder=None) if row.holder == at else row)


def end(world: World, at: int) -> World:
    def back(row: Row) -> Row:
        mine = row.holder == at and row.state is S.CLAIMED
        return replace(row, state=S.QUEUED, holder=None) if mine else row

    return _orphan(_gone(_all_rows(world, back), at, Life.OUT), at)


def recover(world: World) -> World:
    """The killed give back what they had claimed; what they had begun is in doubt, and all of the dark."""
    for at, sender in enumerate(world.senders):
        if sender.life is Life.DARK:
            world = _orphan(_gone(_doubt(world, at), at, Life.OUT), at)
        if sender.life is Life.KILLED:

            def settled(row: Row, at: int = at) -> Row:
                if row.holder != at:
                    return row
                after = {S.CLAIMED: S.QUEUED, S.SENDING: S.IN_DOUBT}.get(row.state, row.state)
                return replace(row, state=after, holder=None)

            world = _gone(_all_rows(world, settled), at, Life.OUT)
    return world


def _doubt(world: World, at: int) -> World:
    def doubted(row: Row) -> Row:
        mine = row.holder == at and row.state in (S.CLAIMED, S.SENDING)
        return replace(row, state=S.IN_DOUBT) if mine else row

    return _all_rows(world, doubted)


def stall(world: World, at: int) -> World:
    """Past its lease, seen from another machine: it may still answer, and begins nothing."""
    world = recover(world)
    flying = tuple(
        (reader, Mail.LOST if mail is Mail.OPEN else mail)
        for reader, mail in world.senders[at].flying
    )
    return _sender(_doubt(world, at), at, life=Life.FENCED, flying=flying)


def power(world: World) -> World:
    """Every sender's machine starts anew; nobody has looked after its rows yet."""
    for at, sender in enumerate(world.senders):
        if sender.life is Life.FENCED:
            world = _orphan(_gone(world, at, Life.OUT), at)
        elif sender.life in (Life.ALIVE, Life.KILLED):
            world = _gone(world, at, Life.DARK)
    return world


def forgotten(world: World) -> World:
    """The commits that began or ended a mail were not flushed: all that is known is the claim."""

    def lost(row: Row) -> Row:
        dark = row.holder is not None and world.senders[row.holder].life is Life.DARK
        return replace(row, state=S.CLAIMED) if dark and row.state is S.SENDING else row

    return _all_rows(world, lost)


# What a sender does.


def _sending(world: World) -> Next:
    for at, sender in enumerate(world.senders):
        if sender.life is Life.ALIVE and not world.halted and not world.over:
            due = [n for n, row in enumerate(world.rows) if row.state in READY and row.due]
            for number in range(1, len(due) + 1):
                # A claim takes the oldest first; which of them are of one age, nobody says.
                for taken in (due[:number], due[-number:]):
                    yield (
                        Move("claim", at, None, ",".join(map(str, taken))),
                        claim(world, at, taken),
                    )
        for reader in sender.claimed:
            yield Move("begin", at, reader), begin(world, at, reader)
        for reader, mail in sender.flying:
            if mail is Mail.OPEN:
                yield Move("arrive", at, reader), arrive(world, at, reader)
            for kind in ANSWERS[mail]:
                yield Move("settle", at, reader, kind.value), settle(world, at, reader, kind)


ANSWERS = {
    Mail.OPEN: (Kind.DEFERRED, Kind.REJECTED, Kind.OUR_FAULT, Kind.IN_DOUBT),
    Mail.TAKEN: (Kind.ACCEPTED, Kind.IN_DOUBT),
    Mail.LOST: (Kind.DEFERRED, Kind.REJECTED, Kind.OUR_FAULT, Kind.IN_DOUBT),
}
AFTER = {
    Kind.ACCEPTED: S.ACCEPTED,
    Kind.DEFERRED: S.DEFERRED,
    Kind.REJECTED: S.REJECTED,
    Kind.OUR_FAULT: S.QUEUED,
    Kind.IN_DOUBT: S.IN_DOUBT,
}


def claim(world: World, at: int, taken: list[int]) -> World:
    for reader in taken:
        world = _row(world, reader, state=S.CLAIMED, holder=at)
    return _sender(world, at, claimed=world.senders[at].claimed | set(taken))


def begin(world: World, at: int, reader: int) -> World:
    sender, row = world.senders[at], world.rows[reader]
    world = _sender(world, at, claimed=sender.claimed - {reader})
    if row.state is not S.CLAIMED or row.holder != at:
        return world
    if not row.consents:
        return _row(world, reader, state=S.EXCLUDED, holder=None)
    world = _row(world, reader, state=S.SENDING)
    return _sender(world, at, flying=(*sender.flying, (reader, Mail.OPEN)))


def arrive(world: World, at: int, reader: int) -> World:
    flying = tuple(
        (each, Mail.TAKEN if each == reader else mail) for each, mail in world.senders[at].flying
    )
    world = _row(world, reader, copies=world.rows[reader].copies + 1)
    return _sender(world, at, flying=flying)


def settle(world: World, at: int, reader: int, kind: Kind) -> World:
    sender, row = world.senders[at], world.rows[reader]
    world = _sender(world, at, flying=tuple(each for each in sender.flying if each[0] != reader))
    after = AFTER[kind]
    if row.holder != at:
        return world  # somebody has judged it, or somebody else has it
    if row.state is S.SENDING:
        holder = at if after is S.IN_DOUBT else None
    elif row.state is S.IN_DOUBT and sender.life is Life.FENCED and kind is not Kind.IN_DOUBT:
        after, holder = (S.QUEUED if after is S.DEFERRED else after), None
    else:
        return world
    return _row(world, reader, state=after, holder=holder, due=kind is not Kind.DEFERRED)


# What readers do, and what comes back about their mail.


def _readers(world: World) -> Next:
    for at, row in enumerate(world.rows):
        if row.consents:
            for how in ("leave", "erase"):
                yield Move(how, None, at), leave(world, at)
        if not row.copies:
            continue  # nobody can report what was never delivered
        for after in (S.BOUNCED, S.COMPLAINED):
            after_it = reported(world, at, after)
            if after_it != world:
                yield Move("report", None, at, after.value), after_it
        if row.state is S.IN_DOUBT:
            yield (
                Move("report", None, at, "delivered"),
                _row(world, at, state=S.ACCEPTED, holder=None),
            )
    if any(row.report and row.state not in PENDING for row in world.rows):
        yield Move("look"), look(world)


def leave(world: World, at: int) -> World:
    """Of a sender that is dead nobody may say that it has not begun; so that is looked after first."""
    if world.rows[at].state is S.CLAIMED:
        world = recover(world)
    if world.rows[at].state in UNBEGUN:
        world = _row(world, at, state=S.EXCLUDED, holder=None)
    return _row(world, at, consents=False)


def reported(world: World, at: int, after: State) -> World:
    row = world.rows[at]
    consents = row.consents and after is not S.COMPLAINED
    if row.state in (S.ACCEPTED, S.IN_DOUBT):
        return _row(world, at, state=after, holder=None, consents=consents)
    if row.state is S.SENDING and row.report is None:
        return _row(world, at, report=after, consents=consents)
    return world


def look(world: World) -> World:
    """What waited for its delivery is applied."""

    def applied(row: Row) -> Row:
        if row.report is None or row.state in PENDING:
            return row
        if row.state in (S.ACCEPTED, S.IN_DOUBT):
            return replace(row, state=row.report, holder=None, report=None)
        return replace(row, report=None)

    return _all_rows(world, applied)


# What the operator says.


def _words(world: World) -> Next:
    for at, row in enumerate(world.rows):
        registered = row.holder is not None and world.senders[row.holder].life in (
            Life.ALIVE,
            Life.KILLED,
            Life.DARK,
        )
        if row.state is not S.IN_DOUBT or registered:
            continue
        truth = (S.ACCEPTED,) if row.copies else (S.REJECTED, S.QUEUED)
        for after in truth:
            if after is not S.QUEUED or not (world.over or world.halted):
                yield (
                    Move("resolve", None, at, after.value),
                    _row(world, at, state=after, holder=None, due=True),
                )


# What befalls the issue as a whole.


def _issue(world: World) -> Next:
    if any(not row.due for row in world.rows):
        yield Move("later"), _all_rows(world, lambda row: replace(row, due=True))
    if not world.halted and not world.over:
        yield Move("halt"), halt(world)
    expired = _all_rows(replace(world, over=True), _expired)
    if expired != world:
        yield Move("expire"), expired
    if all(sender.life is Life.OUT for sender in world.senders):
        restored = _all_rows(world, _restored)
        if restored != world:
            yield Move("restore"), restored


def halt(world: World) -> World:
    return replace(_all_rows(recover(world), _excluded), halted=True)


def _excluded(row: Row) -> Row:
    return replace(row, state=S.EXCLUDED, holder=None) if row.state in UNBEGUN else row


def _expired(row: Row) -> Row:
    expires = row.state in READY
    return replace(row, state=S.REJECTED if expires else row.state, due=True)


def _restored(row: Row) -> Row:
    """The database is a copy from before it was sent: it knows nothing of who was accepted."""
    forgotten = row.state in PENDING or row.state is S.ACCEPTED
    return replace(row, state=S.IN_DOUBT, holder=None, report=None) if forgotten else row


# The law.


def breaches(world: World) -> list[str]:
    found = []
    for at, row in enumerate(world.rows):
        dark = row.holder is not None and world.senders[row.holder].life is Life.DARK
        unserved = row.state in (*UNBEGUN, S.EXCLUDED, S.REJECTED) and not dark
        served = row.state in (S.ACCEPTED, S.BOUNCED, S.COMPLAINED)
        if row.copies > 1:
            found.append(f"reader {at} has {row.copies} copies")
        if unserved and row.copies:
            found.append(f"reader {at} is {row.state} and has a copy")
        if served and not row.copies:
            found.append(f"reader {at} is {row.state} and has none")
        if row.state in (S.CLAIMED, S.SENDING) and row.holder is None:
            found.append(f"reader {at} is {row.state} and nobody holds it")
    return found


def finish(world: World) -> World:
    """An operator starts again, and the relay takes everything: what is still pending after that is lost."""
    for at, sender in enumerate(world.senders):
        if sender.life is Life.FENCED:
            world = _orphan(_gone(world, at, Life.OUT), at)
        elif sender.life is Life.ALIVE:
            world = _gone(world, at, Life.KILLED)
    world = _all_rows(recover(world), lambda row: replace(row, due=True))
    world = _sender(world, 0, life=Life.ALIVE)
    if world.halted or world.over:
        return _all_rows(replace(world, over=True), _expired)
    world = claim(world, 0, [n for n, row in enumerate(world.rows) if row.state in READY])
    for reader in sorted(world.senders[0].claimed):
        world = begin(world, 0, reader)
        if world.rows[reader].state is S.SENDING:
            world = settle(arrive(world, 0, reader), 0, reader, Kind.ACCEPTED)
    return world
