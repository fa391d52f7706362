"""What the program itself says, in the reader's language.

gettext catalogues (one domain per room: site, mail, web) and CLDR dates and
plurals through Babel. English is the source; a string without a translation
appears in English, and a test fails for it.
"""

from __future__ import annotations

import datetime as dt
import gettext
import io
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from newsletter.resources import PACKAGE

SPOKEN = ("en", "ru", "de")
"""Interface languages with a complete catalogue."""


def spoken(tag: str) -> str | None:
    """Whose words a language has: its own, or those of the language it is a kind of ("de-AT"); None: nobody's."""
    return next((each for each in (tag, tag.partition("-")[0]) if each in SPOKEN), None)


@cache
def _catalogue(tag: str, domain: str) -> gettext.NullTranslations:
    tag = spoken(tag) or tag
    source = PACKAGE / "locale" / tag / f"{domain}.po"
    if not source.is_file():
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=tag))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@dataclass(frozen=True)
class Language:
    """One language of the publication (`tag`, BCP 47) in one room's catalogue (`domain`)."""

    tag: str
    domain: str

    @cached_property
    def locale(self) -> Locale:
        try:
            # Bare "en" is World English: "1 November 2026", not the American order.
            return Locale.parse("en-001" if self.tag == "en" else self.tag, sep="-")
        except (UnknownLocaleError, ValueError):
            return Locale("en")

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`, for the `dir` attribute."""
        return str(self.locale.text_direction)

    @property
    def name(self) -> str:
        """The language's name in itself: "Deutsch", "Русский"."""
        name = self.locale.languages.get(self.locale.language) or self.tag
        return name[0].upper() + name[1:]

    @property
    def translations(self) -> gettext.NullTranslations:
        return _catalogue(self.tag, self.domain)

    def gettext(self, message: str, **values: Any) -> str:
        text = self.translations.gettext(message) if message else ""
        return text % values if values else text

    def ngettext(self, one: str, many: str, number: int, **values: Any) -> str:
        return self.translations.ngettext(one, many, number) % {"n": number, **values}

    def date(self, day: dt.date) -> str:
        """ "1 November 2026", in the language's own order."""
        return format_date(day, format="long", locale=self.locale)

    def month(self, day: dt.date) -> str:
        """ "November 2026"."""
        return format_skeleton("yMMMM", dt.datetime(day.year, day.month, 1), locale=self.locale)  # noqa: DTZ001 - a calendar month has no zone

    def moment(self, moment: dt.datetime, zone: dt.tzinfo) -> str:
        """Date and time in the publication's zone; `moment` is aware."""
        return format_datetime(moment, format="long", tzinfo=zone, locale=self.locale)
