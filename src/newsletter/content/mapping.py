"""Front matter as values that remember where they stand: YAML 1.2, nothing executed.

libyaml finds the structure; what a plain scalar means is decided by our own
table, because YAML 1.1 turns `no` into False, `12:30` into 750 and `1_000`
into 1000. Refused outright: duplicate keys, anchors and aliases (a few lines
of them expand to gigabytes), tags, more than one document.

Source: YAML 1.2.2, section 10.3.2 (core schema).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from newsletter.content.source import Text
from newsletter.errors import Finding, Where

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
MAX_DEPTH = 8
"""Levels. An author in a reviewers' list stands on the third."""

_NULL = re.compile(r"(null|Null|NULL|~|)")
_BOOL = re.compile(r"(true|True|TRUE|false|False|FALSE)")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its place: `line` and `column` count from 1 in the file, `width` in characters.

    `value` is None, bool, int, float, str, a tuple of Nodes, or a dict from
    key to `Entry`. `raw` is a scalar as it was written.
    """

    value: object
    raw: str
    line: int
    column: int
    width: int

    @property
    def kind(self) -> str:
        """What an editor calls it."""
        match self.value:
            case None:
                return "empty"
            case bool():
                return "true or false"
            case int() | float():
                return "a number"
            case str():
                return "text"
            case tuple():
                return "a list"
            case _:
                return "a group of keys"


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value`; `key` is a Node so that a finding can point at it."""

    key: Node
    value: Node


