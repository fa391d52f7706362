"""What a body became, as values. The tree itself is described in `prose`."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from newsletter.content import serial
from newsletter.errors import Finding


@dataclass(frozen=True, slots=True)
class Heading:
    """A line of the table of contents; `level` is 2 or 3."""

    level: int
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that the text shows: `path` below content/ as written, `alt` as written."""

    path: str
    alt: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link inside the publication: its canonical target, and as the editor wrote it."""

    target: str
    written: str


@dataclass(frozen=True, slots=True)
class Prose:
    """What one body became. `root` is the tree described above; never change it.

    `fragment` is its HTML with slots (`content.serial.fill`). `links` are those
    inside the publication. `anchors` are the ids a link may
    end in. `findings` point at lines of the file.
    """

    root: ET.Element
    fragment: str
    findings: tuple[Finding, ...]
    contents: tuple[Heading, ...]
    links: tuple[Link, ...]
    pictures: tuple[Shown, ...]
    anchors: frozenset[str]
    cited: tuple[str, ...]
    words: int
    minutes: int

    def html(self) -> str:
        """The tree as HTML; links inside stay canonical, pictures keep their path below content/."""
        return serial.fill(self.fragment, lambda target: target, serial.plain_picture)
