"""Prose as HTML for a page, with slots for what the page decides: links inside, and pictures.

    <p>see <a\\0a:article:cells#top\\0>cells</a></p>\\0i:{"alt": ..., "src": ...}\\0 ...

A fragment is made once and kept; `fill` puts addresses and picture tags in,
in one pass, each time a page is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from xml.etree import ElementTree as ET

SLOT = "\0"
VOID = {"br", "hr", "img", "wbr"}
_BLOCK = {
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre", "hr",
    "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "section", "aside", "div",
}  # fmt: skip
INSIDE = (
    "article:", "page:", "topic:", "issue:", "home:", "issues:", "subscribe:", "held:", "path:",
)  # fmt: skip
"""How a link inside the publication begins in the tree."""


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def attribute(text: str) -> str:
    return escape(text).replace('"', "&quot;")


def fragment(root: ET.Element, table: str) -> str:
    """The children of `root` as HTML with slots. `table` names a table that is wider than a phone."""
    out: list[str] = []
    for child in root:
        _write(child, out, table)
    return "".join(out)


def _write(element: ET.Element, out: list[str], table: str) -> None:
    tag = element.tag
    if tag == "img":
        out += (
            SLOT,
            "i:",
            json.dumps(dict(element.attrib), ensure_ascii=False, sort_keys=True),
            SLOT,
        )
    else:
        if tag == "table":
            out.append(
                f'<div class="table" role="region" tabindex="0" aria-label="{attribute(table)}">'
            )
        out.append(f"<{tag}")
        for key, value in element.attrib.items():
            if key == "href" and value.startswith(INSIDE):
                out += (SLOT, "a:", value, SLOT)
            else:
                out.append(f' {key}="{attribute(value)}"')
        out.append(">")
        if tag not in VOID:
            if element.text:
                out.append(escape(element.text))
            for child in element:
                _write(child, out, table)
            out.append("</table></div>" if tag == "table" else f"</{tag}>")
    if element.tail and element.tail.strip():
        out.append(escape(element.tail))
    elif tag in _BLOCK:
        out.append("\n")
    elif element.tail:
        out.append(element.tail)


def fill(html: str, link: Callable[[str], str], picture: Callable[[dict[str, str]], str]) -> str:
    """Fill the slots: `picture` gives a whole tag; `link` the address of an inside target, or "" to leave the words unlinked."""
    if SLOT not in html:
        return html
    parts = html.split(SLOT)
    for index in range(1, len(parts), 2):
        kind, payload = parts[index][:2], parts[index][2:]
        if kind == "a:":
            address = link(payload)
            parts[index] = f' href="{attribute(address)}"' if address else ""
        else:
            parts[index] = picture(json.loads(payload))
    return "".join(parts)


def plain_picture(attributes: dict[str, str]) -> str:
    """An `img` with just what the tree says."""
    return (
        "<img" + "".join(f' {key}="{attribute(value)}"' for key, value in attributes.items()) + ">"
    )
