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
    if "<" in body:
        body = _without_removed(body, tell)
    lines = body.expandtabs(4).split("\n")
    outline = Outline([], {}, {})
    stack: list[Block] = []
    pending: list[str] = []
    start = 0

    def into() -> list[Part]:
        return stack[-1].parts if stack else outline.parts

    def flush() -> None:
        if pending and not all(line.isspace() or not line for line in pending):
            into().append(Chunk("\n".join(pending), start + 1))
        pending.clear()

    number = 0
    while number < len(lines):
        line = lines[number]
        lead = line.lstrip()[:1] if line else ""
        if lead in ("`", "~") and (fence := _FENCE.match(line)):
            flush()
            number = _code(lines, number, fence, into(), tell)
            start = number
            continue
        if lead == ":" and (closing := _CLOSE.match(line)):
            flush()
            _close(stack, len(closing[1]), number + 1, tell)
            number += 1
            start = number
            continue
        if lead == ":" and (opening := _OPEN.match(line)):
            flush()
            block = _block(opening, number + 1, tell)
            if len(stack) >= MAX_DEPTH:
                tell(
                    "NL227",
                    "blocks are nested too deeply",
                    number + 1,
                    f"at most {MAX_DEPTH} levels",
                )
            else:
                into().append(block)
                stack.append(block)
            number += 1
            start = number
            continue
        if lead == "[" and (note := _FOOTNOTE.match(line)):
            number = _footnote(lines, number, note, outline, tell)
            pending.append("")
            continue
        if lead == "*" and (short := _ABBREVIATION.match(line)):
            outline.abbreviations[short[1]] = short[2].strip()
            number += 1
            continue
        if not pending:
            start = number
        pending.append(line)
        number += 1
    flush()
    for block in stack:
        tell(
            "NL227",
            f"the block `{block.kind}` is opened and never closed",
            block.line,
            f"close it with a line of {block.colons} colons",
        )
    return outline


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


def _close(stack: list[Block], colons: int, line: int, tell: Tell) -> None:
    if not stack:
        tell(
            "NL227",
            "colons close a block that was never opened",
            line,
            "delete this line, or open a block above it",
        )
        return
    for depth in range(len(stack) - 1, -1, -1):
        if stack[depth].colons == colons:
            for block in stack[depth + 1 :]:
                tell(
                    "NL227",
                    f"the block `{block.kind}` is opened and never closed",
                    block.line,
                    f"close it with a line of {block.colons} colons",
                )
            del stack[depth:]
            return
    stack.pop()


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
