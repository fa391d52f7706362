"""The index is made of our words, once, and only where it can be made."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from site_files import FILES, article
from tests.conftest import TOML

from newsletter import site
from newsletter.config import Settings
from newsletter.errors import Findings
from newsletter.site import pagefind, search

WITH = TOML.replace("[sender]", "search = true\n\n[sender]", 1)


@pytest.fixture
def wanted(publication: Callable[..., Settings]) -> Settings:
    """The small publication, with a search."""
    return publication(FILES, WITH)


def index(out: Path) -> dict[str, bytes]:
    return {
        p.relative_to(out).as_posix(): p.read_bytes()
        for p in (out / "pagefind").rglob("*")
        if p.is_file()
    }


def test_every_published_text_is_indexed_in_its_language_and_no_other(
    wanted: Settings, now: dt.datetime, tmp_path: Path
) -> None:
    site.build(wanted, now, tmp_path / "public")

    entry = json.loads(index(tmp_path / "public")["pagefind/pagefind-entry.json"])
    counts = {tag: each["page_count"] for tag, each in entry["languages"].items()}
    assert counts == {"en": 3, "ru": 2}  # two explainers and a page; no draft, none that waits
    assert (tmp_path / "public/de/search/index.html").is_file()


def test_the_same_words_give_the_same_index_and_a_changed_word_another(
    wanted: Settings, now: dt.datetime, tmp_path: Path
) -> None:
    out = tmp_path / "public"
    site.build(wanted, now, out)
    first = index(out)
    for _ in range(4):  # the engine itself writes its languages in an order of chance
        site.build(wanted, now, tmp_path / "anew", cache=False)
        assert index(tmp_path / "anew") == first
    site.build(wanted, now, out, verify=True)
    made = wanted.root / search.MEMORY / "made.json"
    written = made.stat().st_mtime_ns
    (wanted.root / "content/topics.toml").write_text('[cells]\nen = "All cells"\n[tests]\nen="T"\n')
    site.build(wanted, now, out)
    assert index(out) == first
    assert made.stat().st_mtime_ns == written

    (wanted.root / "content/articles/more.en.md").write_text(article("More"), "utf-8")
    site.build(wanted, now, out)
    assert index(out) != first
    (wanted.root / "content/articles/more.en.md").unlink()
    site.build(wanted, now, out)
    assert index(out) == first


def test_an_index_that_lost_a_file_is_made_anew(
    wanted: Settings, now: dt.datetime, tmp_path: Path
) -> None:
    site.build(wanted, now, tmp_path / "one")
    next((wanted.root / search.MEMORY).rglob("*.pf_fragment")).unlink()
    site.build(wanted, now, tmp_path / "two")

    assert index(tmp_path / "one") == index(tmp_path / "two")


def test_a_publication_that_asks_for_no_search_has_none(built: Path) -> None:
    assert not (built / "pagefind").exists()
    assert not (built / "search").exists()
    assert "search" not in (built / "index.html").read_text().lower()
    assert not list((built / "assets").glob("*.js"))


def test_a_change_without_a_word_indexes_nothing(
    wanted: Settings, now: dt.datetime, tmp_path: Path
) -> None:
    out = tmp_path / "public"
    site.build(wanted, now, out)
    index = wanted.root / search.MEMORY / "pagefind"
    before = index.stat().st_ino
    article_file = wanted.root / "content/articles/tests.en.md"
    text = article_file.read_text("utf-8")

    article_file.write_text(text.replace("B.\n", "[B.](cells.en.md)\n"), "utf-8")
    assert site.build(wanted, now, out).written > 0
    assert index.stat().st_ino == before

    article_file.write_text(text.replace("B.\n", "Another word.\n"), "utf-8")
    site.build(wanted, now, out)
    assert index.stat().st_ino != before


def test_without_the_extra_the_site_is_complete_and_says_what_is_missing(
    wanted: Settings, now: dt.datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    report = site.build(wanted, now, tmp_path / "public")

    assert [finding.code for finding in report.warnings] == ["NL307"]
    assert (tmp_path / "public/articles/cells/index.html").is_file()
    assert not (tmp_path / "public/search").exists()


def test_an_engine_that_fails_leaves_the_old_site(
    wanted: Settings, now: dt.datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "public"
    site.build(wanted, now, out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    (wanted.root / "content/articles/more.en.md").write_text(article("More"), "utf-8")
    monkeypatch.setattr(pagefind.sys, "executable", "/bin/false")

    with pytest.raises(Findings) as problem:
        site.build(wanted, now, out)
    assert [finding.code for finding in problem.value.findings] == ["NL308"]
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
