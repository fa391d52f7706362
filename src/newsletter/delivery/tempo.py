"""How fast the whole sender may go right now: what the publisher allows, less what the mail server asked for.

    "too much"      half the connections, half the rate; on the last connection a
                    pause between messages, from one second on
    a quiet minute  one such step back

One for a process: every lane and every loop asks the same; but what other mails
than an issue's meet slows them alone (`others`). Of several processes
that send from one ledger each has its part (company.py). Threads may share it.
It knows no clock: `now` is a moment of `time.monotonic`.
"""

from __future__ import annotations

import threading

from newsletter.delivery.outcome import Kind, Outcome

LATE = 0.05
"""Seconds of lateness that are caught up, so that the rate holds over time. After more, no burst makes up for it."""
AT_ONCE = 10.0
"""Seconds in which any number of "too much" counts as one: the lines say it together."""
QUIET = 60.0
"""Seconds without a "too much" after which it goes faster by one step."""
IN_FOUR = 4
"""One mail of so many is for others while an issue is sent: a flood of sign-ups takes no more of the rate."""
CALLS = 100
"""So many times, some three a second, other mails find no seat after they were called; the issue may not come back."""
LONGEST = 64.0
"""Seconds between two messages, at the slowest."""


class Tempo:
    """`connections` at most, and `per_second` messages on all of them together (None: as the server takes them)."""

    def __init__(self, connections: int, per_second: float | None = None) -> None:
        self._all = self._most = connections
        self._interval = 1 / per_second if per_second else 0.0
        self._crowd = 1
        self._lock = threading.Lock()
        self._taken = self._kept = self._others = self._called = 0
        self._next = 0.0
        self._steps = 0
        self._heard = -AT_ONCE
        self._eased = 0.0
        self._why: Outcome | None = None
        self._others_: Others | None = None

    @property
    def others(self) -> Others:
        """The tempo of mails that anybody may ask for: always the same one."""
        with self._lock:
            if self._others_ is None:
                self._others_ = Others(self, self._all)
            return self._others_

    def share(self, place: int, of: int) -> None:
        """This process is number `place`, from 0, of those that send now: it has its part of both limits.

        Where they are more than there are connections, the last have none.
        """
        with self._lock:
            self._crowd = of
            self._most = self._all // of or int(place < self._all)

    def keep_free(self, seats: int) -> None:
        """Issues leave so many connections to other mails, where there are more than that."""
        with self._lock:
            self._kept = seats

    def sit(self, wanted: int, *, issue: bool) -> int:
        """How many connections a loop may open, at most `wanted`; it gives them back with `rise`.

        Other mails than an issue's take no more than what is kept for them, so
        that an issue finds its own free. Where there is but one seat and they
        have it, they are called, and get none until the issue has come back.
        """
        with self._lock:
            if self._called and not issue:
                self._called -= 1
                return 0
            free = self._most - self._taken
            kept = self._kept if self._most > self._kept else 0
            most = free - max(0, kept - self._others) if issue else min(free, kept or free)
            granted = max(0, min(wanted, most))
            if issue:
                waits = wanted and not granted and self._others
                self._called = CALLS if waits else 0
            self._take(granted, issue=issue)
            return granted

    @property
    def is_called(self) -> bool:
        """Whether whoever sends other mails should get up: an issue found no seat."""
        return False

    def rise(self, seats: int, *, issue: bool) -> None:
        with self._lock:
            self._take(-seats, issue=issue)

    @property
    def sends_an_issue(self) -> bool:
        """Whether somebody sits here for one."""
        return self._taken > self._others

    def _take(self, seats: int, *, issue: bool) -> None:
        self._taken += seats
        if not issue:
            self._others += seats

    def heed(self, outcome: Outcome, now: float) -> None:
        """Take notice of what a message, or a dial, came to."""
        if not slows_down(outcome):
            return
        with self._lock:
            self._ease(now)
            self._eased = now
            self._why = outcome
            if now - self._heard < AT_ONCE:
                return
            self._heard = now
            if self._steps == 0 or self._gap() < LONGEST:
                self._steps += 1
            if self._gap():
                self._next = max(self._next, now + self._gap())

    def connections(self, now: float) -> int:
        """How many may be in use."""
        with self._lock:
            self._ease(now)
            return max(1, self._most >> self._steps) if self._most else 0

    def grant(self, wanted: int, now: float) -> int:
        """How many messages may be begun now, at most `wanted`. They count as begun."""
        with self._lock:
            self._ease(now)
            gap = self._gap()
            if not gap:
                return wanted
            if now - self._next > LATE:
                self._next = now
            granted = 0
            while granted < wanted and self._next <= now:
                self._next += gap
                granted += 1
            return granted

    def waits(self, now: float) -> float:
        """Seconds until the next message may be begun."""
        with self._lock:
            return max(0.0, self._next - now) if self._gap() else 0.0

    def paces(self, now: float) -> bool:
        """Whether there is a pause between one message and the next."""
        with self._lock:
            self._ease(now)
            return bool(self._gap())

    def slowed(self, now: float) -> Outcome | None:
        """What made it slower than the publisher allows; None when nothing does."""
        with self._lock:
            self._ease(now)
            return self._why if self._steps else None

    def _gap(self) -> float:
        """Seconds from one message to the next."""
        slower = self._interval * self._crowd * 2.0**self._steps
        halvings = max(0, self._most.bit_length() - 1)
        alone = 2.0 ** (self._steps - halvings - 1) if self._steps > halvings else 0.0
        return max(slower, min(alone, LONGEST))

    def _ease(self, now: float) -> None:
        while self._steps and now - self._eased >= QUIET:
            self._steps -= 1
            self._eased += QUIET


