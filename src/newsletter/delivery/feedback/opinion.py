"""A second opinion about a bounce that is no report: what flufl.bounce makes of it.

It is asked whether a mail speaks of a failure and of which sort, never whom it
is about: it believes any address in a body. A report (RFC 3464) is not shown
to it, because it takes every "failed" for permanent, a full mailbox too.
"""

from __future__ import annotations

import email
import email.policy
import logging
from enum import StrEnum

SHOWN = 65_536
"""Bytes: the words stand in front of what is returned."""


class Opinion(StrEnum):
    NONE = "none"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"


def of(raw: bytes) -> Opinion:
    """What kind of failure a mail speaks of; never raises for what a stranger wrote."""
    import flufl.bounce

    # What trips one of its detectors may hold an address, and it logs that.
    logging.getLogger("flufl.bounce").disabled = True
    try:
        message = email.message_from_bytes(raw[:SHOWN], policy=email.policy.compat32)
        temporary, permanent = flufl.bounce.all_failures(message)
    except Exception:  # noqa: BLE001 - any of its twenty detectors may trip over junk
        return Opinion.NONE
    if permanent:
        return Opinion.PERMANENT
    return Opinion.TEMPORARY if temporary else Opinion.NONE
