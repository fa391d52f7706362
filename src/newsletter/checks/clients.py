"""What mail clients make of the CSS and HTML that a layout uses.

Who shows what stands in clients.json, made from caniemail's data by
docs/clients.py. Here stands only our judgement of it: what we use although
somebody does not show it, each with its reason, and what would not merely look
plainer but hide words or put them over others.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tinycss2

from newsletter.checks.markup import Element, declarations
from newsletter.errors import Finding, Level
from newsletter.issue.edition import Edition

ACCEPTED = {
    "css-at-media": "the mail is whole without its rules: they bring the dark look and small screens",
    "css-at-media-prefers-color-scheme": "where it is dropped, the light look stays",
    "css-background": "colours alone; bgcolor says the same to those who drop it",
    "css-background-color": "bgcolor stands beside it, and every text has its own colour",
    "css-border": "a line less in Outlook for Windows on what is no table cell",
    "css-border-radius": "Outlook for Windows shows square corners",
    "css-border-spacing": "MJML's reset, with the old attribute beside it",
    "css-color-scheme": "tells Apple Mail that both looks are made; unknown elsewhere",
    "css-cursor": "ignored where there is no pointer",
    "css-direction": "the attribute dir stands beside it",
    "css-display": "block, inline-block and none only; the others have their own entries",
    "css-display-none": "hides the preheader alone, with max-height and overflow beside it",
    "css-font-size": "in pixels, which everybody knows",
    "css-font-weight": "400, 600 and 700: where 600 is unknown, it is bold",
    "css-height": "the attribute stands beside it on pictures and cells",
    "css-line-height": "mso-line-height-rule stands beside it for Outlook for Windows",
    "css-list-style": "the type alone",
    "css-margin": "never negative, and padding of a cell where it matters",
    "css-max-height": "a second way to hide the preheader",
    "css-max-width": "Outlook for Windows reads the table's own width instead",
    "css-min-width": "Outlook for Windows reads the table's own width instead",
    "css-opacity": "a second way to hide the preheader",
    "css-outline": "the client draws the focus itself",
    "css-overflow": "a second way to hide the preheader",
    "css-padding": "on table cells, as Outlook for Windows wants it",
    "css-text-align": "start and end are not used",
    "css-text-decoration": "underline and none; links keep their colour",
    "css-white-space": "a long line of code breaks where it likes",
    "css-width": "the attribute stands beside it on tables and pictures",
    "css-word-break": "a long word may run over in Outlook for Windows",
    "css-word-spacing": "MJML's own reset",
    "html-abbr": "who drops it keeps the letters, and loses the long form alone",
    "html-bdi": "who drops it keeps the words; dir stands on the blocks",
    "html-body": "who drops it keeps what is in it",
    "html-lists": "without reversed and value, which are all that is lacking",
    "html-semantics": "who does not know the element keeps its words",
    "html-style": "the look is inline too; style sheets bring the dark look and small screens",
    "html-wbr": "a long word may run over",
}
"""Feature -> why we use it although some client does not show it, or not all of it."""
BREAKS = frozenset(
    [
        "css-animation", "css-background-image", "css-clip-path", "css-column-count",
        "css-column-layout-properties", "css-display-flex", "css-display-grid", "css-filter", "css-float",
        "css-grid-template", "css-inset", "css-left-right-top-bottom", "css-mask-image",
        "css-mix-blend-mode", "css-position", "css-transform", "css-visibility", "css-writing-mode",
        "html-audio", "html-base", "html-dialog", "html-form", "html-link", "html-object", "html-picture",
        "html-select", "html-svg", "html-textarea", "html-video",
    ]
)  # fmt: skip
"""Features whose absence hides words, lays them over others or puts them out of order."""
EVERYBODY = frozenset(
    ["color", "font-family", "supported-color-schemes"]
    + [f"<{tag}>" for tag in ["html", "head", "meta", "title", "a", "br", "em", "b", "i", "sub", "sup", "kbd", "mark", "q", "ins", "center", "xml", "noscript"]]
)  # fmt: skip
"""What the data has no entry for, because no client lacks it, or (the last) lacking it is all there is to it."""
_GROUPS = {
    "html-h1-h6": ("h1", "h2", "h3", "h4", "h5", "h6"),
    "html-lists": ("ul", "ol", "li", "dl", "dt", "dd"),
    "html-table": ("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"),
    "html-semantics": (
        "article", "aside", "details", "figcaption", "figure", "footer", "header", "main", "nav",
        "section", "summary", "time",
    ),
}  # fmt: skip
_GROUP = {tag: slug for slug, tags in _GROUPS.items() for tag in tags}


@dataclass(frozen=True, slots=True)
class Support:
    """Of one feature: the clients that do not show it, and those that show a part of it."""

    lacking: tuple[str, ...]
    partly: tuple[str, ...]


@cache
def support() -> dict[str, Support]:
    """Feature's name at caniemail -> who does not show it."""
    read = json.loads(Path(__file__).with_name("clients.json").read_text("utf-8"))
    return {
        slug: Support(
            tuple(name for name, answer in clients.items() if answer == "n"),
            tuple(name for name, answer in clients.items() if answer == "a"),
        )
        for slug, clients in read["features"].items()
    }


