"""The transport that newsletter.toml asks for, or a finding why it may not be had.

Whoever handles readers' addresses for the publisher is named to readers
(GDPR Art. 13, 28): a mail host that is not this machine must stand under
[processors] before it gets the first address, and in nobody's test or demo.
"""

from __future__ import annotations

import datetime as dt
import ipaddress

from newsletter.config import FILE_NAME, Settings
from newsletter.delivery.outcome import Transport
from newsletter.delivery.transports import sendgrid_terms
from newsletter.delivery.transports.outbox import OutboxTransport
from newsletter.delivery.transports.processors import placeholder, unnamed
from newsletter.delivery.transports.smtp import Relay, SmtpTransport
from newsletter.delivery.transports.wire import UNIX
from newsletter.errors import CouldNotRun, Finding, Where


def choose(settings: Settings, today: dt.date) -> Transport:
    """The configured way out. `today` is what a processor's agreement is measured by.

    Raises:
        CouldNotRun: whatever `objections` says, and NL630 where SendGrid's SDK is missing.
    """
    if settings.delivery.transport == "outbox":
        return OutboxTransport(settings.path(settings.delivery.outbox_path))
    if settings.delivery.transport == "sendgrid":
        return sendgrid_terms.transport(settings, today)
    if found := objections(settings, today):
        raise CouldNotRun(*found)
    return SmtpTransport(relay_of(settings))


def relay_of(settings: Settings) -> Relay:
    """The mail server as newsletter.toml describes it."""
    smtp = settings.delivery.smtp
    return Relay(
        host=smtp.host.strip("[]"),
        port=smtp.port,
        security="none" if smtp.host.startswith(UNIX) else smtp.security,
        helo=smtp.helo or settings.sender.address.rpartition("@")[2],
        user=smtp.user,
        password=smtp.password.reveal if smtp.password else None,
        authority=settings.path(smtp.ca_file) if smtp.ca_file else None,
        lmtp=smtp.protocol == "lmtp",
        messages=smtp.messages_per_connection,
    )


def objections(settings: Settings, today: dt.date) -> list[Finding]:
    """What newsletter.toml itself has against the configured road: NL601 to NL603, NL631 to NL634.

    NL601 the host is not named under [processors], NL602 it would get mail in
    clear, NL603 the sender is a placeholder, NL631 the agreement is still to come.
    """
    if settings.delivery.transport == "sendgrid":
        return sendgrid_terms.objections(settings, today)
    if settings.delivery.transport == "outbox" or is_this_machine(settings.delivery.smtp.host):
        return []
    return _against(settings, today)


def is_this_machine(host: str) -> bool:
    """Whether `host` is a socket, a loopback address or the name for it; no DNS is asked."""
    if host.startswith(UNIX):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in ("localhost", "localhost.localdomain")


def _against(settings: Settings, today: dt.date) -> list[Finding]:
    smtp = settings.delivery.smtp
    found = unnamed(settings, smtp.host, today)
    if smtp.security == "none":
        found.append(
            Finding(
                "NL602",
                f"mail to {smtp.host} would cross the network in clear",
                Where(FILE_NAME),
                help='set [delivery.smtp] security = "tls" or "starttls"',
            )
        )
    return found + placeholder(settings)
