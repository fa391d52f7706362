"""A View becomes an Edition: MJML laid out once, words put in afterwards.

    templates/mail/letter.mjml.j2 ── Jinja2 ──► MJML with opaque tokens
        ── mjml2html ──► HTML with tokens ── fill ──► the mail
    templates/mail/archive.html.j2 ── Jinja2 ──► the archive's body
    letter_text ──► the plain text

MJML never sees a word: its engine drops white space between elements, copies
quotes into attributes and dies of deep nesting. Tokens are letters, digits
and dashes, which it leaves alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from mjml import mjml2html

from newsletter import resources
from newsletter.issue import look, mail_html
from newsletter.issue.archive_html import archive
from newsletter.issue.edition import Edition
from newsletter.issue.letter_text import letter_text
from newsletter.issue.mail_html import Frame, MailPicture
from newsletter.issue.view import View

_TOKEN = re.compile(r"slot-(\d{4})-words")


class Slots:
    """Hands out a token for each piece of content, and puts the content back."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def slot(self, caller: Callable[[], str]) -> str:
        """`{% call slot() %}HTML{% endcall %}` in a template: the HTML waits, a token stands."""
        return self._keep(str(escape(caller())))

    def url(self, address: str) -> str:
        """An address for a double-quoted attribute."""
        return self._keep(str(escape(address)))

    def _keep(self, piece: str) -> str:
        self._pieces.append(piece)
        return f"slot-{len(self._pieces) - 1:04d}-words"

    def fill(self, html: str) -> str:
        """`html` with every token replaced.

        Raises:
            LayoutBroken: a piece of content is in no place of the layout.
        """
        lost = set(range(len(self._pieces))) - {int(n) for n in _TOKEN.findall(html)}
        if lost:
            raise LayoutBroken(f"{len(lost)} pieces of content have no place in the layout")
        return _TOKEN.sub(lambda found: self._pieces[int(found[1])], html)


class LayoutBroken(ValueError):
    """A template of the publication's own does not lay out what it is given."""


def edition(view: View, site: str, frame: Frame, templates: Path | None = None) -> Edition:
    """The three forms of one edition.

    `site` is the site's address without a slash at the end; `templates` the
    publication's root, whose own templates come first.

    Raises:
        LayoutBroken: the layout (perhaps the publication's own) cannot be compiled.
    """
    environment = environment_of(templates)
    return Edition(
        language=view.language,
        subject=view.subject,
        preheader=view.preheader,
        html=_mail(environment, view, frame),
        text=letter_text(view, frame),
        body=_body(environment, view, frame, site),
    )


@lru_cache(maxsize=8)
def environment_of(publication: Path | None) -> Environment:
    return Environment(
        loader=FileSystemLoader(resources.templates("mail", publication)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def skeleton(environment: Environment, view: View, letter: str, slots: Slots) -> str:
    """The MJML of an edition, with tokens where words will be; `letter` is its letter as mail HTML."""
    return environment.get_template("letter.mjml.j2").render(
        view=view,
        letter=Markup(letter),  # noqa: S704 - made by our serialiser
        slot=slots.slot,
        url=slots.url,
        light=look.LIGHT,
        dark=look.DARK,
        sans=look.SANS,
        serif=look.SERIF,
    )


def _mail(environment: Environment, view: View, frame: Frame) -> str:
    slots = Slots()
    source = skeleton(environment, view, mail_html.mail(view.letter, frame), slots)
    if "mj-include" in source:
        raise LayoutBroken("mj-include reads files behind the program's back and is not used")
    try:
        compiled = mjml2html(source, fonts={})
    except ValueError as error:
        raise LayoutBroken(f"the MJML cannot be compiled: {error}") from error
    # Two Outlook blocks in a row are one: a tenth of the mail is such seams.
    return slots.fill(compiled.replace("<![endif]--><!--[if mso | IE]>", "")) + "\n"


def _body(environment: Environment, view: View, frame: Frame, site: str) -> str:
    """The archive's part of a page; addresses of our own site without the host, as pages have them."""
    prefix = urlsplit(site)
    root = f"{prefix.scheme}://{prefix.netloc}"

    def own(address: str) -> str:
        inside = address == root or address.startswith(root + "/")
        return address.removeprefix(root) or "/" if inside else address

    def picture(name: str) -> MailPicture:
        shown = frame.picture(name)
        return replace(shown, url=own(shown.url))

    inside = replace(frame, link=lambda target: own(frame.link(target)), picture=picture)
    return environment.get_template("archive.html.j2").render(
        view=view,
        own=own,
        letter=Markup(archive(view.letter, inside)),  # noqa: S704 - made by our serialiser
    )
