"""Can everybody read it: alt texts, order of headings, contrast, names of links.

Source: WCAG 2.2, success criteria 1.1.1, 1.3.1, 1.4.3, 2.4.4, 3.1.1.
"""

from __future__ import annotations

import itertools
import re

from newsletter.checks.markup import Element
from newsletter.errors import Finding
from newsletter.issue.edition import Edition
from newsletter.issue.look import contrast

LEAST = 4.5
"""Contrast of text; large text would do with 3, but mail clients change sizes."""
_FILE_NAME = re.compile(r"\S+\.(png|jpe?g|gif|svg|webp)", re.IGNORECASE)
_EMPTY_WORDS = {
    "here", "click here", "more", "read more", "link", "hier", "mehr", "hier klicken", "здесь", "тут", "подробнее",
}  # fmt: skip


def alt_texts(edition: Edition, elements: list[Element]) -> list[Finding]:
    """NL470 for a picture without words, or whose words are a file's name."""
    found = []
    for element in elements:
        if element.tag != "img":
            continue
        alt = element.given.get("alt")
        name = element.given.get("src", "").rpartition("/")[2]
        if alt is None or _FILE_NAME.fullmatch(alt.strip()):
            found.append(
                Finding(
                    "NL470",
                    f"the picture {name} of the {edition.language} mail has no words",
                    help="write `alt:` in the article's front matter: what somebody who cannot see it should know",
                )
            )
    return found


def headings(edition: Edition, elements: list[Element]) -> list[Finding]:
    """NL471 when there is not exactly one first heading, or a level is skipped."""
    levels = [int(e.tag[1]) for e in elements if re.fullmatch(r"h[1-6]", e.tag)]
    jumps = [
        f"h{after} follows h{before}"
        for before, after in itertools.pairwise(levels)
        if after > before + 1
    ]
    if levels.count(1) != 1 or levels[:1] != [1]:
        jumps.insert(0, f"there are {levels.count(1)} first headings (h1)")
    return [
        Finding(
            "NL471",
            f"the headings of the {edition.language} mail are out of order: {jump}",
            help="in the letter, begin with ## and go down one level at a time",
        )
        for jump in dict.fromkeys(jumps)
    ]


def pale(edition: Edition, elements: list[Element]) -> list[Finding]:
    """NL472 for every pair of colours in which text would be too pale, style sheets dropped."""
    pairs = {
        (element.color, element.ground): element.text.strip()
        for element in elements
        if not element.hidden and element.text.strip(" \n\t\u00a0·")
    }
    return [
        Finding(
            "NL472",
            f"the {edition.language} mail writes {ink} on {ground}, a contrast of {contrast(ink, ground):.1f}",
            label=words[:40],
            help=f"at least {LEAST} is needed to be read by everybody; change the colour in templates/mail/",
        )
        for (ink, ground), words in pairs.items()
        if contrast(ink, ground) < LEAST
    ]


def link_names(edition: Edition, elements: list[Element]) -> list[Finding]:
    """NL473 for a link whose words say nothing when they are read alone."""
    return [
        Finding(
            "NL473",
            f"a link in the {edition.language} mail is called “{element.text.strip()}”",
            help="let the words of the link say where it leads",
        )
        for element in elements
        if element.tag == "a" and element.text.strip(" .…»>→").casefold() in _EMPTY_WORDS
    ]
