"""Mail HTML, plain text and archive say the same words and lead to the same places.

Words are compared as runs of letters and digits in reading order, without
case; links as a set. Notes' numbers and visible addresses are no words. The
words of a story's thumbnail are left out: its title stands beside it. The
words of a picture in the letter itself count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin

from newsletter.errors import Finding
from newsletter.issue.edition import Edition

_SILENT = {"style", "script", "title", "head"}
_INLINE = {
    "a", "abbr", "b", "bdi", "code", "del", "em", "i", "ins", "kbd", "mark", "q", "small", "span", "strong",
    "sub", "sup", "wbr",
}  # fmt: skip
_VOID = {"img", "br", "hr", "meta", "link", "wbr", "input", "col"}
_ADDRESS = re.compile(r"\b(?:https?://|mailto:|tel:)\S+")
_NOTE = re.compile(r"\[\d+\]")
_NOTE_LINE = re.compile(r"^\[\d+\] (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Said:
    """What a form of an edition says: its words in order, and where it leads."""

    words: tuple[str, ...]
    links: frozenset[str]


def html(source: str, base: str = "", *, frame: bool = True) -> Said:
    """What an HTML form says to somebody who reads it with pictures off.

    `base` is the site's address, for links without a host. `frame=False`
    leaves out what belongs to the mail alone (class `frame`).
    """
    reader = _Reader(base, frame)
    reader.feed(source)
    reader.close()
    return Said(_words("".join(reader.text)), frozenset(reader.links))


def text(source: str) -> Said:
    """What the plain text says."""
    links = frozenset(_NOTE_LINE.findall(source))
    return Said(_words(_NOTE_LINE.sub(" ", source)), links)


def _words(source: str) -> tuple[str, ...]:
    plain = _NOTE.sub(" ", _ADDRESS.sub(" ", source))
    return tuple(word for word in re.findall(r"[^\W_]+", plain.casefold()))


class _Reader(HTMLParser):
    def __init__(self, base: str, frame: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.base = base
        self.frame = frame
        self.text: list[str] = []
        self.links: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._counts: list[int] = []

    @property
    def silent(self) -> bool:
        return any(hidden for _, hidden in self._open)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        hidden = tag in _SILENT or "preheader" in classes or (not self.frame and "frame" in classes)
        if tag not in _VOID:
            self._open.append((tag, hidden))
        if self.silent:
            return
        if tag not in _INLINE:
            self.text.append(" ")
        if tag == "sup":
            self.text.append("^")
        if tag in ("ol", "ul"):
            start = given.get("start", "1")
            self._counts.append((int(start) if start.isdigit() else 1) if tag == "ol" else -1)
        if tag == "li" and self._counts and self._counts[-1] >= 0:
            self.text.append(f" {self._counts[-1]}. ")  # a number the reader sees
            self._counts[-1] += 1
        if tag == "img" and "drawing" in classes:
            self.text.append(f" {given.get('alt', '')} ")
        href = given.get("href", "")
        if tag == "a" and href and not href.startswith("#"):
            self.links.append(urljoin(self.base + "/", href) if self.base else href)

    def handle_endtag(self, tag: str) -> None:
        if tag not in [name for name, _ in self._open]:
            return
        while self._open:
            name, _ = self._open.pop()
            if name in ("ol", "ul") and self._counts and not self.silent:
                self._counts.pop()
            if name == tag:
                break
        if tag not in _INLINE or tag == "sup":
            self.text.append(" ")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.text.append(data)


def differences(edition: Edition, site: str) -> list[Finding]:
    """NL466 when two forms of an edition say different things; the layout is at fault, not the letter."""
    mail, plain = html(edition.html), text(edition.text)
    inside = html(edition.html, frame=False)
    archive = html(edition.body, site)
    subject = _words(edition.subject)
    pairs = (
        ("the plain text", plain.words, mail.words, plain.links, mail.links),
        ("the archive", subject + archive.words, inside.words, archive.links, inside.links),
    )
    findings = []
    for name, words, expected, links, wanted in pairs:
        what = _first_difference(words, expected) or _missing(links, wanted)
        if what:
            findings.append(
                Finding(
                    "NL466",
                    f"{name} of the {edition.language} edition does not say what its HTML says: {what}",
                    help="correct the template in templates/mail/ that leaves it out",
                )
            )
    return findings


def _first_difference(words: tuple[str, ...], expected: tuple[str, ...]) -> str:
    for place, (one, other) in enumerate(zip(words, expected, strict=False)):
        if one != other:
            before = " ".join(expected[max(0, place - 4) : place])
            return f"after “{before}” stands “{one}” instead of “{other}”"
    if len(words) != len(expected):
        longer = max(words, expected, key=len)
        return (
            f"“{' '.join(longer[min(len(words), len(expected)) :][:6])}” stands in one of them only"
        )
    return ""


def _missing(links: frozenset[str], wanted: frozenset[str]) -> str:
    odd = sorted(links ^ wanted)
    return f"the link {odd[0]} stands in one of them only" if odd else ""
