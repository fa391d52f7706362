"""The transport that newsletter.toml asks for, or a finding why it may not be had.

Whoever handles readers' addresses for the publisher is named to readers
(GDPR Art. 13, 28): a mail host that is not this machine must stand under
[processors] before it gets the first address, and in nobody's test or demo.
"""

from __future__ import annotations

import ipaddress

from newsletter.config import FILE_NAME, PLACEHOLDER_HOSTS, Settings
from newsletter.delivery.outcome import Transport
from newsletter.delivery.transports.outbox import OutboxTransport
from newsletter.delivery.transports.smtp import Relay, SmtpTransport
from newsletter.errors import CouldNotRun, Finding, Where


def choose(settings: Settings) -> Transport:
    """The configured way out.

    Raises:
        CouldNotRun: NL601 the host is not named under [processors], NL602 it would
            get mail in clear, NL603 the sender is a placeholder.
    """
    if settings.delivery.transport == "outbox":
        return OutboxTransport(settings.path(settings.delivery.outbox_path))
    smtp = settings.delivery.smtp
    if not is_this_machine(smtp.host):
        _insist(settings)
    return SmtpTransport(
        Relay(
            host=smtp.host,
            port=smtp.port,
            security=smtp.security,
            helo=settings.sender.address.rpartition("@")[2],
            user=smtp.user,
            password=smtp.password.reveal if smtp.password else None,
        )
    )


def is_this_machine(host: str) -> bool:
    """Whether `host` is a loopback address or the name for it; no DNS is asked."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in ("localhost", "localhost.localdomain")


def _insist(settings: Settings) -> None:
    smtp = settings.delivery.smtp
    found = []
    if smtp.host not in {processor.host for processor in settings.processors.values()}:
        found.append(
            Finding(
                "NL601",
                f"the mail host {smtp.host} is not this machine and not named under [processors]",
                Where(FILE_NAME),
                help="add [processors.NAME] with host, purpose, agreement_date and region: "
                "readers have a right to know who gets their address",
            )
        )
    if smtp.security == "none":
        found.append(
            Finding(
                "NL602",
                f"mail to {smtp.host} would cross the network in clear",
                Where(FILE_NAME),
                help='set [delivery.smtp] security = "tls" or "starttls"',
            )
        )
    domain = settings.sender.address.rpartition("@")[2]
    if PLACEHOLDER_HOSTS.search(domain):
        found.append(
            Finding(
                "NL603",
                f"the sender's domain {domain} is a placeholder, which may be previewed but not sent",
                Where(FILE_NAME),
                help="set [sender] address to a mailbox of your own domain",
            )
        )
    if found:
        raise CouldNotRun(*found)