def feature(name: str, value: str = "") -> str | None:
    """The entry for a property and its value, for "<tag>" or for "@rule"; None when the data has none."""
    if name.startswith("<"):
        tag = name.strip("<>")
        slugs = [_GROUP.get(tag, f"html-{tag}")]
    elif name.startswith("@"):
        slugs = [f"css-at-{name[1:]}"]
    else:
        parts = name.split("-")
        shorter = ["-".join(parts[:size]) for size in range(len(parts), 0, -1)]
        slugs = [f"css-{name}-{value}", *(f"css-{each}" for each in shorter)]
    return next((slug for slug in slugs if slug in support()), None)


def unsupported(edition: Edition, elements: list[Element]) -> list[Finding]:
    """NL479: an ERROR for what breaks the mail in a client, a WARNING for what looks plainer or nobody looked up."""
    used: dict[tuple[str, str], None] = {}
    for element in elements:
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
    if name in EVERYBODY or name.startswith(("mso-", "-webkit-", "-ms-", "-moz-")):
        return None  # a prefix is for one client alone
    slug = feature(name, value.removesuffix("!important").strip())
    if slug is None:
        return Finding(
            "NL479",
            f"the {language} mail uses `{name}`, and nobody has looked up who shows it",
            help="look it up on caniemail.com; use what the parts that ship use",
            level=Level.WARNING,
        )
    told = support()[slug]
    if slug in ACCEPTED or not (told.lacking or told.partly):
        return None
    verb, clients = (
        ("do not show", told.lacking) if told.lacking else ("show a part of", told.partly)
    )
    shown = name if slug != f"css-{name}-{value}" else f"{name}:{value}"
    return Finding(
        "NL479",
        f"the {language} mail uses `{shown}`, and {len(clients)} clients {verb} it: {_some(clients)}",
        help="lay it out with tables and columns in templates/mail/, as the parts that ship do",
        level=Level.ERROR if slug in BREAKS else Level.WARNING,
    )


def _some(clients: tuple[str, ...]) -> str:
    more = f" and {len(clients) - 4} more" if len(clients) > 4 else ""
    return ", ".join(clients[:4]) + more


def _sheet(source: str) -> list[tuple[str, str]]:
    """Declarations of a style sheet, inside @media too; every at-rule is a name of its own."""
    found: list[tuple[str, str]] = []
    rules = tinycss2.parse_stylesheet(source, skip_comments=True, skip_whitespace=True)
    for rule in rules:
        if rule.type == "at-rule":
            found.append((f"@{rule.lower_at_keyword}", ""))
            if rule.lower_at_keyword == "media" and rule.content is not None:
                found += _sheet(tinycss2.serialize(rule.content))
        elif rule.type == "qualified-rule":
            body = re.sub(r"\s*!important", "", tinycss2.serialize(rule.content))
            found += list(declarations(body).items())
    return found
