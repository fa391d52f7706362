"""The mistakes everybody makes in the first ten minutes: each says what, where, what to do, and no traceback."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Newsletter = Callable[..., Any]
ARTICLE = "content/articles/windowsill-garden.en.md"


def _edit(file: Path, old: str, new: str) -> int:
    """Make one mistake; the line it stands on."""
    text = file.read_text("utf-8")
    assert old in text
    line = text[: text.index(old)].count("\n") + 1
    file.write_text(text.replace(old, new, 1), "utf-8")
    return line


MISTAKES = {
    "config: misspelt key": ("newsletter.toml", "url =", "ulr =", 2, "did you mean `url`"),
    "config: misspelt table": ("newsletter.toml", "[month]", "[mounth]", 2, "did you mean `month`"),
    "config: wrong type": ("newsletter.toml", "day = ", 'day = "first" # ', 2, "NL107"),
    "config: unclosed quote": ("newsletter.toml", '["en"]', '["en]', 2, "quote"),
    "config: no such zone": ("newsletter.toml", '"UTC"', '"Berlin"', 2, "Europe/Berlin"),
    "front matter: misspelt key": (ARTICLE, "summary:", "sumary:", 1, "did you mean `summary`"),
    "front matter: unclosed quote": (ARTICLE, "title: ", 'title: "', 1, ""),
    "front matter: bad date": (ARTICLE, "published: ", "published: 2026-13-45 # ", 1, "2026-"),
    "front matter: not closed": (ARTICLE, "\n---\n\n", "\n\n", 1, "---"),
    "body: missing picture": (ARTICLE, "\n---\n\n", "\n---\n\n![A cat](images/cat.svg)\n\n", 1, "images"),
    "body: unknown block": (ARTICLE, "\n---\n\n", "\n---\n\n::: nosuch\nx\n:::\n\n", 1, ""),
    "feeds: misspelt key": ("content/feeds.toml", "title =", "titel =", 1, "did you mean `title`"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_says_what_where_and_the_way_out(
    mistake: str, letter: Path, newsletter: Newsletter
) -> None:
    name, old, new, code, way_out = MISTAKES[mistake]
    line = _edit(letter / name, old, new)
    command = ["news", "list"] if "feeds" in name else ["build"]

    ran = newsletter(*command)

    assert ran.code == code
    assert re.match(r"error\[NL\d\d\d\]: \S", ran.err), ran.err
    places = [int(found) for found in re.findall(rf"--> {re.escape(name)}:(\d+)", ran.err)]
    assert places, ran.err
    if not old.startswith("\n"):
        assert line in places, ran.err
    assert "help: " in ran.err
    assert way_out in ran.err
    assert "Traceback" not in ran.err
    assert re.search(r"more: newsletter explain NL\d\d\d", ran.err)


def test_two_mistakes_in_two_files_are_both_shown(letter: Path, newsletter: Newsletter) -> None:
    _edit(letter / ARTICLE, "summary:", "sumary:")
    _edit(letter / "content/pages/about.en.md", "title:", "titel:")

    ran = newsletter("build")

    assert "did you mean `summary`" in ran.err
    assert "did you mean `title`" in ran.err
    assert "in 2 files. Nothing was published" in ran.err


def test_two_mistakes_in_the_settings_are_both_shown(letter: Path, newsletter: Newsletter) -> None:
    _edit(letter / "newsletter.toml", "url =", "ulr =")
    _edit(letter / "newsletter.toml", "[month]", "[mounth]")

    assert newsletter("build").err.count("error[NL104]") == 2


def test_a_broken_template_is_a_finding_with_its_line(letter: Path, newsletter: Newsletter) -> None:
    own = letter / "templates" / "site" / "article.html"
    own.parent.mkdir(parents=True)
    own.write_text(
        "{% extends 'base.html' %}\n{% block main %}{{ nosuch }}{% endblock %}\n", "utf-8"
    )

    ran = newsletter("build")

    assert ran.code == 1
    assert "templates/site/article.html" in ran.err
    assert "nosuch" in ran.err
    assert "Traceback" not in ran.err


def test_a_missing_folder_is_never_made(newsletter: Newsletter, tmp_path: Path) -> None:
    ran = newsletter("--root", "nowhere", "build")

    assert ran.code == 2
    assert "error[NL101]" in ran.err
    assert not (tmp_path / "nowhere").exists()


def test_a_missing_list_is_never_made(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("subscribers", "import", "nowhere.csv")

    assert ran.code == 2
    assert "nowhere.csv" in ran.err
    assert not (letter / "nowhere.csv").exists()
