"""What people agree to: the wordings in content/consent, as the forms and the list ask for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from newsletter.config import Settings
from newsletter.content import wordings as written
from newsletter.errors import CouldNotRun, Finding, Findings, Where
from newsletter.store import Store
from newsletter.subscribers import wordings as kept
from newsletter.subscribers.wordings import Shown


class Agreed:
    """The consent wordings of one publication. `store` is asked for only to keep one."""

    def __init__(
        self, settings: Settings, clock: Callable[[], dt.datetime], store: Callable[[], Store]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._store = store
        self._kept: set[str] = set()

    def known(self) -> tuple[Shown, ...]:
        """The wordings on the disk, each kept in the store before a form may show it."""
        found = self.all()
        fresh = {each.hash for each in found} - self._kept
        if fresh:
            with self._store().write() as tx:
                kept.register(tx, found, self._clock())
            self._kept |= fresh
        return found

    def all(self) -> tuple[Shown, ...]:
        """Every wording as it is on the disk now, oldest first in each language.

        Raises:
            Findings: a file cannot be read.
        """
        settings = self._settings
        found, findings = written.read_all(settings.root, settings.publication.languages)
        if findings:
            raise Findings(findings)
        return tuple(
            Shown(each.hash, each.language, each.version, each.text)
            for versions in found.values()
            for each in versions
        )

    def today(self, language: str) -> Shown:
        """What people agree to in `language` today.

        Raises:
            CouldNotRun: NL142, there is none.
        """
        found = [wording for wording in self.all() if wording.language == language]
        if not found:
            folder = f"content/consent/{language}"
            raise CouldNotRun(
                Finding(
                    "NL142",
                    f"there is no consent wording in {language}",
                    Where(folder),
                    help=f"write the sentence that people agree to into {folder}/1.md",
                )
            )
        return found[-1]
