"""Who knows whom: one publication's objects, built from Settings when first asked for.

Nobody else puts rooms together. The command line asks a House for what a
command needs; a command that only reads words never opens a database, and
nothing opens the vault before somebody's address is needed.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from newsletter import resources
from newsletter.config import Settings
from newsletter.errors import CouldNotRun, Findings

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from newsletter.delivery.feedback.collecting import Office
    from newsletter.delivery.ledger import Sum
    from newsletter.delivery.loop import Pace
    from newsletter.delivery.outcome import Transport
    from newsletter.delivery.press import Press
    from newsletter.delivery.tempo import Tempo
    from newsletter.flows.agreed import Agreed
    from newsletter.flows.foretell import Ground
    from newsletter.flows.parts import Parts
    from newsletter.schedule.witness import Witness
    from newsletter.store import Store
    from newsletter.subscribers.journal import Journal
    from newsletter.subscribers.retention import Terms
    from newsletter.subscribers.rootkey import RootKey
    from newsletter.subscribers.vault import Vault

SQLITE = "sqlite:///"
PATIENCE_SECONDS = 30.0
"""How long a build that nobody typed waits for another one to end."""


def now() -> dt.datetime:
    """This moment, aware, UTC."""
    return dt.datetime.now(dt.UTC)


class House:
    """The rooms of one publication, joined. Close it, or use it in a `with`.

    `key` None reads the root key from where `environ` says. Each property may
    raise CouldNotRun: no database, no key, a relay that is not named.
    `complain` is told what kept the site from being made anew.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        environ: Mapping[str, str] = os.environ,
        key: RootKey | None = None,
        clock: Callable[[], dt.datetime] = now,
        complain: Callable[[Exception], None] = lambda trouble: None,
    ) -> None:
        self.settings = settings
        self.environ = environ
        self._key = key
        self.clock = clock
        self._complain = complain
        self._told: set[str] = set()

    def __enter__(self) -> House:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if "store" in self.__dict__:
            self.store.close()

    @property
    def database(self) -> Path | None:
        """The SQLite file; None where the store is a server."""
        url = self.settings.store.url
        return self.settings.path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None

    @cached_property
    def store(self) -> Store:
        """The database, its tables brought to this program's version."""
        from newsletter.store import open_store

        store = open_store(self._url, self._beside, self.mirror)
        store.migrate()
        return store

    def store_anew(self) -> AbstractContextManager[Store]:
        """The database for whoever fills it: there when that has ended well, else as it was (`store.anew`)."""
        from newsletter.store.anew import anew

        return anew(self._url, self.database, self._beside, self.mirror)

    @property
    def _url(self) -> str:
        file = self.database
        return f"{SQLITE}{file}" if file else self.settings.store.url

    @property
    def _beside(self) -> Path:
        return self.settings.path(self.settings.store.witness).parent

    @cached_property
    def key(self) -> RootKey:
        from newsletter.subscribers import rootkey

        return self._key or rootkey.read(
            self.environ, publication=self.settings.root, database=self.database
        )

    def try_key(self) -> None:
        """Raises CouldNotRun where `vault` would; nothing is made, in the database or beside it."""
        from newsletter.subscribers import keyring

        key = self.key
        if self.is_begun:
            with self.store.read() as tx:
                keyring.opened(tx, key)

    @property
    def is_begun(self) -> bool:
        """Whether there is a database, with tables in it. To use `store` makes one that is not there."""
        from newsletter.store import open_store, schema

        if self.database is not None:
            return self.database.exists()
        if "store" in self.__dict__:
            return True
        with closing(open_store(self._url, self._beside, self.mirror)) as store, store.read() as tx:
            return schema.version(tx) is not None

    @cached_property
    def vault(self) -> Vault:
        """The way to addresses. Asks for the key before the database is touched."""
        from newsletter.subscribers import vault

        key = self.key
        opened = vault.unlock(self.store, key, self.clock())
        self.journal.catch_up(self.store)  # a leave that the last process did not live to commit
        return opened

    @cached_property
    def journal(self) -> Journal:
        from newsletter.subscribers.journal import Journal

        return Journal(self.settings.path(self.settings.store.journal))

    @cached_property
    def transport(self) -> Transport:
        """The way out. Raises CouldNotRun when the relay is not named or not safe."""
        from newsletter.delivery.transports.choice import choose

        return choose(self.settings, self.clock().date())

    @cached_property
    def parts(self) -> Parts:
        """What the flows of a month work with."""
        from newsletter.flows import reach
        from newsletter.flows.parts import Parts

        return Parts(
            self.settings,
            self.store,
            self.vault,
            self.transport,
            self.clock,
            self.rebuild,
            reach.readable,
            self.mirror,
            self.complain,
            self.tempo,
            self.journal,
        )

    @property
    def ground(self) -> Ground:
        """What is asked before a send, and changed by nobody who asks."""
        from newsletter.flows import reach
        from newsletter.flows.foretell import Ground

        return Ground(
            settings=self.settings,
            store=self.store if self.is_begun else None,
            witness=self.witness,
            now=self.clock(),
            needs=(self.try_key, lambda: self.transport),
            readable=reach.readable,
            made=lambda path: (self.public / path.strip("/") / "index.html").is_file(),
        )

    def complain(self, trouble: Exception) -> None:
        """What a tick meets again every minute is told once."""
        findings = trouble.findings if isinstance(trouble, Findings | CouldNotRun) else ()
        words = str([finding.what for finding in findings] or trouble)
        if words not in self._told:
            self._told.add(words)
            self._complain(trouble)

    def rebuild(self) -> None:
        """Make the site anew. Where that fails the last good site stays, and it is complained of.

        Raises nothing: whoever has just written to every reader must be able to say so.
        """
        from newsletter import site

        try:
            site.build(self.settings, self.clock(), self.public, patience=PATIENCE_SECONDS)
        except Exception as trouble:  # noqa: BLE001 - a broken text, another build, a full disk
            self._complain(trouble)

    def account(self, period: str) -> Sum | None:
        """Where every reader of `period` stands; None when it was not opened. Makes no database."""
        from newsletter.delivery.ledger import sums

        if not self.is_begun:
            return None
        with self.store.read() as tx:
            return sums(tx, period)

    @property
    def mirror(self) -> Path:
        """The folder of this host's own copy of the witness: a state path of the account's own.

        Source: XDG Base Directory Specification, $XDG_STATE_HOME (a relative one is ignored).
        """
        named = self.settings.store.mirror
        if named:
            return self.settings.path(named)
        state = Path(self.environ.get("XDG_STATE_HOME", ""))
        home = Path(self.environ.get("HOME") or "/")
        return (state if state.is_absolute() else home / ".local" / "state") / "newsletter"

    @property
    def witness(self) -> Witness:
        """How far sending had come, as this host remembers it."""
        from newsletter.schedule.witness import Witness

        return Witness(self.settings.path(self.settings.store.witness), self.mirror)

    @property
    def terms(self) -> Terms:
        """How long things are kept, as [retention] says."""
        from newsletter.subscribers.retention import Terms

        kept = self.settings.retention
        return Terms(
            unconfirmed=dt.timedelta(hours=kept.unconfirmed_hours),
            left_address=dt.timedelta(days=kept.left_address_days),
            withdrawn_evidence=dt.timedelta(days=kept.withdrawn_evidence_days),
        )

    @property
    def office(self) -> Office:
        """What is needed to act on what comes back."""
        from newsletter.delivery.feedback.collecting import Office
        from newsletter.delivery.headers import Letterhead

        return Office(self.store, self.vault, self.journal, Letterhead.of(self.settings).domain)

    @cached_property
    def agreed(self) -> Agreed:
        """What people agree to."""
        from newsletter.flows.agreed import Agreed

        return Agreed(self.settings, self.clock, lambda: self.store)

    def press(self) -> Press:
        from newsletter.delivery.press import Press

        return Press(self.settings, self.vault)

    @property
    def pace(self) -> Pace:
        from newsletter.delivery.loop import Pace

        delivery = self.settings.delivery
        return Pace(delivery.connections, delivery.rate_per_second)

    @cached_property
    def tempo(self) -> Tempo:
        """One for everything that this house sends."""
        from newsletter.delivery.tempo import Tempo

        delivery = self.settings.delivery
        return Tempo(delivery.connections, delivery.rate_per_second)

    @property
    def public(self) -> Path:
        """Where the site is built."""
        return self.settings.path("public")

    def web_app(self) -> Starlette:
        """The forms and the built site, as one ASGI app."""
        from newsletter.delivery.feedback.sendgrid import webhook_key
        from newsletter.web.app import WebParts, build

        settings = self.settings
        return build(
            WebParts(
                title=settings.publication.title,
                languages=settings.publication.languages,
                public_url=settings.public_url,
                site_url=settings.site_url,
                zone=settings.publication.time_zone,
                store=self.store,
                vault=self.vault,
                journal=self.journal,
                wordings=self.agreed.known,
                next_issue=self.next_issue,
                clock=self.clock,
                templates=tuple(resources.templates("web", settings.root)),
                tokens=self._of_the_site("tokens.css"),
                icon=self._of_the_site("icon.svg"),
                site=self.public,
                privacy=self._privacy_pages(),
                unconfirmed=dt.timedelta(hours=settings.retention.unconfirmed_hours),
                sendgrid=webhook_key(settings),
                shared=bool(settings.processors),
            )
        )

    def site_app(self) -> Starlette:
        """The built site alone: it asks for no key and opens no database."""
        from newsletter.web.app import build_site

        settings = self.settings
        return build_site(
            self.public,
            settings.site_url,
            settings.public_url,
            settings.publication.languages,
            settings.web.bind,
        )

    def _of_the_site(self, name: str) -> Path:
        """A file of the site's look that the forms share, the publication's own first."""
        found = (folder / name for folder in resources.templates("site", self.settings.root))
        return next(file for file in found if file.is_file())

    def _privacy_pages(self) -> dict[str, str]:
        """Language -> address of its privacy page; none while the texts cannot be read."""
        from newsletter import content
        from newsletter.content import urls

        try:
            pages = content.load(self.settings, self.clock()).pages
        except Findings:
            return {}
        languages = self.settings.publication.languages
        return {
            page.language: self.settings.site_url + urls.page_path(page, languages)
            for page in pages
            if page.id == "privacy"
        }

    def next_issue(self, moment: dt.datetime) -> dt.datetime | None:
        """When somebody who confirms at `moment` gets their first letter: the next due moment.

        An issue that was opened before it was due (`send --early`) has gone without them.
        """
        from newsletter.issue import period
        from newsletter.schedule.witness import newest

        month = period.at(moment, self.settings.publication.time_zone)
        due = period.due(self.settings, month)
        with self.store.read() as tx:
            last = newest(tx)
        gone = last is not None and last.period >= str(month)
        return due if due > moment and not gone else period.due(self.settings, month.following())
