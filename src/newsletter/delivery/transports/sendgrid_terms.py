"""Whether this publication may use SendGrid, and the transport when it may.

The SDK is an extra, loaded here and nowhere else; without it the refusal names
the command that brings it.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from newsletter.config import FILE_NAME, Settings
from newsletter.delivery.transports.processors import placeholder, unnamed
from newsletter.delivery.transports.sendgrid_place import REGIONS, is_stand_in
from newsletter.errors import CouldNotRun, Finding, Where

if TYPE_CHECKING:
    from newsletter.delivery.transports.sendgrid import SendGridTransport


def base_of(settings: Settings) -> str:
    """Where requests go: SendGrid's own host of the region, or what stands in for it here."""
    sendgrid = settings.delivery.sendgrid
    return (sendgrid.stand_in or REGIONS[sendgrid.region]).rstrip("/")


def objections(settings: Settings, today: dt.date) -> list[Finding]:
    """Everything that stands against it in newsletter.toml; no secret is looked at."""
    sendgrid = settings.delivery.sendgrid
    found: list[Finding] = []
    if sendgrid.api_key is None:
        found.append(
            Finding(
                "NL633",
                "SendGrid is to carry the mail, and there is no key to it",
                Where(FILE_NAME),
                help='set [delivery.sendgrid] api_key = "env:SENDGRID_API_KEY"',
            )
        )
    if sendgrid.stand_in is not None:
        return (
            found if is_stand_in(base_of(settings)) else [*found, _no_stand_in(sendgrid.stand_in)]
        )
    host = urlsplit(base_of(settings)).hostname or ""
    found += unnamed(settings, host, today)
    found += placeholder(settings)
    if _is_here(settings.site_url) or _is_here(settings.public_url):
        found.append(
            Finding(
                "NL632",
                "the site stands on this machine, and SendGrid would carry its links to readers elsewhere",
                Where(FILE_NAME),
                help="send a trial with `newsletter send --to-inbox`, or set [publication] url to where readers find it",
            )
        )
    return found


def transport(settings: Settings, today: dt.date) -> SendGridTransport:
    """The transport.

    Raises:
        CouldNotRun: any of `objections`; NL106 the key's place is empty; NL630 the SDK is not installed.
    """
    found = objections(settings, today)
    if any(find_spec(name) is None for name in ("sendgrid", "python_http_client")):
        found.append(
            Finding(
                "NL630",
                "SendGrid's SDK is not installed",
                help="run `pip install '.[sendgrid]'` in the program's checkout",
            )
        )
    if found:
        raise CouldNotRun(*found)
    from newsletter.delivery.transports.sendgrid import SendGridTransport, Service

    key = settings.delivery.sendgrid.api_key
    assert key is not None
    key.reveal()  # a key that is not there is told now, and not in the middle of a letter
    return SendGridTransport(Service(base_of(settings), key.reveal))


def _no_stand_in(address: str) -> Finding:
    return Finding(
        "NL634",
        f"{address} cannot stand in for SendGrid: it is no address of this machine, by number",
        Where(FILE_NAME),
        help='write "http://127.0.0.1:PORT", or take `stand_in` out to reach SendGrid itself',
    )


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
