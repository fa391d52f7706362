"""Names that stand for nobody: may be previewed, never sent.

`example.org` and its kin are kept free for examples (RFC 2606). A letter that
goes out with one of them has a link that leads nowhere, or a sender that
cannot be answered.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from newsletter.config import FILE_NAME, PLACEHOLDER_HOSTS, Settings
from newsletter.errors import Finding, Level, Where
from newsletter.issue.edition import Edition, leave_url

_HREF = re.compile(r'(?:href|src)="([^"]+)"')


def placeholders(
    settings: Settings, editions: Iterable[Edition] = (), level: Level = Level.ERROR
) -> list[Finding]:
    """NL459 for each setting, and each link of an edition, that names a placeholder host.

    A gate before sending passes Level.ERROR; a preview passes Level.WARNING.
    """
    sender = settings.sender
    named = {
        "publication.url": _host(settings.publication.url),
        "web.public_url": _host(settings.web.public_url or ""),
        "sender.address": sender.address.rpartition("@")[2],
        "sender.reply_to": (sender.reply_to or "").rpartition("@")[2],
        "sender.bounce_domain": sender.bounce_domain or "",
        "sender.list_id": sender.list_id,
        **{
            f"processors.{name}.host": processor.host
            for name, processor in settings.processors.items()
        },
    }
    found = [
        Finding(
            "NL459",
            f"`{key}` names the placeholder {host}",
            Where(FILE_NAME),
            help="write your own name there; a placeholder may be previewed, never sent",
            level=level,
        )
        for key, host in named.items()
        if PLACEHOLDER_HOSTS.search(host.lower().rstrip("."))
    ]
    own = {_host(settings.site_url), _host(settings.public_url)}
    hosts = {_host(url) for edition in editions for url in _HREF.findall(edition.html) if url} - own
    found += [
        Finding(
            "NL459",
            f"the letter links to the placeholder {host}",
            help="link to a real page, or take the link out",
            level=level,
        )
        for host in sorted(hosts)
        if PLACEHOLDER_HOSTS.search(host)
    ]
    return found


def unsendable(settings: Settings, editions: Iterable[Edition]) -> list[Finding]:
    """NL459 and NL487, as errors, for an issue that is about to be opened.

    A publication whose site stands on this machine (a rehearsal, the
    demonstration) may send its examples: nobody else can follow its links. A
    sender of one's own is no rehearsal.
    """
    editions = tuple(editions)
    if _here(_host(settings.site_url)):
        return stranded(settings) + moved(settings, editions)
    return placeholders(settings, editions) + stranded(settings) + moved(settings, editions)


def moved(settings: Settings, editions: Iterable[Edition]) -> list[Finding]:
    """NL487 for each edition that was frozen with another address than the settings name now."""
    leave = leave_url(settings.public_url)
    return [
        Finding(
            "NL487",
            f"the approved mail ({edition.language}) links to another address than"
            f" {settings.public_url}",
            Where(FILE_NAME),
            help="approve it anew: `newsletter issue withdraw`, then `newsletter issue approve`",
        )
        for edition in editions
        if leave not in edition.text
    ]


def stranded(settings: Settings, level: Level = Level.ERROR) -> list[Finding]:
    """NL459 where a real sender's links, the one that leaves among them, open on this machine alone."""
    if PLACEHOLDER_HOSTS.search(settings.sender.address.rpartition("@")[2].lower()):
        return []
    named = {"publication.url": settings.site_url, "web.public_url": settings.public_url}
    if named["web.public_url"] == named["publication.url"]:
        del named["web.public_url"]
    return [
        Finding(
            "NL459",
            f"`{key}` is {url}, which opens on this machine alone; the mail's links begin with it",
            Where(FILE_NAME),
            help="write the address that readers see, then approve again"
            " (`newsletter issue withdraw` takes an approval back)",
            level=level,
        )
        for key, url in named.items()
        if _here(_host(url))
    ]


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
