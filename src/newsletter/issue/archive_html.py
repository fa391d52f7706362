"""Prose as the archive's HTML: meaning only; the site's style sheet dresses it.

Ids are left out, because the page around has its own; jumps inside the text
are therefore words, as in the mail. The tree is described in content/prose.py.
"""

from __future__ import annotations

from html import escape
from xml.etree import ElementTree as ET

from newsletter.issue.mail_html import Frame

_BLOCKS = {
    "p", "h2", "h3", "h4", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre", "hr", "table", "thead", "tbody",
    "tr", "th", "td", "figure", "figcaption", "section", "aside", "div",
}  # fmt: skip
_INLINE = {
    "em", "strong", "code", "br", "wbr", "sup", "sub", "abbr", "kbd", "mark", "small", "q", "span", "bdi", "b", "i",
    "del", "ins",
}  # fmt: skip
_VOID = {"br", "hr", "wbr"}
_KEPT = ("class", "lang", "dir", "title", "colspan", "rowspan", "start", "scope")


def archive(root: ET.Element, frame: Frame) -> str:
    """The blocks of `root` as HTML for a page of the site."""
    return "".join(_element(child, frame) for child in root)


def _element(element: ET.Element, frame: Frame) -> str:
    tag = element.tag
    if tag == "a":
        return _link(element, frame)
    if tag == "img":
        return _picture(element, frame)
    if tag not in _BLOCKS and tag not in _INLINE:
        return _inside(element, frame)
    kept = "".join(f' {name}="{escape(value)}"' for name, value in element.items() if name in _KEPT)
    end = "\n" if tag in _BLOCKS else ""
    if tag in _VOID:
        return f"<{tag}{kept}>{end}"
    return f"<{tag}{kept}>{_urgency(element, frame)}{_inside(element, frame)}</{tag}>{end}"


def _inside(element: ET.Element, frame: Frame) -> str:
    text = escape(element.text or "", quote=False)
    return text + "".join(
        _element(child, frame) + escape(child.tail or "", quote=False) for child in element
    )


def _urgency(element: ET.Element, frame: Frame) -> str:
    """How urgent a care card is, in words, as mail and text say it."""
    kind = element.get("class", "")
    if element.tag != "section" or not kind.startswith("care"):
        return ""
    label = frame.label(kind.removeprefix("care").strip().removeprefix("care-"))
    return f'<p class="urgency">{escape(label, quote=False)}</p>\n'


def _link(element: ET.Element, frame: Frame) -> str:
    href = element.get("href", "")
    if element.get("class") == "back":
        return ""
    if href.startswith("#"):
        return _inside(element, frame)
    return f'<a href="{escape(frame.link(href))}">{_inside(element, frame)}</a>'


def _picture(element: ET.Element, frame: Frame) -> str:
    picture = frame.picture(element.get("src", ""))
    return (
        f'<img class="drawing" src="{escape(picture.url)}" width="{picture.width}" '
        f'height="{picture.height}" alt="{escape(element.get("alt", ""))}" loading="lazy">'
    )
