"""The one renderer of findings: text with a caret, JSON, or annotations for a code host.

Pure: findings in, a string out. The shape is the same from a typing mistake on
the command line to a row of a CSV file:

    error[NL204]: unknown key `pubished`
      --> content/articles/scan.en.md:4:1
       |
     4 | pubished: 2026-11-28
       | ^^^^^^^^ not a key of an article
       |
    help: did you mean `published`?

Only the line that a finding brought itself is shown: what stands around it may
be somebody's address.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from newsletter.errors import Finding, Level, Where

FORMATS = ("text", "json", "github")
TAB = "    "

RED, YELLOW, CYAN, BOLD, PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[1m", "\x1b[0m"


def render(
    findings: Iterable[Finding],
    state: str = "",
    *,
    form: str = "text",
    root: Path | None = None,
    colour: bool = False,
) -> str:
    """All findings at once, the closing line last.

    `state` says what state the world is in now. Paths of the publication at
    `root` are shown as they are reached from the working folder.
    """
    ordered = sorted(findings, key=_place)
    match form:
        case "json":
            return as_json(ordered, state)
        case "github":
            return as_github(ordered)
        case _:
            return as_text(ordered, state, root=root, colour=colour)


def as_text(
    findings: Sequence[Finding], state: str = "", *, root: Path | None = None, colour: bool = False
) -> str:
    """For people: a block per finding, then what was counted and what state the world is in."""
    blocks = ["\n".join(_run(run, root, colour)) for run in _runs(findings)]
    closing = " ".join(part for part in (tally(findings), state) if part)
    codes = list(dict.fromkeys(finding.code for finding in findings))
    if codes:
        closing += f"\nmore: newsletter explain {codes[0]}"
    return "\n\n".join([*blocks, closing]) + "\n"


def tally(findings: Sequence[Finding]) -> str:
    """ "2 errors and 1 warning in 2 files." """
    if not findings:
        return ""
    counts = [
        f"{number} {level}{'s' if number > 1 else ''}"
        for level in Level
        if (number := sum(finding.level is level for finding in findings))
    ]
    files = {finding.where.path for finding in findings if finding.where}
    place = f" in {len(files)} files" if len(files) > 1 else ""
    return f"{' and '.join(counts)}{place}."


def as_json(findings: Sequence[Finding], state: str = "") -> str:
    """For scripts: one object, every field of every finding."""
    return json.dumps(
        {
            "errors": sum(finding.level is Level.ERROR for finding in findings),
            "warnings": sum(finding.level is Level.WARNING for finding in findings),
            "state": state,
            "findings": [_object(finding) for finding in findings],
        },
        ensure_ascii=False,
        indent=2,
    )


def as_github(findings: Sequence[Finding]) -> str:
    """Workflow commands that GitHub and its kin show beside the changed line.

    Source: "Workflow commands for GitHub Actions", setting an error message;
    percent, line ends, and in properties colon and comma are escaped.
    """
    lines = []
    for finding in findings:
        where = finding.where
        place = {"title": finding.code}
        if where:
            place |= {"file": where.path}
            place |= {"line": str(where.line)} if where.line else {}
            place |= {"col": str(where.column)} if where.column else {}
        properties = ",".join(f"{name}={_property(value)}" for name, value in place.items())
        message = _escape(f"{short(finding.what)}. {short(finding.help)}".strip())
        lines.append(f"::{finding.level} {properties}::{message}")
    return "\n".join(lines) + ("\n" if lines else "")


def _runs(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings that stand together because the way out is the same, and need be told once."""
    runs: list[list[Finding]] = []
    for finding in findings:
        alike = runs and (runs[-1][-1].code, runs[-1][-1].help) == (finding.code, finding.help)
        if alike and not (finding.where and finding.where.text is not None):
            runs[-1].append(finding)
        else:
            runs.append([finding])
    return runs


