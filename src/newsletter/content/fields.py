"""Reading keys one by one: each gives a value of the right type, or a finding with its place.

`Fields` collects; nothing is raised, so that an editor sees everything that
is wrong with a file at once. `finish()` refuses the keys nobody asked for.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from newsletter.content.mapping import Entry, Node
from newsletter.content.source import Text
from newsletter.errors import Finding, Level, Where, did_you_mean

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""Addresses are ASCII: they survive every mail client and every paste."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters and the marks that turn the direction of what follows."""


class Fields:
    """The keys of one group: a whole front matter, or one author inside it."""

    def __init__(
        self,
        text: Text,
        entries: dict[str, Entry],
        findings: list[Finding],
        of: str,
        at: Node | None = None,
    ) -> None:
        self.text = text
        self.entries = entries
        self.findings = findings
        self.of = of
        """What the group is, with its article: "an article"."""
        self.at = at
        self.known: list[str] = []

    def where(self, node: Node) -> Where:
        return self.text.where(node.line, node.column, node.width)

    def tell(
        self,
        code: str,
        what: str,
        node: Node | None,
        label: str = "",
        advice: str = "",
        level: Level = Level.ERROR,
    ) -> None:
        where = self.where(node) if node else self.text.where(1, 1, 3)
        self.findings.append(Finding(code, what, where, label, advice, level))

    def entry(self, name: str, *, required: bool = False) -> Node | None:
        """The value under `name`, None when it is missing or empty (told when required)."""
        self.known.append(name)
        entry = self.entries.get(name)
        if entry is not None and entry.value.value is not None:
            return entry.value
        if required:
            if entry is not None:
                self.tell(
                    "NL202",
                    f"`{name}` is empty",
                    entry.key,
                    "no value",
                    f"write a value after `{name}:`",
                )
            else:
                self.tell(
                    "NL202",
                    f"`{name}` is missing",
                    self.at,
                    f"{self.of} needs it",
                    f"add a line `{name}: ...`",
                )
        return None

    def wrong(self, name: str, node: Node, expected: str, example: str) -> None:
        self.tell(
            "NL203",
            f"`{name}` is {node.kind}, not {expected}",
            node,
            f"expected {expected}",
            f"for example `{name}: {example}`",
        )

    def string(
        self, name: str, *, required: bool = False, longest: int = 2000, example: str = "some words"
    ) -> str:
        """One line of text; "" when it is not there. A number is taken as it was written."""
        node = self.entry(name, required=required)
        if node is None:
            return ""
        if isinstance(node.value, (bool, tuple, dict)):
            self.wrong(name, node, "text", f'"{example}"')
            return ""
        value = " ".join(node.raw.split())
        if required and not value:
            self.tell(
                "NL202", f"`{name}` is empty", node, "no value", f"write a value after `{name}:`"
            )
        if len(value) > longest:
            self.tell(
                "NL213",
                f"`{name}` is too long ({len(value)} characters)",
                node,
                f"at most {longest}",
                "shorten it",
            )
        if _CONTROL.search(value):
            self.tell(
                "NL213",
                f"`{name}` holds an invisible control character",
                node,
                "in here",
                "type the value anew",
            )
        return value

    def flag(self, name: str) -> bool:
        node = self.entry(name)
        if node is None:
            return False
        if not isinstance(node.value, bool):
            self.wrong(name, node, "true or false", "true")
            return False
        return node.value

    def number(self, name: str) -> int | None:
        node = self.entry(name)
        if node is None:
            return None
        if isinstance(node.value, bool) or not isinstance(node.value, int):
            self.wrong(name, node, "a whole number", "2024")
            return None
        return node.value

    def day(self, name: str, *, required: bool = False) -> dt.date | None:
        node = self.entry(name, required=required)
        if node is None:
            return None
        if not isinstance(node.value, str) or not _DATE.fullmatch(node.value):
            self._bad_date(name, node, "expected YYYY-MM-DD")
            return None
        try:
            return dt.date.fromisoformat(node.value)
        except ValueError as error:
            self._bad_date(name, node, str(error))
            return None

    def moment(self, name: str, zone: ZoneInfo, *, required: bool = False) -> dt.datetime | None:
        """A date (midnight in the publication's zone) or a date and time; aware, in UTC."""
        node = self.entry(name, required=required)
        if node is None:
            return None
        if not isinstance(node.value, str):
            self._bad_date(name, node, "expected YYYY-MM-DD")
            return None
        raw = (
            node.value.replace(" ", "T", 1)
            if re.match(r"\d{4}-\d{2}-\d{2} \d", node.value)
            else node.value
        )
        if not _DATE.match(raw):
            self._bad_date(name, node, "expected YYYY-MM-DD")
            return None
        try:
            moment = dt.datetime.fromisoformat(raw)
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(dt.UTC)
        except (ValueError, OverflowError) as error:
            self._bad_date(name, node, str(error))
            return None

    def _bad_date(self, name: str, node: Node, why: str) -> None:
        why = why.removeprefix("Invalid isoformat string: ").strip()
        self.tell(
            "NL206",
            f"`{name}` is not a date: {node.raw or node.kind}",
            node,
            why,
            f"write `{name}: 2026-11-21`, or with a time 2026-11-21T09:00",
        )

    def strings(self, name: str) -> tuple[tuple[str, Node], ...]:
        """A list of short texts, each with its place. A single text counts as a list of one."""
        node = self.entry(name)
        if node is None:
            return ()
        items = node.value if isinstance(node.value, tuple) else (node,)
        found = []
        for item in items:
            if isinstance(item.value, (tuple, dict, bool)) or item.value is None:
                self.wrong(name, item, "a list of words", "[first, second]")
                continue
            found.append((" ".join(item.raw.split()), item))
        return tuple(found)

    def groups(self, name: str, of: str) -> list[Fields]:
        """A list of groups of keys; a single group counts as a list of one."""
        node = self.entry(name)
        if node is None:
            return []
        items = node.value if isinstance(node.value, tuple) else (node,)
        found = []
        for item in items:
            if not isinstance(item.value, dict):
                self.wrong(name, item, "a list of groups", "[{name: Ada Lovelace}]")
                continue
            found.append(Fields(self.text, item.value, self.findings, of, item))
        return found

    def group(self, name: str, of: str) -> Fields | None:
        node = self.entry(name)
        if node is None:
            return None
        if not isinstance(node.value, dict):
            self.wrong(name, node, "a group of keys", "{key: value}")
            return None
        return Fields(self.text, node.value, self.findings, of, node)

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        node = self.entry(name)
        if node is None:
            return default
        if node.raw not in allowed:
            self.tell(
                "NL213",
                f"`{name}` is `{node.raw}`",
                node,
                f"one of {', '.join(allowed)}",
                did_you_mean(node.raw, allowed) or f"write one of {', '.join(allowed)}",
            )
            return default
        return node.raw

    def slug(self, name: str, default: str) -> str:
        """The last part of an address; "" when it is told that it cannot be one."""
        value = self.string(name, longest=100)
        if value and not SLUG.fullmatch(value):
            self.tell(
                "NL213",
                f"`{name}` cannot be an address: {value}",
                self.entries[name].value,
                "small letters a-z, digits, single hyphens",
                f"for example `{name}: {_slugged(value) or default}`",
            )
            return ""
        return value or default

    def check(
        self, name: str, right: Callable[[str], object], value: str, label: str, advice: str
    ) -> str:
        """`value` when it is empty or `right`; else a finding at `name`, and "" ."""
        if value and not right(value):
            self.tell(
                "NL213", f"`{name}` is not right: {value}", self.entries[name].value, label, advice
            )
            return ""
        return value

    def finish(self) -> None:
        """Refuse every key that nobody read; `x-...` is the editors' own."""
        for name, entry in self.entries.items():
            if name in self.known or name.startswith("x-"):
                continue
            self.tell(
                "NL201",
                f"unknown key `{name}`",
                entry.key,
                f"not a key of {self.of}",
                did_you_mean(name, self.known)
                or f"{self.of} knows {', '.join(self.known)}; keys of your own begin with x-",
            )


def _slugged(value: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")
