"""edition.toml: what was approved, by whom, and the hash of every byte of it. Pure.

    [contents: period, number, editions, pictures, articles, news]   <- what an approver approves
    [[approvals]] ...                                                 <- who did, and when

The SHA-256 of the whole file is the approval that mails, archive and record
name. `contents` is the part above the approvals: the same sources give the
same contents, whoever approves and whenever.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from newsletter import toml
from newsletter.issue.period import Period, parse

NAME = "edition.toml"
FORMAT = 1
_HEX = re.compile(r"[0-9a-f]{64}")
_MARK = "[[approvals]]\n"


@dataclass(frozen=True, slots=True)
class FrozenEdition:
    """One language: its words for the inbox, and the SHA-256 of each of its three files."""

    language: str
    subject: str
    preheader: str
    html: str
    text: str
    body: str


@dataclass(frozen=True, slots=True)
class FrozenArticle:
    """An article that this issue carried, with the SHA-256 of its file per language."""

    id: str
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FrozenNews:
    """A news item that this issue carried; `keys` are remembered for ever (news/memory.py)."""

    id: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FrozenChange:
    """An article of an earlier issue that this one announced as "withdrawn" or "updated"."""

    id: str
    since: str
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Approval:
    """`signature`: Ed25519 over `Manifest.contents`, base64; "" when the approver has no key."""

    by: str
    at: dt.datetime
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """edition.toml as a value. `pictures` is (file name, SHA-256); `as_of` is aware UTC."""

    period: Period
    number: int
    as_of: dt.datetime
    editions: tuple[FrozenEdition, ...]
    pictures: tuple[tuple[str, str], ...]
    articles: tuple[FrozenArticle, ...]
    changes: tuple[FrozenChange, ...]
    news: tuple[FrozenNews, ...]
    approvals: tuple[Approval, ...] = ()

    def contents(self) -> str:
        """The text that is approved: everything but the approvals."""
        return "".join(_contents(self))

    def text(self) -> str:
        """The whole file."""
        return self.contents() + "".join(_approval(each) for each in self.approvals)

    @property
    def digest(self) -> str:
        """SHA-256 of the contents, hex: what an approver signs."""
        return hashlib.sha256(self.contents().encode()).hexdigest()


def _quoted(text: str) -> str:
    """A TOML basic string; JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _moment(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _contents(manifest: Manifest) -> list[str]:
    lines = [
        "# Frozen by `newsletter issue approve`. One changed byte here, or in a file\n",
        "# named here, voids the approval; `newsletter issue withdraw` takes it back.\n",
        f"format = {FORMAT}\n",
        f"period = {_quoted(str(manifest.period))}\n",
        f"number = {manifest.number}\n",
        f"as_of = {_moment(manifest.as_of)}\n\n",
    ]
    for edition in manifest.editions:
        lines.append("[[editions]]\n")
        names = ("language", "subject", "preheader", "html", "text", "body")
        lines += [f"{name} = {_quoted(getattr(edition, name))}\n" for name in names]
        lines.append("\n")
    lines += [
        f"[[pictures]]\nfile = {_quoted(file)}\nsha256 = {_quoted(digest)}\n\n"
        for file, digest in manifest.pictures
    ]
    lines += [
        f"[[articles]]\nid = {_quoted(article.id)}\n{_sources(article.sources)}\n\n"
        for article in manifest.articles
    ]
    for change in manifest.changes:
        lines.append(f"[[changes]]\nid = {_quoted(change.id)}\nsince = {_quoted(change.since)}\n")
        lines.append(f"{_sources(change.sources)}\n\n")
    for news in manifest.news:
        keys = ", ".join(map(_quoted, news.keys))
        lines.append(f"[[news]]\nid = {_quoted(news.id)}\nkeys = [{keys}]\n\n")
    return lines


def _sources(sources: tuple[tuple[str, str], ...]) -> str:
    pairs = ", ".join(f"{_quoted(tag)} = {_quoted(digest)}" for tag, digest in sources)
    return f"sources = {{ {pairs} }}"


def _approval(approval: Approval) -> str:
    signed = f"signature = {_quoted(approval.signature)}\n" if approval.signature else ""
    return f"{_MARK}by = {_quoted(approval.by)}\nat = {_moment(approval.at)}\n{signed}\n"


def read(text: str) -> Manifest:
    """The manifest in `text`.

    Raises:
        ValueError: it is not the text that `Manifest.text` writes, to the byte.
    """
    try:
        tables = toml.loads(text)
        if tables.get("format") != FORMAT:
            raise ValueError(f"format {tables.get('format')} is not known here")
        manifest = _manifest(tables)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it lacks what a manifest has: {error}") from error
    if manifest.text() != text:
        raise ValueError("it was changed by hand")
    return manifest


def _manifest(tables: dict[str, Any]) -> Manifest:
    period = parse(tables["period"])
    if period is None:
        raise ValueError("its period is no month")
    return Manifest(
        period=period,
        number=int(tables["number"]),
        as_of=tables["as_of"],
        editions=tuple(
            FrozenEdition(
                each["language"],
                each["subject"],
                each["preheader"],
                _hash(each["html"]),
                _hash(each["text"]),
                _hash(each["body"]),
            )
            for each in tables["editions"]
        ),
        pictures=tuple(
            (_file(each["file"]), _hash(each["sha256"])) for each in tables.get("pictures", [])
        ),
        articles=tuple(
            FrozenArticle(each["id"], tuple(each["sources"].items()))
            for each in tables.get("articles", [])
        ),
        changes=tuple(
            FrozenChange(each["id"], each["since"], tuple(each["sources"].items()))
            for each in tables.get("changes", [])
        ),
        news=tuple(FrozenNews(each["id"], tuple(each["keys"])) for each in tables.get("news", [])),
        approvals=tuple(
            Approval(each["by"], each["at"], each.get("signature", ""))
            for each in tables.get("approvals", [])
        ),
    )


def _hash(text: str) -> str:
    if not _HEX.fullmatch(text):
        raise ValueError("a SHA-256 in it is none")
    return text


def _file(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*\.(png|jpg)", name):
        raise ValueError("a picture's name in it is none of ours")
    return name