def _run(run: Sequence[Finding], root: Path | None, colour: bool) -> list[str]:
    return [
        *(_block(finding, root, colour, with_help=False) for finding in run[:-1]),
        _block(run[-1], root, colour, with_help=True),
    ]


def _place(finding: Finding) -> tuple[str, int, int]:
    where = finding.where or Where("")
    return where.path, where.line or 0, where.column or 0


def _block(finding: Finding, root: Path | None, colour: bool, *, with_help: bool) -> str:
    def paint(text: str, *styles: str) -> str:
        return f"{''.join(styles)}{text}{PLAIN}" if colour else text

    tone = RED if finding.level is Level.ERROR else YELLOW
    head = paint(f"{finding.level}[{finding.code}]", BOLD, tone)
    lines = [f"{head}: {paint(clean(short(finding.what)), BOLD)}"]
    where = finding.where
    if where:
        column = where.column if where.line else None
        shown = Where(_reachable(where.path, root), where.line, column)
        lines.append(f"  {paint('-->', CYAN)} {clean(str(shown))}")
        if where.text is not None:
            lines += _frame(finding, where, paint, tone)
        elif finding.label:
            lines.append(f"   {paint('|', CYAN)} {clean(short(finding.label))}")
    if finding.help and with_help:
        first, *rest = clean(short(finding.help), keep="\n").split("\n")
        lines.append(f"{paint('help', CYAN)}: {first}")
        lines += [f"      {line}" for line in rest]
    return "\n".join(lines)


def _frame(finding: Finding, where: Where, paint: Any, tone: str) -> list[str]:
    text = where.text or ""
    number = str(where.line) if where.line else ""
    margin = " " * max(2, len(number) + 1)
    bar = paint("|", CYAN)
    lines = [f"{margin} {bar}", f"{number:>{len(margin)}} {bar} {clean(text)}"]
    if where.column:
        at = where.column - where.begins
        before, under = clean(text[:at]), clean(text[at : at + max(1, where.width)])
        caret = paint("^" * max(1, _cells(under)), tone)
        lines.append(
            f"{margin} {bar} {' ' * _cells(before)}{caret} {clean(short(finding.label))}".rstrip()
        )
    elif finding.label:
        lines.append(f"{margin} {bar} {clean(short(finding.label))}")
    return [*lines, f"{margin} {bar}"]


LONGEST_WORDS = 500
"""Characters of what a finding says. A value that an editor wrote may stand in it, and may be a book."""


def short(text: str) -> str:
    """`text`, or its beginning and its end where it is too long to be read."""
    half = LONGEST_WORDS // 2
    return text if len(text) <= LONGEST_WORDS else f"{text[:half]} … {text[-half:]}"


def clean(text: str, keep: str = "") -> str:
    """`text` without anything that could steer a terminal: control characters become pictures of themselves."""
    return "".join(character if character in keep else _visible(character) for character in text)


def _visible(character: str) -> str:
    if character == "\t":
        return TAB
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    # Cf holds the marks that turn the reading direction: they could make a
    # line read other than it is.
    return (
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(character) in ("Cc", "Cf")
        else character
    )


def _cells(text: str) -> int:
    """How many columns `text` takes on a terminal."""
    return sum(
        0 if unicodedata.combining(character)
        else 2 if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )  # fmt: skip


def _reachable(path: str, root: Path | None) -> str:
    """A path of the publication as the shell's working folder reaches it, for one click in a terminal."""
    if root is None or Path(path).is_absolute() or not (root / path).exists():
        return path
    try:
        near = os.path.relpath(root / path)
    except (ValueError, OSError):
        return path
    return min(near, str(root / path), key=len)


def _object(finding: Finding) -> dict[str, Any]:
    where = finding.where
    return {
        "code": finding.code,
        "level": str(finding.level),
        "what": short(finding.what),
        "label": short(finding.label),
        "help": short(finding.help),
        "path": where.path if where else None,
        "line": where.line if where else None,
        "column": where.column if where else None,
    }


def _escape(text: str) -> str:
    seen = clean(text, keep="\r\n")
    return seen.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
