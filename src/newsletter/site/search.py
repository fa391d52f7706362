"""Full-text search without anybody else: Pagefind's index of our own words, beside the pages.

    articles, pages, letters ─► their words alone, as small pages ─► pagefind ─► /pagefind/

The index is kept by a digest of the words and of Pagefind's version, so a
build that changes no word indexes nothing. Pagefind is an extra; without it
there is no search page, and the site is complete.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsletter.config import Settings
from newsletter.content import Catalogue, serial, urls
from newsletter.errors import Finding, Findings, Level
from newsletter.files import write_atomic
from newsletter.site import memory, tree
from newsletter.site.letters import Sent
from newsletter.site.places import Places

MEMORY = ".cache/search"
"""Folder below the publication; safe to delete."""
FOLDER = "pagefind"
LONGEST = 600
"""Seconds. Ten thousand articles take some twenty."""
_MARK = re.compile(r'<sup class="(?:cite|footnote)">.*?</sup>', re.S)
"""The number of a reference or a note: in an excerpt it would stick to its word."""
OURS = ("pagefind.js", "pagefind-worker.js", "pagefind-entry.json", "wasm.", "pagefind.")
"""What of Pagefind's own files a search needs: not its own look, our page has one."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of the site that lies ready elsewhere: the digest of its bytes, and where."""

    digest: str
    place: Path


def version(settings: Settings) -> str:
    """Pagefind's version; "" when the publication has no search, or Pagefind is not installed."""
    if not settings.publication.search:
        return ""
    try:
        importlib.metadata.version("pagefind_bin")
        return importlib.metadata.version("pagefind")
    except importlib.metadata.PackageNotFoundError:
        return ""


def missing(settings: Settings) -> tuple[Finding, ...]:
    """A word when the publication wants a search that cannot be made here."""
    if not settings.publication.search or version(settings):
        return ()
    return (
        Finding(
            "NL307",
            "the site has no search: Pagefind is not installed",
            help="in the program's checkout: pip install '.[search]'; or take `search` out of [publication]",
            level=Level.WARNING,
        ),
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
    made_by = version(settings)
    if not made_by:
        return {}
    texts = list(_texts(settings, catalogue, letters, places))
    folder = settings.root / MEMORY
    row = _row(folder) if cache else None
    key = memory.signature(made_by, texts)
    if row is None or row["key"] != key:
        row = {"key": key, "files": _index(texts, folder)}
        write_atomic(folder / "made.json", json.dumps(row).encode(), durable=False)
    return {
        f"{FOLDER}/{name}": Kept(digest, folder / FOLDER / name)
        for name, (_, digest) in row["files"].items()
    }


def _row(folder: Path) -> dict[str, Any] | None:
    """What was made, if all of it is still there: {key, files: {name: [size, digest]}}."""
    try:
        row: dict[str, Any] = json.loads((folder / "made.json").read_bytes())
        whole = all(
            (folder / FOLDER / name).stat().st_size == size
            for name, (size, _) in row["files"].items()
        )
        return row if whole and row["key"] else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _texts(
    settings: Settings, catalogue: Catalogue, letters: Sequence[Sent], places: Places
) -> Iterator[tuple[str, str, str, str, str]]:
    """(path, language, title, summary, HTML) of everything that can be found."""
    languages = settings.publication.languages

    def words(fragment: str) -> str:
        fragment = _MARK.sub("", fragment)
        return serial.fill(fragment, lambda _: "", lambda shown: serial.escape(shown["alt"]))

    for article in catalogue.articles:
        html = words(catalogue.reading(article).fragment)
        place = urls.article_path(article, languages)
        yield place, article.language, article.title, article.summary, html
    for page in catalogue.pages:
        if page.id != "home":
            html = words(catalogue.reading(page).fragment)
            yield urls.page_path(page, languages), page.language, page.title, page.summary, html
    for sent in letters:
        for tag, edition in sent.editions.items():
            if sent.listed:
                place = urls.issue_path(sent.period, tag, languages)
                yield place, tag, edition.subject, edition.preheader, edition.body


def _index(texts: Sequence[tuple[str, str, str, str, str]], folder: Path) -> dict[str, list[Any]]:
    """Index the texts into `folder`; name -> [size, digest]."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as scratch:
        source, target = Path(scratch) / "site", Path(scratch) / FOLDER
        source.mkdir()
        for path, language, title, summary, html in texts:
            file = source / urls.file_of(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(
                f'<!doctype html><html lang="{serial.attribute(language)}"><body data-pagefind-body>'
                f"<h1>{serial.escape(title)}</h1><p>{serial.escape(summary)}</p>{html}</body></html>",
                "utf-8",
            )
        _run(source, target)
        entry = target / "pagefind-entry.json"  # its languages come in an order of chance
        entry.write_text(json.dumps(json.loads(entry.read_bytes()), sort_keys=True), "utf-8")
        files = {}
        for file in sorted(path for path in target.rglob("*") if path.is_file()):
            name = file.relative_to(target).as_posix()
            if "/" not in name and not _needed(name):
                file.unlink()
                continue
            data = file.read_bytes()
            files[name] = [len(data), tree.digest(data)]
        with suppress(OSError):
            (folder / "made.json").unlink()
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        target.rename(folder / FOLDER)
    return files


def _needed(name: str) -> bool:
    return name in OURS[:3] or (name.startswith(OURS[3:]) and not name.endswith((".css", ".js")))


def _run(source: Path, target: Path) -> None:
    command = [sys.executable, "-m", "pagefind", "--quiet", "--site", str(source)]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, our own folders
            [*command, "--output-path", str(target)],
            cwd=source,
            env={"PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Findings([_failed(type(error).__name__)]) from error
    if done.returncode or not (target / "pagefind.js").is_file():
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Findings([_failed(said[-1] if said else f"it ended with {done.returncode}")])


def _failed(why: str) -> Finding:
    return Finding(
        "NL308",
        f"Pagefind could not index the site: {why[:200]}",
        help="in the program's checkout: pip install --force-reinstall '.[search]'; or take `search` out of [publication] and build",
    )
