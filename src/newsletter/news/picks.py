"""`news pick`: one item written into the issue's own letter, by the line.

The letter is the editor's file. Only the few lines of the new item are added
to its front matter; every other byte, comments and line ends included, stays
as it was. The result is read back before it is saved: the same keys, the same
values, one item more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from newsletter import files
from newsletter.config import Settings
from newsletter.errors import Finding, Findings, Where
from newsletter.news.clean import one_line
from newsletter.news.item import NewsItem

NOTE_LIMIT = 300
"""Characters. One honest sentence; more is an article."""

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def pick(
    settings: Settings, period: str, languages: Sequence[str], item: NewsItem, note: str
) -> tuple[Path, ...]:
    """Write `item` with the editor's `note` into the letters of `period`; returns the files changed.

    Either every letter named is changed or none.

    Raises:
        Findings: NL410 (the note), NL411 (already picked), NL412 (a front matter
            this cannot be added to), NL413 (no letter yet), NL414 (the issue is frozen).
    """
    folder = settings.path("content/issues") / period
    findings = _note(note)
    if (folder / "edition.toml").exists():
        findings.append(
            Finding(
                "NL414",
                f"{period} is approved and frozen",
                Where(f"content/issues/{period}/edition.toml"),
                help=f"`newsletter issue withdraw {period}` first, then pick",
            )
        )
    changed: dict[Path, bytes] = {}
    for language in languages:
        path = folder / f"letter.{language}.md"
        name = f"content/issues/{period}/letter.{language}.md"
        try:
            before = files.read_file(path)
        except OSError:
            help_text = f"`newsletter new issue {period}` writes a first one"
            findings.append(
                Finding("NL413", f"there is no letter {name}", Where(name), help=help_text)
            )
            continue
        after = _with(before, item, one_line(note), name)
        if isinstance(after, Finding):
            findings.append(after)
        else:
            changed[path] = after
    if findings:
        raise Findings(findings, "Nothing was written.")
    for path, data in changed.items():
        files.write_atomic(path, data)
    return tuple(changed)


def _note(note: str) -> list[Finding]:
    words = one_line(note)
    help_text = 'write --note "what it says, and what it does not say"'
    if not words:
        return [Finding("NL410", "a news item needs a sentence of your own", help=help_text)]
    if len(words) > NOTE_LIMIT:
        what = f"the note has {len(words)} characters; {NOTE_LIMIT} are the most"
        return [Finding("NL410", what, help="one sentence; longer thoughts are an article")]
    return []


def entry(item: NewsItem, note: str, indent: str = "  ", newline: str = "\n") -> str:
    """The item as YAML list lines, each ended by `newline`."""
    fields = [
        ("id", item.id),
        ("title", item.title),
        ("url", item.url),
        ("source", item.source),
        ("kind", item.kind.value),
        ("date", item.date.isoformat()),
        ("note", note),
    ]
    lines = [f"{name}: {value if name == 'date' else _quoted(value)}" for name, value in fields]
    return "".join(
        f"{indent}{'- ' if place == 0 else '  '}{line}{newline}" for place, line in enumerate(lines)
    )


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar; JSON's escapes are a part of YAML's."""
    return json.dumps(text, ensure_ascii=False)


def _with(data: bytes, item: NewsItem, note: str, name: str) -> bytes | Finding:
    """The letter's bytes with the item added at the end of `news`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _no_way(name, "the letter is not UTF-8")
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    fences = [n for n, line in enumerate(lines) if line.rstrip() == "---"]
    if (
        not lines
        or lines[0].lstrip("\ufeff").rstrip() != "---"
        or len(fences) + (lines[0][0] == "\ufeff") < 2
    ):
        return _no_way(name, "the letter has no front matter")
    end = next(n for n in fences if n > 0)
    before = _news(lines, end)
    if before is None:
        return _no_way(name, "the letter's front matter is not YAML, or `news` is no list")
    if any(
        isinstance(old, dict) and (old.get("id") == item.id or old.get("url") == item.url)
        for old in before
    ):
        return Finding(
            "NL411",
            f"{item.id} already stands in {name}",
            Where(name),
            help="change its note there",
        )
    added = _added(lines, end, item, note, newline)
    if added is None:
        return _no_way(name, "`news` stands in square brackets")
    after = added.splitlines(keepends=True)
    read = _news(after, next(n for n, line in enumerate(after) if n > 0 and line.rstrip() == "---"))
    if read is None or read[:-1] != before or read[-1].get("note") != note:
        return _no_way(name, "the list of news is written in a way that cannot be added to")
    return added.encode()


def _added(lines: list[str], end: int, item: NewsItem, note: str, newline: str) -> str | None:
    """The text with the entry put in; None for a list in square brackets that is not empty."""
    heads = [n for n in range(1, end) if re.match(r"news\s*:", lines[n])]
    if not heads:
        return "".join(
            [*lines[:end], f"news:{newline}", entry(item, note, newline=newline), *lines[end:]]
        )
    head = heads[0]
    found = re.fullmatch(r"(news\s*:)\s*(\[\s*\]|null|~)?(\s*#.*)?\s*", lines[head])
    if not found:
        return None
    if found[2]:
        start = f"{found[1]}{(found[3] or '').rstrip()}{newline}"
        return "".join(
            [*lines[:head], start, entry(item, note, newline=newline), *lines[head + 1 :]]
        )
    last, indent = head, "  "
    for number in range(head + 1, end):
        line = lines[number]
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        dash = re.match(r"(\s*)- ", line)
        if not dash and not line[0].isspace():
            break
        if dash and last == head:
            indent = dash[1]
        last = number
    return "".join([*lines[: last + 1], entry(item, note, indent, newline), *lines[last + 1 :]])


def _news(lines: list[str], end: int) -> list[Any] | None:
    """The list under `news`; [] when there is none, None when the YAML cannot be read."""
    loader = _LOADER("".join(lines[1:end]))
    try:
        tree = loader.get_single_data()
    except yaml.YAMLError:
        return None
    finally:
        loader.dispose()
    if tree is None:
        return []
    news = tree.get("news") if isinstance(tree, dict) else 0
    if news in (None, "", "null", "~"):
        return []
    return news if isinstance(news, list) else None


def _no_way(name: str, why: str) -> Finding:
    help_text = "write `news:` with one `- id: ...` below it for each item, or leave it out"
    return Finding("NL412", f"{name}: nothing can be added; {why}", Where(name), help=help_text)
