"""Where reports come back to, as newsletter.toml says; or a finding why one may not be read."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

from newsletter.config import FILE_NAME, Imap, Settings
from newsletter.delivery.feedback.collecting import Source
from newsletter.delivery.feedback.maildir import Maildir
from newsletter.delivery.transports.choice import is_this_machine
from newsletter.delivery.transports.processors import unnamed
from newsletter.errors import CouldNotRun, Finding, Where


def places(settings: Settings, today: dt.date) -> list[Source]:
    """The configured sources; none is talked to yet.

    Raises:
        CouldNotRun: NL601, NL631 an IMAP host that is not this machine is not
            named to readers; NL647 it would be read in clear, or its authority cannot
            be read.
    """
    feedback = settings.feedback
    found: list[Source] = []
    if feedback.maildir is not None:
        found.append(maildir(settings, settings.path(feedback.maildir)))
    if feedback.imap.host is not None:
        found.append(_imap(settings, feedback.imap, feedback.imap.host, today))
    return found


def maildir(settings: Settings, folder: Path) -> Source:
    """A Maildir, settled as the settings say."""
    return Maildir(folder, delete=settings.feedback.afterwards == "delete")


def _imap(settings: Settings, imap: Imap, host: str, today: dt.date) -> Source:
    from newsletter.delivery.feedback.imap import Box, ImapFolder

    assert imap.user is not None, "the settings insist on it"
    assert imap.password is not None, "the settings insist on it"
    if not is_this_machine(host):
        wrong = unnamed(settings, host, today)
        if imap.security == "none":
            wrong.append(
                Finding(
                    "NL647",
                    f"mails at {host} would be read in clear",
                    Where(FILE_NAME),
                    help='set [feedback.imap] security = "tls" or "starttls"',
                )
            )
        if wrong:
            raise CouldNotRun(*wrong)
    box = Box(
        host=host,
        port=imap.port,
        security=imap.security,
        user=imap.user,
        password=imap.password.reveal,
        folder=imap.folder,
        move_to=imap.move_to,
        delete=settings.feedback.afterwards == "delete",
    )
    return ImapFolder(box, context=_context(settings, imap.ca_file))


def _context(settings: Settings, ca_file: str | None) -> ssl.SSLContext | None:
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(settings.path(ca_file)))
    except (OSError, ssl.SSLError) as error:
        raise CouldNotRun(
            Finding(
                "NL647",
                f"the authority {ca_file} cannot be read: {error.strerror or 'no PEM certificate'}",
                Where(FILE_NAME),
                help="[feedback.imap] ca_file is a PEM file that this account may read",
            )
        ) from error
