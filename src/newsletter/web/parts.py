"""What the public app is built from, handed in by wiring. The app looks nothing up by itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from newsletter.store import Store
from newsletter.subscribers.journal import Journal
from newsletter.subscribers.vault import Vault
from newsletter.subscribers.wordings import Shown


@dataclass(frozen=True, slots=True)
class WebParts:
    """`public_url` (the forms) and `site_url` (the pages) have no slash at the end.

    `wordings` gives every wording that may stand in a form somebody still has
    open: of each language all versions, oldest first, the last one current.
    `next_issue` says when the first letter comes to somebody who confirms at
    that moment; None when nobody knows. `site` is the folder of the built
    pages, looked up anew for each request; None serves the forms alone.
    `templates` are folders of web templates, the publication's own first;
    `tokens` is the site's tokens.css, `icon` its icon.svg. `privacy` maps a
    language to the address of its privacy page. `smtputf8`: whether the mail
    road carries such local parts. `sendgrid` is the key that SendGrid signs its
    events with; None: its webhook is not there. `shared`: somebody handles
    addresses for the publisher, and the privacy page names them.
    """

    title: str
    languages: tuple[str, ...]
    public_url: str
    site_url: str
    zone: dt.tzinfo
    store: Store
    vault: Vault = field(repr=False)
    journal: Journal
    wordings: Callable[[], Sequence[Shown]]
    next_issue: Callable[[dt.datetime], dt.datetime | None]
    clock: Callable[[], dt.datetime]
    templates: tuple[Path, ...]
    tokens: Path
    icon: Path
    site: Path | None = None
    privacy: Mapping[str, str] = field(default_factory=dict)
    unconfirmed: dt.timedelta = dt.timedelta(hours=48)
    smtputf8: bool = False
    sendgrid: EllipticCurvePublicKey | None = None
    shared: bool = False

    @property
    def base(self) -> str:
        """The path below which the forms lie: "" or "/letter"."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https:")

    def current_wording(self, language: str) -> Shown | None:
        """What a form in `language` shows today."""
        found = [wording for wording in self.wordings() if wording.language == language]
        return found[-1] if found else None

    def known_wording(self, language: str, wording_hash: str) -> bool:
        """Whether a form in `language` ever showed this wording."""
        return any(
            wording.language == language and wording.hash == wording_hash
            for wording in self.wordings()
        )
