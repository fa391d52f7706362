"""Whether a host may be given readers' addresses: it is named under [processors], and agreed with. Pure.

Source: GDPR Art. 13(1)(e), Art. 28(3).
"""

from __future__ import annotations

import datetime as dt

from newsletter.config import FILE_NAME, PLACEHOLDER_HOSTS, Settings
from newsletter.errors import Finding, Where


def unnamed(settings: Settings, host: str, today: dt.date) -> list[Finding]:
    """NL601 where `host` does not stand under [processors], NL631 where its agreement is still to come."""
    named = [each for each in settings.processors.values() if each.host.lower() == host.lower()]
    if not named:
        return [
            Finding(
                "NL601",
                f"the mail host {host} is not this machine and not named under [processors]",
                Where(FILE_NAME),
                help="add [processors.NAME] with host, purpose, agreement_date and region: "
                "readers have a right to know who gets their address",
            )
        ]
    first = min(each.agreement_date for each in named)
    if first > today:
        return [
            Finding(
                "NL631",
                f"the agreement with {host} is of {first}, which is still to come",
                Where(FILE_NAME),
                help="nothing is sent before it is signed; then write the day of its signature",
            )
        ]
    return []


def placeholder(settings: Settings) -> list[Finding]:
    """NL603 where the sender's domain belongs to nobody."""
    domain = settings.sender.address.rpartition("@")[2]
    if not PLACEHOLDER_HOSTS.search(domain):
        return []
    return [
        Finding(
            "NL603",
            f"the sender's domain {domain} is a placeholder, which may be previewed but not sent",
            Where(FILE_NAME),
            help="set [sender] address to a mailbox of your own domain",
        )
    ]
