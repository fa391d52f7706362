"""Everything that comes back about a mail goes through one door: `apply`."""

from newsletter.delivery.feedback.applying import (
    Applied,
    Effect,
    apply,
    apply_all,
    apply_waiting,
)
from newsletter.delivery.feedback.events import Event, Kind
from newsletter.delivery.feedback.readers import weigh_rejected

__all__ = [
    "Applied",
    "Effect",
    "Event",
    "Kind",
    "apply",
    "apply_all",
    "apply_waiting",
    "weigh_rejected",
]
