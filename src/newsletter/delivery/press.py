"""The press: a claimed job becomes an envelope and the bytes of its message.

Here, and only here, a text meets an address. Editions are read once from the
issue's own rows, checked against their hashes, and compiled into templates.
"""

from __future__ import annotations

import datetime as dt
import math

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.config import Settings
from newsletter.delivery import message, notice_text
from newsletter.delivery.headers import BOUNCE_NAME, Letterhead
from newsletter.delivery.ledger import Job
from newsletter.delivery.message import Content, Template
from newsletter.delivery.outcome import Envelope
from newsletter.errors import NewsletterError
from newsletter.issue.edition import sha256
from newsletter.store.tables import editions, issues
from newsletter.subscribers import tokens
from newsletter.subscribers.vault import Vault


class Altered(NewsletterError):
    """The database's copy of an edition is not what was approved."""

    exit_code = 1


class Press:
    """Composes for one publication. Threads may share it once `load` is done."""

    def __init__(self, settings: Settings, vault: Vault) -> None:
        self.vault = vault
        self._settings = settings
        self._letterhead = Letterhead.of(settings)
        self._templates: dict[str, Template] = {}

    def load(self, tx: Connection, period: str) -> None:
        """Compile the editions of an opened issue.

        Raises:
            Altered: a hash does not fit.
        """
        dated = tx.scalar(sa.select(issues.c.dated).where(issues.c.period == period))
        assert dated is not None, "an issue is opened before it is printed"
        for row in tx.execute(sa.select(editions).where(editions.c.period == period)):
            if (sha256(row.html), sha256(row.text)) != (row.html_sha256, row.text_sha256):
                raise Altered(f"the {row.language} edition of {period} was altered in the database")
            content = Content(row.subject, row.html, row.text)
            self._templates[row.language] = message.issue(self._letterhead, content, period, dated)

    def compose(
        self, job: Job, now: dt.datetime, dot_before: float = math.inf
    ) -> tuple[Envelope, bytes]:
        """The envelope and the message of `job`.

        Raises:
            Broken: the address does not open.
            KeyError: no edition in the job's language.
        """
        if job.kind == "issue":
            assert job.link_id is not None
            token = self.vault.mail_token(job.link_id)
            template, message_id = self._templates[job.language], job.message_id
        else:
            template, token = self._notice(job, now)
            message_id = f"<{job.message_id}@{self._letterhead.domain}>"
        to = self._recipient(job)
        name = self._name(job)
        envelope = Envelope(
            self._return_path(name),
            to,
            not to.isascii(),
            dot_before,
            job.id,
            name,
            template.dotless,
        )
        return envelope, template.fill(to, message_id, token)

    def _recipient(self, job: Job) -> str:
        if job.kind == "word":
            assert self._settings.month.notify is not None
            return self._settings.month.notify
        assert job.address is not None
        return self.vault.open_address(job.subscriber_id, job.address)

    def _name(self, job: Job) -> str | None:
        """The token that names a reader's mail, issue or notice, and that only we can make."""
        if job.kind == "word":
            return None
        name = bytes.fromhex(job.id)[: tokens.ID_BYTES]
        return self.vault.token(tokens.Purpose.BOUNCE, name)

    def _return_path(self, name: str | None) -> str:
        """Where a report of non-delivery goes; with [sender] bounce_domain it names the delivery (VERP)."""
        domain = self._settings.sender.bounce_domain
        if domain is None or name is None:
            return self._letterhead.address
        return f"{BOUNCE_NAME}+{name}@{domain}"

    def _notice(self, job: Job, now: dt.datetime) -> tuple[Template, str]:
        token = ""
        if job.confirmation_id is not None:
            make = self.vault.confirm_token if job.kind == "confirm" else self.vault.data_token
            token = make(job.confirmation_id)
        content = notice_text.write(self._settings, job)
        return message.notice(self._letterhead, content, now), token
