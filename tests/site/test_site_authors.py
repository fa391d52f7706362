"""Who wrote a text has a page of everything they wrote, in each language."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

from site_files import article

from newsletter import site
from newsletter.config import Settings

ADA = "authors: [{name: Ada King, credentials: MD}]"


def built(
    publication: Callable[..., Settings], now: dt.datetime, out: Path, files: dict[str, str]
) -> Path:
    site.build(
        publication({f"content/articles/{name}": text for name, text in files.items()}), now, out
    )
    return out


def rows(out: Path, path: str) -> list[str]:
    html = (out / path / "index.html").read_text("utf-8")
    return re.findall(r'<h2><a href="([^"]+)"', html.partition('class="rows"')[2])


def test_an_author_has_a_page_in_each_language_they_wrote_in(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    out = built(
        publication,
        now,
        tmp_path / "public",
        {
            "a.en.md": article("A", ADA),
            "b.en.md": article(
                "B", "authors: [{name: ada  KING}, {name: Bo}]", published="2026-11-09"
            ),
            "a.ru.md": article("А", ADA),
            "c.en.md": article("C", ADA, "draft: true"),
        },
    )

    assert rows(out, "authors/ada-king") == ["/articles/b/", "/articles/a/"]
    assert rows(out, "authors/bo") == ["/articles/b/"]
    assert rows(out, "ru/authors/ada-king") == ["/ru/articles/a/"]
    html = (out / "authors/ada-king/index.html").read_text()
    assert 'hreflang="ru" href="http://127.0.0.1:8000/ru/authors/ada-king/"' in html
    assert (
        '<a href="/authors/ada-king/">Ada King</a>, MD'
        in (out / "articles/a/index.html").read_text()
    )


def test_a_name_of_any_script_or_none_at_all_has_an_address(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    names = ["Дмитрий Купов", "<script>", "../../../etc", "!!!", "索引"]
    text = article("A", "authors: [" + ", ".join(f"{{name: '{name}'}}" for name in names) + "]")
    out = built(publication, now, tmp_path / "public", {"a.en.md": text})

    pages = sorted(place.parent.name for place in out.glob("authors/*/index.html"))
    assert pages == sorted(["дмитрий-купов", "script", "etc", "212121", "索引"])
    assert not (tmp_path / "etc").exists()
    assert "<script>" not in (out / "authors/script/index.html").read_text()


def test_somebody_whose_texts_are_withdrawn_is_named_and_has_no_page(
    publication: Callable[..., Settings], now: dt.datetime, tmp_path: Path
) -> None:
    out = built(
        publication, now, tmp_path / "public", {"a.en.md": article("A", ADA, "withdrawn: Wrong.")}
    )

    assert not (out / "authors").exists()
    assert "Ada King" in (out / "articles/a/index.html").read_text()
