"""An edition as plain strings: everything that the three forms of it say. Pure.

Mail HTML, plain text and the archive's body are laid out from this one value,
so that they hold the same words and the same links by the way they are made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from newsletter.config import Settings
from newsletter.content.model import Article, Pick
from newsletter.issue.assemble import Change, Issue, Selection, Since
from newsletter.issue.edition import leave_url, preferences_url
from newsletter.issue.links import Links
from newsletter.issue.pictures import Raster, path
from newsletter.language import Language


@dataclass(frozen=True, slots=True)
class PictureView:
    """A story's picture: its address, its words, its size in CSS pixels."""

    url: str
    alt: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link with a line below it. `language` and `direction` are the title's own; `mark` names a foreign one."""

    title: str
    url: str
    language: str
    direction: str
    mark: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class StoryView:
    title: str
    url: str
    summary: str
    button: str
    notice: str
    picture: PictureView | None


@dataclass(frozen=True, slots=True)
class NewsView:
    """`meta` is source type, source and date; `note` the editor's own sentence."""

    title: str
    url: str
    meta: str
    note: str
    language: str
    direction: str


@dataclass(frozen=True, slots=True)
class SectionView:
    """Links under a heading: untranslated stories, what to read again, what changed."""

    title: str
    links: tuple[LinkView, ...]


@dataclass(frozen=True, slots=True)
class FrameView:
    """What stands around the letter and belongs to the mail alone: the ways out, the promises."""

    web: str
    web_url: str
    leave: str
    leave_url: str
    why: str
    promises: tuple[str, ...]
    leave_long: str
    language_label: str
    language_url: str
    caution: str
    sender: str
    postal: str


@dataclass(frozen=True, slots=True)
class View:
    """One edition. `letter` is the prose tree of the editor's letter."""

    language: str
    direction: str
    publication: str
    dateline: str
    subject: str
    preheader: str
    letter: ET.Element
    inside_title: str
    inside: tuple[str, ...]
    stories: tuple[StoryView, ...]
    sections: tuple[SectionView, ...]
    news_title: str
    news: tuple[NewsView, ...]
    frame: FrameView


def view(
    settings: Settings,
    issue: Issue,
    selection: Selection,
    letter: ET.Element,
    links: Links,
    rasters: Mapping[str, Raster],
    minutes: Callable[[Article], int],
) -> View:
    """The strings of one edition.

    `letter` is the parsed letter. `rasters` are the pictures made for mail, by
    their path below content/; `minutes` is an article's reading time.
    """
    language = Language(selection.language, "mail")
    say = _Speaker(settings, issue, language, links, rasters, minutes)
    stories = tuple(say.story(article) for article in selection.stories)
    news = tuple(say.news(pick, selection.news_language) for pick in selection.news)
    sections = say.sections(selection)
    inside = [story.title for story in stories]
    inside += [section.title for section in sections]
    inside += [language.gettext("News that we read for you")] if news else []
    return View(
        language=selection.language,
        direction=language.direction,
        publication=settings.publication.title,
        dateline=say.dateline(),
        subject=selection.letter.subject,
        preheader=selection.letter.preheader,
        letter=letter,
        inside_title=language.gettext("In this issue"),
        inside=tuple(inside) if len(inside) > 1 else (),
        stories=stories,
        sections=sections,
        news_title=language.gettext("News that we read for you"),
        news=news,
        frame=say.frame(),
    )