class _Refused(Exception):
    """What YAML allows and we do not; carries the finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


def read(text: Text) -> tuple[dict[str, Entry], list[Finding]]:
    """The keys of a file's front matter, and what is wrong with its YAML."""
    if text.front is None:
        return {}, []
    control = re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text.front)
    if control:
        line = text.front.count("\n", 0, control.start()) + 2
        column = control.start() - text.front.rfind("\n", 0, control.start())
        return {}, [
            Finding(
                "NL205",
                "the front matter holds a control character",
                text.where(line, column),
                "here",
                "delete it",
            )
        ]
    findings: list[Finding] = []
    try:
        tree = _compose(text.front)
        if tree is None:
            return {}, []
        node = _node(tree, text, findings, 0, set())
    except _Refused as refused:
        return {}, [refused.finding]
    except yaml.MarkedYAMLError as error:
        return {}, [_syntax(error, text)]
    except (yaml.YAMLError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        help_text = "see `newsletter explain NL205` for the few rules"
        return {}, [
            Finding("NL205", f"the front matter is not YAML: {what}", text.where(2), help=help_text)
        ]
    if not isinstance(node.value, dict):
        return {}, [
            Finding(
                "NL205",
                f"the front matter is {node.kind}, not a group of keys",
                text.where(node.line, node.column, node.width),
                help="write one `key: value` a line, for example `title: My first article`",
            )
        ]
    return node.value, findings


def _compose(front: str) -> yaml.Node | None:
    loader = _LOADER(front)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _place(mark: yaml.Mark, end: yaml.Mark, text: Text) -> tuple[int, int, int]:
    line = mark.line + 2
    if end.line == mark.line:
        return line, mark.column + 1, max(1, end.column - mark.column)
    return line, mark.column + 1, max(1, len(text.line(line).rstrip()) - mark.column)


def _node(node: yaml.Node, text: Text, findings: list[Finding], depth: int, seen: set[int]) -> Node:
    line, column, width = _place(node.start_mark, node.end_mark, text)
    if (
        id(node) in seen
        or (text.front or "")[node.start_mark.index : node.start_mark.index + 1] == "&"
    ):
        raise _Refused(
            Finding(
                "NL205",
                "anchors and aliases (& and *) are not used here",
                text.where(line, column, width),
                "named here",
                "write the value out where it is needed; quote text that begins with & or *",
            )
        )
    seen.add(id(node))
    if node.tag not in _PLAIN_TAGS:
        raise _Refused(
            Finding(
                "NL205",
                f"the tag `{node.tag}` is not used here",
                text.where(line, column, width),
                "begins with !",
                "quote text that begins with an exclamation mark",
            )
        )
    if depth > MAX_DEPTH:
        raise _Refused(
            Finding(
                "NL205",
                "the front matter is nested too deeply",
                text.where(line, column, width),
                help="no key of ours lies deeper than three levels",
            )
        )
    if isinstance(node, yaml.ScalarNode):
        plain = node.style is None or node.style == ""
        return Node(_scalar(node.value) if plain else node.value, node.value, line, column, width)
    if isinstance(node, yaml.SequenceNode):
        items = tuple(_node(item, text, findings, depth + 1, seen) for item in node.value)
        return Node(items, "", line, column, width)
    entries: dict[str, Entry] = {}
    for key_node, value_node in node.value:
        key = _node(key_node, text, findings, depth + 1, seen)
        value = _node(value_node, text, findings, depth + 1, seen)
        if isinstance(key_node, yaml.ScalarNode) and key.raw in entries:
            first = entries[key.raw].key
            findings.append(
                Finding(
                    "NL204",
                    f"`{key.raw}` stands twice",
                    text.where(key.line, key.column, key.width),
                    f"first on line {first.line}",
                    "keep one of the two",
                )
            )
            continue
        entries[key.raw] = Entry(key, value)
    return Node(entries, "", line, column, width)


def _scalar(raw: str) -> object:
    if _NULL.fullmatch(raw):
        return None
    if _BOOL.fullmatch(raw):
        return raw.lower() == "true"
    if _INT.fullmatch(raw):
        return int(raw) if len(raw) < 19 else raw
    if _FLOAT.fullmatch(raw):
        return float(raw)
    return raw


_OPENING = re.compile(r"^(\s*(?:-\s+)?(?:[^\s'\"#:][^:]*:\s+)?)([\"'])")


def _syntax(error: yaml.MarkedYAMLError, text: Text) -> Finding:
    """One clear finding from libyaml's words; an unclosed quote is shown where it was opened."""
    quote = _unclosed_quote(text)
    if quote is not None:
        return Finding(
            "NL205",
            "a quotation mark is opened and never closed",
            quote,
            "opened here",
            f"close it at the end of the value with {quote.text[quote.column - 1] if quote.text and quote.column else 'the same mark'}",
        )
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "not YAML"
    where = text.where(mark.line + 2, mark.column + 1) if mark else text.where(2)
    if "could not find expected ':'" in problem and error.context_mark:
        where = text.where(error.context_mark.line + 2, error.context_mark.column + 1)
    if "mapping values are not allowed" in problem:
        return Finding(
            "NL205",
            "a colon followed by a space stands inside a value",
            where,
            "this colon",
            "put the whole value into quotation marks",
        )
    if "cannot start any token" in problem and "\\t" in problem:
        return Finding(
            "NL205",
            "a tab stands where YAML wants spaces",
            where,
            "a tab",
            "indent with two spaces",
        )
    if "undefined alias" in problem:
        return Finding(
            "NL205",
            "a value that begins with * needs quotation marks",
            where,
            "this star",
            "put the value into quotation marks",
        )
    return Finding(
        "NL205",
        f"the front matter is not YAML: {problem}",
        where,
        "here",
        "see `newsletter explain NL205` for the few rules",
    )


def _unclosed_quote(text: Text) -> Where | None:
    """The first line of the front matter whose quoted value has no end on that line.

    A quoted value may go on over several lines in YAML; this is asked only
    after the parser has failed, and then the first such line is the culprit.
    """
    for number, line in enumerate((text.front or "").splitlines(), 2):
        opening = _OPENING.match(line)
        if not opening:
            continue
        mark = opening[2]
        rest = line[opening.end() :]
        rest = rest.replace("''", "") if mark == "'" else re.sub(r"\\.", "", rest)
        if mark not in rest:
            return Where(text.path, number, opening.end(), 1, line)
    return None
