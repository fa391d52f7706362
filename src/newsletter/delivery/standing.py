"""Whether this sender may go on, judged by what its messages and its dials come to.

One that the mail server refuses, or whose messages fail one after another for
our sake, pauses as a whole: no reader pays for it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.delivery.report import Stop
from newsletter.errors import Finding

BURST, AMONG = 5, 20
"""This many 5.7.x (or damaged rows) among the last so many tries are about us, not about readers."""


class Standing:
    """`explain` puts an outcome into words (Transport.explain); `halt` is set when the sender pauses."""

    def __init__(self, explain: Callable[[Outcome], Finding], halt: threading.Event) -> None:
        self._explain, self._halt = explain, halt
        self._recent: deque[bool] = deque(maxlen=AMONG)
        self._why = ""
        self._trouble: Finding | None = None
        self._unreachable: Finding | None = None

    def weigh(self, outcome: Outcome) -> None:
        """What a message came to."""
        self._recent.append(outcome.kind is not Kind.ACCEPTED and _about_us(outcome))
        if outcome.kind is Kind.OUR_FAULT:
            self._refused(outcome)
        elif outcome.kind is not Kind.ACCEPTED and sum(self._recent) >= BURST:
            self._trouble = self._trouble or _burst(outcome)
            self.pause(self._trouble.what)

    def unreached(self, trouble: Outcome) -> None:
        """A line could not be opened; the others go on, unless it is us whom the server refuses."""
        self._unreachable = self._explain(trouble)
        if trouble.kind is Kind.OUR_FAULT:
            self._refused(trouble)

    def pause(self, why: str) -> None:
        self._why = self._why or why
        self._halt.set()

    def stop(self, not_tried: int, *, asked: bool) -> tuple[Stop, str, Finding | None]:
        """How a run ended that left `not_tried` due, why, and the way out."""
        if self._why:
            return Stop.PAUSED, self._why, self._trouble
        if asked and not_tried:
            return Stop.ASKED, "", None
        if self._unreachable and not_tried:
            return Stop.PAUSED, self._unreachable.what, self._unreachable
        return Stop.DONE, "", None

    def _refused(self, outcome: Outcome) -> None:
        self._trouble = self._trouble or self._explain(outcome)
        self.pause(self._trouble.what)


def _about_us(outcome: Outcome) -> bool:
    """5.7.x is our reputation or authentication; a row that cannot be composed is no reader's fault either."""
    policy = outcome.enhanced is not None and outcome.enhanced.startswith("5.7.")
    broken = outcome.kind is Kind.DEFERRED and outcome.stage is Stage.CONNECT
    return policy or broken


def _burst(outcome: Outcome) -> Finding:
    """Message after message fails for our sake. `outcome` is the last of them."""
    words = (outcome.stage.value, outcome.code, outcome.reply)
    return Finding(
        "NL628",
        f"message after message fails for our sake: {' '.join(str(word) for word in words if word)}",
        help="it is the sender who is refused: look at SPF, DKIM, DMARC and the blocklists; "
        "no reader is given up for it",
    )
