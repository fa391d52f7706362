"""content/feeds.toml: which feeds may propose news."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from newsletter import files, toml
from newsletter.config import Settings
from newsletter.errors import Finding, Findings, Where, did_you_mean
from newsletter.news.clean import link
from newsletter.news.item import Feed, Kind

KEYS = ("id", "title", "url", "path", "kind", "language")


def load(settings: Settings) -> tuple[Feed, ...]:
    """The feeds, in the file's order; none when there is no such file.

    Raises:
        Findings: NL400 (no TOML), NL401 (unknown key), NL402 (a value is
            missing or wrong), NL403 (the id stands twice).
    """
    file = settings.path(settings.news.feeds)
    name = settings.news.feeds
    if not os.path.lexists(file):
        return ()
    try:
        source = files.read_file(file).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        help_text = "it must be UTF-8, and this account must be allowed to read it"
        what = f"{name} cannot be read: {getattr(error, 'strerror', error)}"
        raise Findings([Finding("NL400", what, Where(name), help=help_text)]) from error
    try:
        tables = toml.loads(source)
    except tomllib.TOMLDecodeError as error:
        what = f"{name} is not TOML: {str(error).split(' (at')[0]}"
        where, help_text = _place(name, source, str(error)), "each feed is a [[feed]] table"
        raise Findings([Finding("NL400", what, where, help=help_text)]) from error
    reader = _Reader(settings, name, source)
    found = reader.feeds(tables)
    if reader.findings:
        raise Findings(reader.findings)
    return found


def _place(name: str, source: str, message: str) -> Where:
    """Where the TOML breaks, as the parser's message says; the file when it does not."""
    found = re.search(r"line (\d+), column (\d+)", message)
    if not found:
        return Where(name)
    line, lines = int(found[1]), source.splitlines()
    return Where(name, line, int(found[2]), 1, lines[line - 1] if line <= len(lines) else "")


class _Reader:
    """Collects what is wrong while it reads, so that everything is told at once."""

    def __init__(self, settings: Settings, name: str, source: str) -> None:
        self.settings = settings
        self.name = name
        self.lines = source.splitlines()
        self.starts = [
            n for n, text in enumerate(self.lines, 1) if re.match(r"\s*\[\[\s*feed\s*\]\]", text)
        ]
        self.findings: list[Finding] = []

    def feeds(self, tables: dict[str, Any]) -> tuple[Feed, ...]:
        for key in tables:
            if key != "feed":
                self.say(
                    "NL401",
                    f"unknown table or key `{key}`",
                    0,
                    key,
                    "each feed is a [[feed]] table",
                )
        entries = tables.get("feed", [])
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            self.say(
                "NL402",
                "`feed` must be a list of tables",
                0,
                "feed",
                "write [[feed]], with two brackets",
            )
            return ()
        feeds: dict[str, Feed] = {}
        for place, entry in enumerate(entries):
            feed = self.feed(entry, place)
            if feed and feed.id in feeds:
                self.say(
                    "NL403",
                    f"the feed id `{feed.id}` stands twice",
                    place,
                    "id",
                    "give each feed its own id",
                )
            elif feed:
                feeds[feed.id] = feed
        return tuple(feeds.values())

    def feed(self, entry: dict[str, Any], place: int) -> Feed | None:
        before = len(self.findings)
        for key in entry:
            if key not in KEYS:
                help_text = did_you_mean(key, KEYS) or f"known here: {', '.join(KEYS)}"
                self.say("NL401", f"unknown key `{key}`", place, key, help_text)
        text = {key: entry.get(key, "") for key in KEYS}
        for key in ("id", "title", "kind", "language"):
            if not isinstance(text[key], str) or not text[key].strip():
                self.say("NL402", f"a feed needs `{key}`", place, key, f'add {key} = "..."')
        if (
            isinstance(text["id"], str)
            and text["id"]
            and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", text["id"])
        ):
            self.say(
                "NL402",
                f"`{text['id']}` is no feed id",
                place,
                "id",
                "use small letters, digits and dashes",
            )
        kind = str(text["kind"]).replace("-", " ")
        if kind and kind not in list(Kind):
            help_text = did_you_mean(kind, list(Kind)) or f"one of: {', '.join(Kind)}"
            self.say("NL402", f"`{text['kind']}` is no kind of source", place, "kind", help_text)
        self.place_of(text, place)
        if len(self.findings) > before:
            return None
        return Feed(
            text["id"],
            text["title"],
            Kind(kind),
            text["language"],
            text["url"] or None,
            text["path"] or None,
        )

    def place_of(self, text: dict[str, Any], place: int) -> None:
        url, path = text["url"], text["path"]
        if bool(url) == bool(path):
            self.say(
                "NL402",
                "a feed needs `url` or `path`, one of the two",
                place,
                "url",
                'add url = "https://..."',
            )
        elif url and (not isinstance(url, str) or link(url) is None):
            self.say(
                "NL402",
                "the feed's url is not an http(s) address",
                place,
                "url",
                "begin with https://",
            )
        elif path:
            content = self.settings.path("content")
            if (
                not isinstance(path, str)
                or Path(path).is_absolute()
                or not files.is_inside(content / path, content)
            ):
                self.say(
                    "NL402",
                    "the feed's path leads out of content/",
                    place,
                    "path",
                    "keep the file below content/",
                )

    def say(self, code: str, what: str, place: int, key: str, help_text: str) -> None:
        """A finding at the key's line inside the `place`th [[feed]], or at the table's head."""
        start = self.starts[place] if place < len(self.starts) else 1
        end = self.starts[place + 1] - 1 if place + 1 < len(self.starts) else len(self.lines)
        line, column = start, 1
        for number in range(start, end + 1):
            found = re.match(rf"\s*({re.escape(key)})\s*=", self.lines[number - 1])
            if found:
                line, column = number, found.start(1) + 1
                break
        shown = self.lines[line - 1] if line <= len(self.lines) else ""
        self.findings.append(
            Finding(
                code, what, Where(self.name, line, column, max(1, len(key)), shown), help=help_text
            )
        )
