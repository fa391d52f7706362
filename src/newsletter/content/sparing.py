"""Python-Markdown without the patterns that cannot match.

The library tries each of its sixteen inline patterns on every piece of text,
and each of its block patterns on every block; most hold no special character
at all. Here a pattern is tried only where its own character stands. Nothing
else changes: the same patterns, in the same order, on the same text; a test
compares the two over a large corpus, character by character.

The names with `_InlineProcessor` are the library's private methods (markdown
3.11); the test that compares would find a library that renamed them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

from markdown import Markdown
from markdown.treeprocessors import InlineProcessor
from markdown.util import AtomicString

Test = Callable[[ET.Element, str], bool]

TRIGGERS = {
    "backtick": ("`",),
    "escape": ("\\",),
    "citation": ("[@",),
    "footnote": ("[^",),
    "reference": ("[",),
    "link": ("[",),
    "image_link": ("![",),
    "image_reference": ("![",),
    "short_reference": ("[",),
    "short_image_ref": ("![",),
    "autolink": ("<",),
    "automail": ("<",),
    "linebreak": ("  \n",),
    "html": ("<",),
    "entity": ("&",),
    "em_strong": ("*", "_"),
}
"""Name of a pattern -> strings of which one must stand in a text it can match."""

BLOCK_TRIGGERS = {
    "hashheader": ("#",),
    "setextheader": ("\n=", "\n-"),
    "hr": ("--", "- -", "-  -", "**", "* *", "*  *", "__", "_ _", "_  _"),
    "quote": (">",),
    "reference": ("]:",),
    "table": ("|",),
}
"""The same for blocks. A kind of block that is not here is always tried."""

_ANY = re.compile(r"[`\\\[<&*_]|  \n")


class SparingInline(InlineProcessor):
    """The inline step, sparing of what cannot match."""

    def __init__(self, md: Markdown) -> None:
        super().__init__(md)
        self._apply = getattr(self, "_InlineProcessor__applyPattern")  # noqa: B009 - mypy knows no mangled name
        registry = md.inlinePatterns
        names = _names(registry)
        if set(names) - set(TRIGGERS):
            raise ValueError(f"patterns without a trigger: {sorted(set(names) - set(TRIGGERS))}")
        self._patterns: list[tuple[Any, tuple[str, ...]]] = [
            (pattern, TRIGGERS[name]) for pattern, name in zip(registry, names, strict=True)
        ]

    def _InlineProcessor__handleInline(self, data: str, patternIndex: int = 0) -> str:  # noqa: N802, N803 - the library's names
        if isinstance(data, AtomicString) or not _ANY.search(data):
            return data
        start = 0
        patterns = self._patterns
        count = len(patterns)
        while patternIndex < count:
            pattern, triggers = patterns[patternIndex]
            for trigger in triggers:
                if trigger in data:
                    break
            else:
                patternIndex += 1  # noqa: N806
                start = 0
                continue
            data, matched, start = self._apply(pattern, data, patternIndex, start)
            if not matched:
                patternIndex += 1  # noqa: N806
        return data


def spare_blocks(md: Markdown) -> None:
    """Let each block pattern look for its characters first; sort the patterns once, not per block."""
    registry = md.parser.blockprocessors
    for name, processor in zip(_names(registry), registry, strict=True):
        if name in BLOCK_TRIGGERS:
            processor.test = _guarded(processor.test, BLOCK_TRIGGERS[name])  # type: ignore[method-assign, assignment]
    md.parser.blockprocessors = list(registry)  # type: ignore[assignment]


def _guarded(test: Test, triggers: tuple[str, ...]) -> Test:
    def guarded(parent: ET.Element, block: str) -> bool:
        for trigger in triggers:
            if trigger in block:
                return test(parent, block)
        return False

    return guarded


def _names(registry: Any) -> list[str]:
    """Names in the order in which the patterns are tried."""
    return [
        item.name
        for item in sorted(registry._priority, key=lambda item: item.priority, reverse=True)
    ]
