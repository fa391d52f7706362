"""What docs/writing.md shows is read without a finding, and it names every key that a text may have."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from newsletter import config, content
from newsletter.cli.app import run
from newsletter.config import Settings
from newsletter.content import corrections, letters
from newsletter.content.outline import CARE, KINDS
from newsletter.errors import Findings

PAGE = (Path(__file__).parents[2] / "docs" / "writing.md").read_text("utf-8")
ARTICLE = re.search(r"^<!-- tested: article -->\n```markdown\n(.*?)^```$", PAGE, re.M | re.S)[1]  # type: ignore[index]
LATER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def letter(tmp_path: Path) -> Settings:
    """A publication fresh from `init`, with the page's article in it."""
    assert run(["init", str(tmp_path / "letter"), "--quiet"]) == 0
    file = tmp_path / "letter" / "content" / "articles" / "watering-ferns.en.md"
    file.write_text(ARTICLE, "utf-8")
    return config.load(tmp_path / "letter")


def test_the_correction_of_the_page_is_read_without_a_finding(letter: Settings) -> None:
    [text] = re.findall(r"(?ms)^<!-- tested: correction -->\n```markdown\n(.*?)^```$", PAGE)
    folder = letter.root / "content/issues/2026-12"
    folder.mkdir(exist_ok=True)
    (folder / "corrections.en.md").write_text(text, "utf-8")

    made = corrections.load(letter, "2026-12")

    assert made["en"].day == dt.date(2026, 12, 8)


def test_the_letters_way_of_linking_is_taken(letter: Settings) -> None:
    [file] = letter.root.glob("content/issues/*/letter.en.md")
    links = re.findall(r"`(\[[a-z ]+\]\([a-z]+:[a-z-]+\))`", PAGE)
    assert len(links) == 2
    file.write_text(file.read_text("utf-8") + "\n" + " ".join(links) + "\n", "utf-8")

    written = letters.gather(letter, file.parent.name)
    content.load(letter, LATER, letters=[written])

    assert written.findings == ()


def _keys_known(findings: Findings) -> list[str]:
    told = next(each.help for each in findings.findings if each.code == "NL201")
    return re.split(r", ", told.partition(" knows ")[2].partition(";")[0])


def test_the_article_of_the_page_is_published_without_a_finding(letter: Settings) -> None:
    found = content.load(letter, LATER)

    assert found.warnings == ()
    assert "watering-ferns" in [article.id for article in found.articles]


def test_every_key_of_an_article_is_named(letter: Settings) -> None:
    file = letter.root / "content/articles/watering-ferns.en.md"
    file.write_text(ARTICLE.replace("topics:", "zzzzz: 1\ntopics:"), "utf-8")
    with pytest.raises(Findings) as caught:
        content.load(letter, LATER)

    known = _keys_known(caught.value)
    assert len(known) >= 15
    assert [key for key in known if f"`{key}`" not in PAGE] == []


def test_every_key_of_a_letter_is_named(letter: Settings) -> None:
    [file] = letter.root.glob("content/issues/*/letter.en.md")
    file.write_text(file.read_text("utf-8").replace("pins:", "zzzzz: 1\npins:"), "utf-8")
    with pytest.raises(Findings) as caught:
        letters.load(letter, file.parent.name)

    assert [key for key in _keys_known(caught.value) if f"`{key}`" not in PAGE] == []


def test_every_kind_of_block_is_named() -> None:
    assert [kind for kind in KINDS if f"`::: {kind} " not in PAGE] == []
    assert [level for level in CARE if f"`{level}`" not in PAGE] == []
