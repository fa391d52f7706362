"""What a notice says, in the reader's language: templates/mail/notice_*.j2 and locale/*/notice.po."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import assert_never

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from newsletter.config import Settings
from newsletter.delivery.ledger import Job
from newsletter.delivery.message import Content
from newsletter.delivery.notices import Word, word_of
from newsletter.issue.edition import TOKEN_SLOT
from newsletter.language import Language
from newsletter.resources import templates


def confirm_url(public_url: str, token: str = TOKEN_SLOT) -> str:
    """GET shows a page, POST confirms."""
    return f"{public_url}/confirm/{token}"


def data_url(public_url: str, token: str = TOKEN_SLOT) -> str:
    return f"{public_url}/data/{token}"


def write(settings: Settings, job: Job) -> Content:
    """The notice `job` asks for, with TOKEN_SLOT where the reader's token goes."""
    language = Language(job.language, "notice")
    values: dict[str, object] = {
        "language": language,
        "_": language.gettext,
        "title": settings.publication.title,
        "sender": settings.sender,
        "site": settings.site_url,
    }
    match job.kind:
        case "confirm":
            values["link"] = confirm_url(settings.public_url)
            subject = language.gettext(
                "Please confirm: %(title)s", title=settings.publication.title
            )
        case "data":
            values["link"] = data_url(settings.public_url)
            subject = language.gettext("Your data at %(title)s", title=settings.publication.title)
        case _:
            word, period = word_of(job.id)
            values |= _word(language, word, period)
            subject = language.gettext(
                "%(title)s: a word about %(period)s",
                title=settings.publication.title,
                period=period,
            )
    values["subject"] = subject
    environment = _environment(settings.root)
    html = environment.get_template(f"notice_{job.kind}.html.j2").render(values)
    text = environment.get_template(f"notice_{job.kind}.txt.j2").render(values)
    return Content(subject, html, text)


def _word(language: Language, word: Word, period: str) -> dict[str, object]:
    """What the publisher is told: a heading, a sentence, the command that comes next."""
    _ = language.gettext
    match word:
        case Word.NOT_APPROVED:
            return {
                "heading": _("%(period)s was not sent", period=period),
                "said": _("It was due, and nobody has approved it. Nothing was sent to anybody."),
                "command": f"newsletter issue approve {period} --by NAME",
            }
        case Word.IN_DOUBT:
            return {
                "heading": _("%(period)s: somebody is in doubt", period=period),
                "said": _(
                    "For at least one reader nobody can say whether the letter arrived. "
                    "They are not sent it again by themselves; the mail server’s log may tell."
                ),
                "command": f"newsletter deliveries list {period} --in-doubt",
            }
        case _:
            assert_never(word)


@lru_cache(maxsize=4)
def _environment(root: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader(templates("mail", root)),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