class _Speaker:
    """Says things in the edition's language; holds what every sentence needs."""

    def __init__(
        self,
        settings: Settings,
        issue: Issue,
        language: Language,
        links: Links,
        rasters: Mapping[str, Raster],
        minutes: Callable[[Article], int],
    ) -> None:
        self.settings = settings
        self.issue = issue
        self.language = language
        self.links = links
        self.rasters = rasters
        self.minutes = minutes

    def dateline(self) -> str:
        _ = self.language.gettext
        return _(
            "No. %(number)s · %(month)s",
            number=self.issue.number,
            month=self.language.month(self.issue.period.first_day),
        )

    def story(self, article: Article) -> StoryView:
        return StoryView(
            title=article.title,
            url=self.links.to(article),
            summary=article.summary,
            button=self.button(article),
            notice=self.notice(article),
            picture=self.picture(article),
        )

    def button(self, article: Article) -> str:
        return self.language.ngettext(
            "Read · %(n)s minute", "Read · %(n)s minutes", self.minutes(article)
        )

    def notice(self, article: Article) -> str:
        """Nobody invents a clinician's review: what is not reviewed says so beside its title."""
        _ = self.language.gettext
        return _("Clinical review pending") if article.review and article.review.pending else ""

    def picture(self, article: Article) -> PictureView | None:
        shown = article.picture
        made = self.rasters.get(shown.path) if shown else None
        if shown is None or made is None:
            return None
        url = self.settings.site_url + path(str(self.issue.period), made.name)
        return PictureView(url, "" if shown.decorative else shown.alt, made.width, made.height)

    def link(self, article: Article, note: str = "") -> LinkView:
        own = Language(article.language, "mail")
        mark = "" if article.language == self.language.tag else own.name
        return LinkView(
            article.title, self.links.to(article), article.language, own.direction, mark, note
        )

    def sections(self, selection: Selection) -> tuple[SectionView, ...]:
        _ = self.language.gettext
        made = (
            SectionView(_("Not yet in your language"), tuple(map(self.link, selection.elsewhere))),
            SectionView(_("Changed since we sent it"), tuple(map(self.change, selection.changes))),
            SectionView(_("Worth reading again"), tuple(map(self.link, selection.again))),
        )
        return tuple(section for section in made if section.links)

    def change(self, change: Change) -> LinkView:
        _ = self.language.gettext
        match change.since:
            case Since.WITHDRAWN:
                reason = (change.article.withdrawn or "").strip()
                return self.link(change.article, _("Withdrawn: %(reason)s", reason=reason))
            case Since.UPDATED:
                day = self.language.date(change.article.updated or dt.date.min)
                return self.link(change.article, _("Updated on %(date)s", date=day))

    def news(self, pick: Pick, language: str) -> NewsView:
        parts = [kind_name(pick.kind, self.language), pick.source, self.language.date(pick.date)]
        own = Language(language, "mail")
        if language != self.language.tag:
            parts.append(own.name)
        return NewsView(pick.title, pick.url, " · ".join(parts), pick.note, language, own.direction)

    def frame(self) -> FrameView:
        _ = self.language.gettext
        publication = self.settings.publication
        health = publication.subject == "health"
        return FrameView(
            web=_("Read on the web"),
            web_url=self.links.issue(str(self.issue.period)),
            leave=_("Leave"),
            leave_url=leave_url(self.settings.public_url),
            why=_("You get this letter because you asked for it and confirmed your address."),
            promises=(
                _("One letter a month, never more."),
                _(
                    "Who handles your address for us stands on the privacy page. Nothing in this letter watches you read it."
                )
                if self.settings.processors
                else _(
                    "Your address goes to nobody else. Nothing in this letter watches you read it."
                ),
            ),
            leave_long=_("Leave with one click"),
            language_label=_("Change the language")
            if len(publication.languages) > 1
            else _("What we hold about you"),
            language_url=preferences_url(self.settings.public_url),
            caution=_("This letter informs. It does not replace a doctor who knows you.")
            if health
            else "",
            sender=self.settings.sender.name,
            postal=self.settings.sender.postal_address,
        )


def kind_name(kind: str, language: Language) -> str:
    """A source's kind as readers know it; a kind of the editor's own stands as it is written."""
    _ = language.gettext
    names = {
        "journal": _("Journal"),
        "regulator": _("Regulator"),
        "charity": _("Charity"),
        "trial": _("Trial register"),
        "preprint": _("Preprint, not peer reviewed"),
        "press release": _("Press release"),
        "news": _("News report"),
    }
    return names.get(kind.replace("-", " "), kind)


def care_label(kind: str, language: Language) -> str:
    """How urgent a care card is, in words."""
    _ = language.gettext
    names = {
        "non-urgent": _("When it suits you"),
        "urgent": _("The same day"),
        "emergency": _("Emergency: now"),
    }
    return names.get(kind, names["non-urgent"])