class Others(Tempo):
    """No faster than the whole, and slower by what these mails met themselves.

    A stranger signs up names that no domain has; the server hangs up on whoever
    names twenty of them (421). That is about the stranger: an issue's readers
    are not made to wait for it, and when it is about us, an issue meets it too.
    """

    def __init__(self, whole: Tempo, connections: int) -> None:
        super().__init__(connections)
        self._whole = whole

    @property
    def others(self) -> Others:
        return self

    @property
    def is_called(self) -> bool:
        return self._whole._called > 0

    def _gap(self) -> float:
        own = super()._gap()
        return max(own, IN_FOUR * self._whole._gap()) if self._whole.sends_an_issue else own

    def share(self, place: int, of: int) -> None:
        self._whole.share(place, of)

    def keep_free(self, seats: int) -> None:
        self._whole.keep_free(seats)

    def sit(self, wanted: int, *, issue: bool) -> int:
        return self._whole.sit(wanted, issue=issue)

    def rise(self, seats: int, *, issue: bool) -> None:
        self._whole.rise(seats, issue=issue)

    def connections(self, now: float) -> int:
        return min(super().connections(now), self._whole.connections(now))

    def grant(self, wanted: int, now: float) -> int:
        if super().waits(now) > 0:
            return 0
        most = min(wanted, 1) if super().paces(now) else wanted
        # Whoever finds no room in the whole keeps its turn here.
        granted = self._whole.grant(most, now)
        return super().grant(granted, now) if granted else 0

    def waits(self, now: float) -> float:
        return max(super().waits(now), self._whole.waits(now))

    def paces(self, now: float) -> bool:
        return super().paces(now) or self._whole.paces(now)

    def slowed(self, now: float) -> Outcome | None:
        return super().slowed(now) or self._whole.slowed(now)


SLOWER = frozenset({"4.7.0", "4.7.28", "4.3.2", "4.4.5"})
"""RFC 3463 and what large hosts say for "too much, too fast": 4.3.2 not accepting, 4.4.5 congestion, 4.7.0 and 4.7.28 rate."""
_WORDS = (
    *("rate limit", "too many", "throttled", "limit exceeded", "too fast", "slow", "overloaded"),
    *("too much", "sender rate"),  # Postfix's anvil; the message of Exim's own examples
)


def slows_down(outcome: Outcome) -> bool:
    """Whether this is about how much we send, not about this message."""
    if outcome.kind is not Kind.DEFERRED or outcome.code is None:
        return False
    if outcome.code in (421, 429) or outcome.enhanced in SLOWER:
        return True
    return outcome.code in (450, 451, 452) and any(word in outcome.reply for word in _WORDS)
