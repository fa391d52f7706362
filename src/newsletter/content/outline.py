"""A body's outline: plain Markdown, fenced code, our ::: blocks and footnotes, each with its line.

Found line by line before Markdown is parsed, so that a fence may hold
anything, a block may hold blocks, and a finding knows its line. No regular
expression runs over more than one line except the one that takes out elements
nobody may write (script and the like, HTML comments).

    body ─► lines ─► Chunk | Code | Block(parts) …   and footnote definitions beside
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

KINDS = ("care", "note", "warning", "checklist", "price")
CARE = ("non-urgent", "urgent", "emergency")
MAX_DEPTH = 4

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})\s*([^`]*)$")
_OPEN = re.compile(r" {0,3}(:{3,})\s*([^\s:\"“].*)$")
_CLOSE = re.compile(r" {0,3}(:{3,})\s*$")
_HEAD = re.compile(r"([\w-]+)\s*([\w\s-]*?)\s*(?:[\"“](.*)[\"”])?\s*$")
_FOOTNOTE = re.compile(r" {0,3}\[\^([^\]\s]+)\]:\s*(.*)$")
_ABBREVIATION = re.compile(r" {0,3}\*\[([^\]]+)\]:\s*(.+)$")
_REMOVED = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|iframe|object|embed|template|noscript|svg|math|textarea|select|title|xmp|noframes|plaintext|form)\b.*?(?:</\1\s*>|\Z)",
    re.S | re.I,
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Plain Markdown."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Code:
    """A fenced listing."""

    language: str
    text: str
    line: int


@dataclass(slots=True)
class Block:
    """`::: kind options "title"` to its closing colons."""

    kind: str
    options: tuple[str, ...]
    title: str
    line: int
    colons: int
    parts: list[Part] = field(default_factory=list)


Part = Chunk | Code | Block
Tell = Callable[[str, str, int, str], None]
"""(code, what, line of the body from 1, help)"""


@dataclass(slots=True)
class Outline:
    parts: list[Part]
    footnotes: dict[str, tuple[str, int]]
    abbreviations: dict[str, str]


def scan(body: str, tell: Tell) -> Outline:
    """The outline of `body`; what is wrong with its blocks and fences goes to `tell`."""
    body = plain(body)
    if "<" in body:
        body = _without_removed(body, tell)
    return _Scan(body.split("\n"), tell).run()


def plain(text: str) -> str:
    """Without control characters, and with spaces for tabs."""
    return _CONTROL.sub("", text).expandtabs(4)


class _Scan:
    """One pass over the lines. `number` is the line at hand, from 0."""

    def __init__(self, lines: list[str], tell: Tell) -> None:
        self.lines = lines
        self.tell = tell
        self.outline = Outline([], {}, {})
        self.stack: list[Block] = []
        self.pending: list[str] = []
        self.start = 0
        self.number = 0

    def run(self) -> Outline:
        while self.number < len(self.lines):
            line = self.lines[self.number]
            if not self._special(line, line.lstrip()[:1]):
                if not self.pending:
                    self.start = self.number
                self.pending.append(line)
                self.number += 1
        self._flush()
        for block in self.stack:
            self._unclosed(block)
        return self.outline

    def _special(self, line: str, lead: str) -> bool:
        """Take what begins on this line, if it is more than Markdown."""
        match lead:
            case "`" | "~":
                return self._fence(line)
            case ":":
                return self._close(line) or self._open(line)
            case "[":
                return self._footnote(line)
            case "*":
                short = _ABBREVIATION.match(line)
                if short:
                    self.outline.abbreviations[short[1]] = short[2].strip()
                    self.number += 1
                return bool(short)
            case _:
                return False

    def _into(self) -> list[Part]:
        return self.stack[-1].parts if self.stack else self.outline.parts

    def _flush(self) -> None:
        if any(line.strip() for line in self.pending):
            self._into().append(Chunk("\n".join(self.pending), self.start + 1))
        self.pending.clear()

    def _fence(self, line: str) -> bool:
        fence = _FENCE.match(line)
        if not fence:
            return False
        self._flush()
        self.number = _code(self.lines, self.number, fence, self._into(), self.tell)
        return True

    def _open(self, line: str) -> bool:
        opening = _OPEN.match(line)
        if not opening:
            return False
        self._flush()
        block = _block(opening, self.number + 1, self.tell)
        if len(self.stack) >= MAX_DEPTH:
            self.tell(
                "NL227",
                "blocks are nested too deeply",
                self.number + 1,
                f"at most {MAX_DEPTH} levels",
            )
        else:
            self._into().append(block)
            self.stack.append(block)
        self.number += 1
        return True

    def _close(self, line: str) -> bool:
        closing = _CLOSE.match(line)
        if not closing:
            return False
        self._flush()
        self.number += 1
        if not self.stack:
            self.tell(
                "NL227",
                "colons close a block that was never opened",
                self.number,
                "delete this line, or open a block above it",
            )
            return True
        same = [at for at, block in enumerate(self.stack) if block.colons == len(closing[1])]
        at = same[-1] if same else len(self.stack) - 1
        for block in self.stack[at + 1 :]:
            self._unclosed(block)
        del self.stack[at:]
        return True

    def _unclosed(self, block: Block) -> None:
        self.tell(
            "NL227",
            f"the block `{block.kind}` is opened and never closed",
            block.line,
            f"close it with a line of {block.colons} colons",
        )

    def _footnote(self, line: str) -> bool:
        note = _FOOTNOTE.match(line)
        if note:
            self.number = _footnote(self.lines, self.number, note, self.outline, self.tell)
            self.pending.append("")
        return bool(note)


def _without_removed(body: str, tell: Tell) -> str:
    """The body without elements that may not stand in a text; lines keep their numbers."""
    if not _REMOVED.search(body):
        return body
    fenced = _fenced_spans(body)

    def replace(match: re.Match[str]) -> str:
        if any(start <= match.start() < end for start, end in fenced):
            return match[0]
        if match[1]:
            line = body.count("\n", 0, match.start()) + 1
            tell(
                "NL226",
                f"raw HTML was removed: <{match[1].lower()}>",
                line,
                "write Markdown; this element never reaches a page or a mail",
            )
        return "\n" * match[0].count("\n")

    return _REMOVED.sub(replace, body)


def _fenced_spans(body: str) -> list[tuple[int, int]]:
    """Character ranges that are code, in which HTML is only shown."""
    spans = [
        match.span()
        for match in re.finditer(
            r"^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}\1[`~]*\s*$|\Z)", body, re.S | re.M
        )
    ]
    return spans + [
        match.span() for match in re.finditer(r"(?<!`)(`+)(?!`)[^\n]*?(?<!`)\1(?!`)", body)
    ]


def _code(
    lines: list[str], number: int, fence: re.Match[str], parts: list[Part], tell: Tell
) -> int:
    mark = fence[1]
    end = number + 1
    while end < len(lines):
        closing = lines[end].strip()
        if closing.startswith(mark) and not closing.strip(mark[0]):
            break
        end += 1
    else:
        tell(
            "NL227",
            "a listing is opened and never closed",
            number + 1,
            f"close it with a line of {mark}",
        )
    language = fence[2].split()[0] if fence[2].split() else ""
    parts.append(
        Code(re.sub(r"[^\w+#.-]", "", language), "\n".join(lines[number + 1 : end]), number + 1)
    )
    return end + 1


def _block(opening: re.Match[str], line: int, tell: Tell) -> Block:
    head = _HEAD.match(opening[2].strip())
    if head is None:
        tell(
            "NL227",
            f"this block's first line is not understood: {opening[2].strip()}",
            line,
            'write for example ::: care urgent "Call the same day if:"',
        )
        return Block("note", (), "", line, len(opening[1]))
    return Block(head[1], tuple(head[2].split()), (head[3] or "").strip(), line, len(opening[1]))


def _footnote(
    lines: list[str], number: int, note: re.Match[str], outline: Outline, tell: Tell
) -> int:
    text = [note[2]]
    end = number + 1
    while end < len(lines):
        line = lines[end]
        if (
            line.strip()
            and not line.startswith("    ")
            and (not lines[end - 1].strip() or _FOOTNOTE.match(line) or _ABBREVIATION.match(line))
        ):
            break
        if not line.strip() and not (end + 1 < len(lines) and lines[end + 1].startswith("    ")):
            break
        text.append(line.removeprefix("    "))
        end += 1
    if note[1] in outline.footnotes:
        tell(
            "NL204",
            f"the footnote [^{note[1]}] is written twice",
            number + 1,
            "give one of them another name",
        )
    else:
        outline.footnotes[note[1]] = ("\n".join(text), number + 1)
    return end
