"""Full-text search without anybody else: Pagefind's index of our own words, beside the pages.

    articles, pages, letters ─► their words alone, as small pages ─► pagefind ─► /pagefind/

The index is kept by a digest of the words and of Pagefind's version, so a
build that changes no word indexes nothing. One changed word indexes all of
them anew: Pagefind adds to no index that is written. Pagefind is an extra; without it
there is no search page, and the site is complete.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from newsletter.config import Settings
from newsletter.content import Catalogue, serial, urls
from newsletter.content.model import Article, Page
from newsletter.files import write_atomic
from newsletter.site import memory, pagefind
from newsletter.site.letters import Sent
from newsletter.site.pagefind import FOLDER
from newsletter.site.places import Places
from newsletter.site.stamps import Kept, digest

MEMORY = ".cache/search"
"""Folder below the publication; safe to delete."""
_MARK = re.compile(r'<sup class="(?:cite|footnote)">.*?</sup>', re.S)
"""The number of a reference or a note: in an excerpt it would stick to its word."""
_LINK = re.compile(r"</?a(?:\s[^>]*)?>")


@dataclass(frozen=True, slots=True)
class _Text:
    """One text that can be found. `digest` is that of `body`, which is fetched when it is asked for."""

    path: str
    language: str
    title: str
    summary: str
    digest: str
    body: Callable[[], str]

    def page(self) -> str:
        """The small page that is indexed: words alone, no link and no mark."""
        fragment = _MARK.sub("", self.body())
        words = serial.fill(fragment, lambda _: "", lambda shown: serial.escape(shown["alt"]))
        words = _LINK.sub("", words)
        return (
            f'<!doctype html><html lang="{serial.attribute(self.language)}"><body data-pagefind-body>'
            f"<h1>{serial.escape(self.title)}</h1><p>{serial.escape(self.summary)}</p>{words}</body></html>"
        )


def make(
    settings: Settings,
    catalogue: Catalogue,
    letters: Sequence[Sent],
    places: Places,
    *,
    cache: bool = True,
) -> dict[str, Kept]:
    """The index, as files of the site; nothing when there is no search.

    Raises:
        Findings: NL308, Pagefind failed.
    """
    made_by = pagefind.version(settings)
    if not made_by:
        return {}
    texts = list(_texts(catalogue, letters, places.languages))
    folder = settings.root / MEMORY
    row = _row(folder) if cache else None
    made_of = memory.signature(
        made_by,
        [(each.path, each.language, each.title, each.summary, each.digest) for each in texts],
    )
    if row is None or row["of"] != made_of:
        row = _indexed(texts, made_by, folder, row) | {"of": made_of}
        write_atomic(folder / "made.json", json.dumps(row).encode(), durable=False)
    return {
        f"{FOLDER}/{name}": Kept(digest, folder / FOLDER / name)
        for name, (_, digest) in row["files"].items()
    }


def _indexed(
    texts: Sequence[_Text], made_by: str, folder: Path, row: dict[str, Any] | None
) -> dict[str, Any]:
    """The row of an index of these texts: the one there is, when no word in it has changed."""
    pages = {urls.file_of(each.path): each.page() for each in texts}
    key = memory.signature(made_by, list(pages.items()))
    if row is not None and row["key"] == key:
        return row
    return {"key": key, "files": pagefind.index(pages, folder)}


def _row(folder: Path) -> dict[str, Any] | None:
    """What was made, if all of it is still there.

    {of: digest of the texts, key: digest of their words, files: {name: [size, digest]}}
    """
    try:
        row: dict[str, Any] = json.loads((folder / "made.json").read_bytes())
        whole = all(
            (folder / FOLDER / name).stat().st_size == size
            for name, (size, _) in row["files"].items()
        )
        return row if whole and row["key"] and row["of"] else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _texts(
    catalogue: Catalogue, letters: Sequence[Sent], languages: tuple[str, ...]
) -> Iterator[_Text]:
    """Everything that can be found."""
    for article in catalogue.articles:
        yield _text(catalogue, article, urls.article_path(article, languages))
    for page in catalogue.pages:
        if page.id != "home":
            yield _text(catalogue, page, urls.page_path(page, languages))
    for sent in letters:
        for tag, edition in sent.editions.items():
            if sent.listed:
                yield _Text(
                    urls.issue_path(sent.period, tag, languages),
                    tag,
                    edition.subject,
                    edition.preheader,
                    digest(edition.body.encode()),
                    partial(str, edition.body),
                )


def _text(catalogue: Catalogue, text: Article | Page, path: str) -> _Text:
    reading = catalogue.reading(text)
    return _Text(path, text.language, text.title, text.summary, reading.digest, reading.made)
