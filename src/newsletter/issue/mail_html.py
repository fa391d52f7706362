"""Prose as mail HTML: every block of the tree, with its look written on it.

Mail clients drop style sheets, so each element carries its own; what must
change in the dark has a class that the layout's head knows. Lists, headings
and paragraphs stay what they are, so that a screen reader can tell them.
The tree is described in content/prose.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from xml.etree import ElementTree as ET

from newsletter.issue.look import INNER, LIGHT, SERIF

_PARAGRAPH = "margin:0 0 16px"
_HEADINGS = {
    "h1": f"margin:0 0 14px;font-family:{SERIF};font-size:32px;line-height:1.2;font-weight:600",
    "h2": f"margin:26px 0 10px;font-family:{SERIF};font-size:22px;line-height:1.25;font-weight:600",
    "h3": f"margin:22px 0 8px;font-family:{SERIF};font-size:19px;line-height:1.3;font-weight:600",
    "h4": "margin:18px 0 6px;font-size:17px;line-height:1.4;font-weight:600",
}
_CARD_HEADING = _HEADINGS["h3"].replace("margin:22px", "margin:0")
_STYLE = {
    **_HEADINGS,
    "p": _PARAGRAPH,
    "ul": "margin:0 0 16px;padding:0 0 0 24px",
    "ol": "margin:0 0 16px;padding:0 0 0 24px",
    "li": "margin:0 0 6px",
    "dl": _PARAGRAPH,
    "dt": "margin:0;font-weight:600",
    "dd": "margin:0 0 10px 20px",
    "blockquote": f"margin:0 0 16px;padding:2px 0 2px 16px;border-left:3px solid {LIGHT['rule']}",
    "pre": "margin:0 0 16px;padding:12px 14px;font-size:14px;line-height:1.5;white-space:pre-wrap;"
    f"background-color:{LIGHT['soft']}",
    "figure": "margin:0 0 16px",
    "figcaption": f"margin:6px 0 0;font-size:14px;line-height:1.5;color:{LIGHT['muted']}",
    "table": "width:100%;margin:0 0 16px;border-collapse:collapse;font-size:15px;line-height:1.5",
    "th": f"padding:6px 10px 6px 0;border-bottom:2px solid {LIGHT['rule']};text-align:left;"
    "vertical-align:top;font-weight:600",
    "td": f"padding:6px 10px 6px 0;border-bottom:1px solid {LIGHT['rule']};text-align:left;vertical-align:top",
    "hr": f"margin:26px 0;border:0;border-top:1px solid {LIGHT['rule']}",
    "a": f"color:{LIGHT['accent']};text-decoration:underline",
    "sup": "font-size:12px;line-height:1",
    "sub": "font-size:12px;line-height:1",
    "code": "font-family:Menlo,Consolas,monospace;font-size:15px",
    "mark": f"background-color:{LIGHT['soft']};color:{LIGHT['ink']}",
}
_CLASS = {
    "blockquote": "line", "figcaption": "muted", "th": "line", "td": "line", "hr": "line", "pre": "soft", "mark": "soft",
}  # fmt: skip
_PLAIN = {
    "thead",
    "tbody",
    "tr",
    "em",
    "strong",
    "br",
    "wbr",
    "abbr",
    "kbd",
    "small",
    "q",
    "span",
    "bdi",
    "b",
    "i",
    "del",
    "ins",
}
_VOID = {"br", "hr", "wbr", "img"}
_KEPT = ("lang", "dir", "title", "colspan", "rowspan", "start", "scope")
_CARE = {"non-urgent": "care", "urgent": "urgent", "emergency": "emergency"}


@dataclass(frozen=True, slots=True)
class MailPicture:
    """A picture as mail shows it: its address on our site, and its size in CSS pixels."""

    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Frame:
    """What the tree leaves open: where links lead, where pictures lie, what a care card is called.

    `link` turns an address of the tree into an absolute one. `picture` is
    asked for a path below content/. `label` names "non-urgent", "urgent",
    "emergency" in the edition's language.
    """

    link: Callable[[str], str]
    picture: Callable[[str], MailPicture]
    label: Callable[[str], str]


def mail(root: ET.Element, frame: Frame) -> str:
    """The blocks of `root` as HTML for a mail, nothing but absolute addresses in it."""
    return "".join(_element(child, frame) for child in root)


def _inside(element: ET.Element, frame: Frame) -> str:
    text = escape(element.text or "", quote=False)
    return text + "".join(
        _element(child, frame) + escape(child.tail or "", quote=False) for child in element
    )


def _element(element: ET.Element, frame: Frame) -> str:
    tag = element.tag
    kind = element.get("class", "")
    match tag:
        case "section" if kind.startswith("care"):
            return _care(element, kind.removeprefix("care").strip().removeprefix("care-"), frame)
        case "section":
            return (
                _card(element, frame) if kind in ("checklist", "price") else _inside(element, frame)
            )
        case "aside":
            return _aside(element, kind, frame)
        case "img":
            return _picture(element, frame)
        case "a":
            return _link(element, frame)
        case "p" if kind == "title":
            return f'<p style="margin:0 0 6px;font-weight:600">{_inside(element, frame)}</p>'
        case "table":
            return _table(element, frame)
        case "ul" if kind == "checklist" or "check" in kind.split():
            return (
                _open("ul", element, "list-style:none;margin:0 0 16px;padding:0")
                + _inside(element, frame)
                + "</ul>"
            )
        case _ if tag in _STYLE or tag in _PLAIN:
            start = _open(tag, element, _STYLE.get(tag, ""))
            return start if tag in _VOID else f"{start}{_inside(element, frame)}</{tag}>"
        case _:
            return _inside(element, frame)


def _open(tag: str, element: ET.Element, style: str) -> str:
    kept = "".join(f' {name}="{escape(value)}"' for name, value in element.items() if name in _KEPT)
    side = {"right": "text-align:right", "center": "text-align:center"}.get(
        element.get("class", "")
    )
    if side and tag in ("th", "td"):
        style = style.replace("text-align:left", side)
    dark = f' class="{_CLASS[tag]}"' if tag in _CLASS else ""
    return f"<{tag}{kept}{dark}" + (f' style="{escape(style)}"' if style else "") + ">"


def _link(element: ET.Element, frame: Frame) -> str:
    href = element.get("href", "")
    if element.get("class") == "back":
        return ""
    if href.startswith("#"):
        return _inside(element, frame)  # jumps inside a mail fail in half of the clients
    start = f'<a href="{escape(frame.link(href))}" style="{_STYLE["a"]}">'
    return f"{start}{_inside(element, frame)}</a>"


def _picture(element: ET.Element, frame: Frame) -> str:
    picture = frame.picture(element.get("src", ""))
    width = min(picture.width, INNER)
    height = round(picture.height * width / picture.width)
    style = (
        f"display:block;width:100%;max-width:{width}px;height:auto;border:0;border-radius:10px;"
        f"background-color:{LIGHT['soft']};font-size:14px;line-height:1.5;color:{LIGHT['muted']}"
    )
    return (
        f'<img class="drawing soft" src="{escape(picture.url)}" width="{width}" height="{height}" '
        f'alt="{escape(element.get("alt", ""))}" style="{style}">'
    )


def _care(element: ET.Element, kind: str, frame: Frame) -> str:
    """A care card. Its urgency is a word first; the colour only repeats it."""
    tone = _CARE.get(kind, "care")
    colour = LIGHT[tone]
    label = escape(frame.label(kind), quote=False)
    style = f"margin:0 0 18px;padding:14px 18px 2px;border-left:5px solid {colour};background-color:{LIGHT['soft']}"
    word = f"margin:0 0 2px;font-size:14px;line-height:1.5;font-weight:600;color:{colour}"
    return (
        f'<div class="soft edge-{tone}" style="{style}">'
        f'<p class="{tone}" style="{word}">{label}</p>{_within(element, frame)}</div>'
    )


def _aside(element: ET.Element, kind: str, frame: Frame) -> str:
    tone = "urgent" if "warning" in kind else "accent"
    style = f"margin:0 0 18px;padding:14px 18px 2px;border-left:5px solid {LIGHT[tone]};background-color:{LIGHT['soft']}"
    return f'<div class="soft edge-{tone}" style="{style}">{_within(element, frame)}</div>'


def _card(element: ET.Element, frame: Frame) -> str:
    style = (
        f"margin:0 0 18px;padding:14px 18px 2px;border-radius:12px;border:1px solid {LIGHT['rule']}"
    )
    return f'<div class="line" style="{style}">{_within(element, frame)}</div>'


def _within(element: ET.Element, frame: Frame) -> str:
    """The inside of a card: its heading needs no room above."""
    return _inside(element, frame).replace(_HEADINGS["h3"], _CARD_HEADING)


def _table(element: ET.Element, frame: Frame) -> str:
    start = f'<table width="100%" cellspacing="0" cellpadding="0" style="{_STYLE["table"]}">'
    return f"{start}{_inside(element, frame)}</table>"
