"""Time as coarse as the answer: whoever asks sees a multiple of 50 ms, never what was done for it. Pure.

A new address costs a write and a mail in the queue, a known one nearly
nothing. Answered as soon as each is done, the clock would tell them apart.
"""

from __future__ import annotations

import math

STEP = 0.05
"""Seconds. Above what the slowest honest case takes on a busy small machine."""


def rest(elapsed: float) -> float:
    """Seconds still to wait, so that the whole is the next multiple of STEP. `elapsed` >= 0."""
    return max(1, math.ceil(elapsed / STEP)) * STEP - elapsed
