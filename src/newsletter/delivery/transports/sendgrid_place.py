"""Where SendGrid's API is, and which addresses may stand in for it. Pure."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

REGIONS = {"eu": "https://api.eu.sendgrid.com", "global": "https://api.sendgrid.com"}
"""Source: Twilio SendGrid, API reference, base URLs; sendgrid 6.12.5, base_interface.py."""


def is_pinned(base: str) -> bool:
    """Whether requests may go to `base`: SendGrid's own hosts over https, or a stand-in on this machine."""
    return base in REGIONS.values() or is_stand_in(base)


def is_stand_in(base: str) -> bool:
    """A loopback address by number: no resolver is asked where a key and addresses go."""
    try:
        parts = urlsplit(base)
        return (
            parts.scheme in ("http", "https")
            and ipaddress.ip_address(parts.hostname or "").is_loopback
            and not parts.path
            and parts.username is None
            and not parts.query
        )
    except ValueError:
        return False
