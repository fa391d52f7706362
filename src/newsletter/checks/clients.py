"""What mail clients make of the CSS and HTML that a layout uses.

Three lists, kept by hand: what works wherever people read mail; what is
dropped somewhere and does no harm there; what breaks the mail somewhere. A
property or element on none of them is told, so that somebody looks it up.
Source: the feature pages of caniemail.com (state of mid 2026), by their names
("css-border-radius" and so on); clients meant are Apple Mail, Gmail, Outlook
(Windows, Mac, web, apps), Yahoo, Samsung, Thunderbird, mail.ru, GMX.
"""

from __future__ import annotations

import re

import tinycss2

from newsletter.checks.markup import Element, declarations
from newsletter.errors import Finding, Level
from newsletter.issue.edition import Edition

WORKS = frozenset(
    [
        "background",
        "background-color",
        "border",
        "border-bottom",
        "border-left",
        "border-right",
        "border-top",
        "border-collapse",
        "border-color",
        "border-spacing",
        "color",
        "direction",
        "font-family",
        "font-size",
        "font-style",
        "font-weight",
        "height",
        "line-height",
        "list-style",
        "margin",
        "margin-bottom",
        "margin-left",
        "margin-right",
        "margin-top",
        "padding",
        "padding-bottom",
        "padding-left",
        "padding-right",
        "padding-top",
        "text-align",
        "text-decoration",
        "text-transform",
        "vertical-align",
        "width",
        "white-space",
    ]
)
HARMLESS = {
    "border-radius": "Outlook for Windows shows square corners",
    "max-width": "Outlook for Windows reads the table's own width instead",
    "max-height": "Outlook for Windows hides by display:none alone",
    "min-width": "ignored by Outlook for Windows",
    "overflow": "ignored by Outlook for Windows",
    "display": "block, inline-block and none are meant; see BREAKS for the others",
    "outline": "ignored where focus is drawn by the client",
    "cursor": "ignored where there is no pointer",
    "word-break": "ignored by Outlook for Windows: a long word may run over",
    "word-spacing": "MJML's own reset",
    "color-scheme": "tells Apple Mail that both looks are made",
    "supported-color-schemes": "the older name of color-scheme",
    "opacity": "ignored by Outlook for Windows",
}
BREAKS = {
    "position": "Gmail and Outlook drop it, and what it moved lies over other words",
    "float": "Outlook for Windows puts the parts below each other in the wrong order",
    "display:flex": "Outlook and many web clients show the parts as one column or none",
    "display:grid": "Gmail and Outlook drop it",
    "background-image": "dropped by Outlook for Windows: words on a picture become unreadable",
    "transform": "dropped nearly everywhere",
    "animation": "dropped by Gmail and Outlook",
    "filter": "dropped by Gmail and Outlook",
    "visibility": "Gmail drops it: what was hidden is shown",
    "clip-path": "dropped nearly everywhere: what was hidden is shown",
}
ELEMENTS = frozenset(
    [
        "html",
        "head",
        "body",
        "meta",
        "title",
        "style",
        "table",
        "tbody",
        "thead",
        "tr",
        "td",
        "th",
        "div",
        "span",
        "p",
        "a",
        "img",
        "h1",
        "h2",
        "h3",
        "h4",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "blockquote",
        "pre",
        "code",
        "figure",
        "figcaption",
        "strong",
        "em",
        "b",
        "i",
        "small",
        "sub",
        "sup",
        "br",
        "hr",
        "wbr",
        "abbr",
        "kbd",
        "mark",
        "q",
        "del",
        "ins",
        "bdi",
        "center",
        "xml",
        "noscript",
    ]
)
AT_RULES = {"media": "Gmail drops rules it does not know, and keeps the inline look"}


def unsupported(edition: Edition, elements: list[Element]) -> list[Finding]:
    """NL479: an ERROR for what breaks the mail in a client people use, a WARNING for what nobody looked up."""
    used: dict[tuple[str, str], None] = {}
    for element in elements:
        if element.tag not in ELEMENTS:
            used[f"<{element.tag}>", ""] = None
        used.update((pair, None) for pair in element.style.items())
        if element.tag == "style":
            used.update((pair, None) for pair in _sheet(element.text))
    found: dict[str, Finding] = {}
    for name, value in used:
        finding = _finding(edition.language, name, value)
        if finding:
            found.setdefault(finding.what, finding)
    return list(found.values())


def _finding(language: str, name: str, value: str) -> Finding | None:
    key = f"{name}:{value.removesuffix('!important').strip()}"
    broken = next((each for each in (name, key) if each in BREAKS), None)
    if broken:
        return Finding(
            "NL479",
            f"the {language} mail uses `{broken}`: {BREAKS[broken]}",
            help="lay it out with tables and columns in templates/mail/, as the parts that ship do",
        )
    plain = name.startswith(("mso-", "-webkit-", "-ms-", "-moz-"))  # each for one client alone
    if plain or name in WORKS or name in HARMLESS:
        return None
    return Finding(
        "NL479",
        f"the {language} mail uses `{name}`, and nobody has looked up who shows it",
        help="look it up on caniemail.com; what every client knows is listed in `newsletter explain NL479`",
        level=Level.WARNING,
    )


def _sheet(source: str) -> list[tuple[str, str]]:
    """Declarations of a style sheet, inside known at-rules too; an unknown at-rule is a name of its own."""
    found: list[tuple[str, str]] = []
    rules = tinycss2.parse_stylesheet(source, skip_comments=True, skip_whitespace=True)
    for rule in rules:
        if rule.type == "at-rule":
            if rule.lower_at_keyword not in AT_RULES:
                found.append((f"@{rule.lower_at_keyword}", ""))
            elif rule.content is not None:
                found += _sheet(tinycss2.serialize(rule.content))
        elif rule.type == "qualified-rule":
            body = re.sub(r"\s*!important", "", tinycss2.serialize(rule.content))
            found += list(declarations(body).items())
    return found
