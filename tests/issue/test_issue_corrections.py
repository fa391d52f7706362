"""What changed since a letter was sent: beside it, dated, and never in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.issue import kit

from newsletter import site
from newsletter.config import Settings
from newsletter.errors import Findings
from newsletter.flows.approve import approve
from newsletter.flows.verify import verify

Make = Callable[..., Settings]
FILE = "content/issues/2026-12/corrections.en.md"
NOTE = (
    "---\ndate: 2026-12-08\n---\n\nIt is **two** weeks, see [the text](article:cells) "
    "and <https://agency.example/1>.\n"
)


@pytest.fixture
def settings(publication: Make) -> Settings:
    settings = publication(kit.month(), kit.TOML)
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    return settings


def sent(settings: Settings) -> None:
    path = settings.path(settings.store.record) / "2026-12.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"opened_at": "2026-12-01T08:00:00+00:00"}))


def note(settings: Settings, text: str = NOTE, file: str = FILE) -> None:
    (settings.root / file).write_text(text, "utf-8")


def page(settings: Settings, path: str = "issues/2026-12") -> str:
    return (settings.root / "public" / path / "index.html").read_text("utf-8")


def build(settings: Settings) -> site.BuildReport:
    return site.build(settings, kit.NOW, settings.root / "public")


def refused(settings: Settings) -> list[tuple[str, int | None]]:
    with pytest.raises(Findings) as caught:
        build(settings)
    return [(each.code, each.where.line if each.where else None) for each in caught.value.findings]


def test_a_correction_stands_below_the_letter_and_the_letter_is_as_it_was(
    settings: Settings,
) -> None:
    sent(settings)
    build(settings)
    before = page(settings)
    assert "What changed since" not in before
    assert "sent on 1 December 2026" in before
    assert "Approved by Editor" in before
    note(settings)
    build(settings)
    after = page(settings)
    above, mark, below = after.partition('<section class="notice changed"')
    assert mark
    assert (
        above.replace(
            '<p class="badge"><a href="#changed">Something changed since it was sent</a></p>\n', ""
        )
        == before.partition('<details class="evidence">')[0]
    )
    assert '<time datetime="2026-12-08">8 December 2026</time>' in below
    assert 'It is <strong>two</strong> weeks, see <a href="/articles/cells/">' in below
    assert "What changed" not in page(settings, "ru/issues/2026-12")
    assert "<lastmod>2026-12-08</lastmod>" in (settings.root / "public/sitemap.xml").read_text()
    found = [
        each.code for each in verify(settings, kit.DECEMBER, settings.root / "public").findings
    ]
    assert found == ["NL484"] * 4  # the record above is too short; the archive itself holds


def test_a_changed_correction_changes_the_page_alone(settings: Settings) -> None:
    sent(settings)
    note(settings)
    build(settings)
    note(settings, NOTE.replace("**two**", "three"))
    # the page, the search's index of it and nothing else of the site's pages
    assert build(settings).written <= 4
    assert "It is three weeks" in page(settings)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is two weeks.\n", ("NL207", 1)),
        ("---\ndate: soon\n---\n\nWords.\n", ("NL206", 2)),
        ("---\ndate: 2026-12-08\nwho: me\n---\n\nWords.\n", ("NL201", 3)),
        ("---\ndate: 2026-12-08\n---\n\n", ("NL243", 4)),
        (
            "---\ndate: 2026-12-08\n---\n\nSee:\n\n![A cell](images/cells.svg)\n",
            ("NL243", 7),
        ),
        ("---\ndate: 2026-11-08\n---\n\nWords.\n", ("NL242", None)),
        ("---\ndate: 2026-12-08\n---\n\n[There](article:nowhere)\n", ("NL224", 5)),
    ],
)
def test_a_bad_correction_is_told_with_its_line(
    settings: Settings, text: str, found: tuple[str, int | None]
) -> None:
    sent(settings)
    note(settings, text)
    assert refused(settings) == [found]
    assert not (settings.root / "public").exists()


@pytest.mark.parametrize("above", ["", "---\ndate: soon\n---\n", '---\ndate: "soon\n---\n'])
def test_an_error_above_a_correction_hides_nothing_below_it(settings: Settings, above: str) -> None:
    sent(settings)
    note(settings, f"{above}See:\n\n![A cell](images/cells.svg)\n\n::: box\n:::\n")

    codes = [code for code, _ in refused(settings)]

    assert len(codes) == 3
    assert {"NL227", "NL243"} < set(codes)


@pytest.mark.parametrize("name", ["corrections.fr.md", "corrections.md", "corrections.EN.md"])
def test_a_correction_in_no_language_of_ours_is_told(settings: Settings, name: str) -> None:
    sent(settings)
    note(settings, file=f"content/issues/2026-12/{name}")
    assert [code for code, _ in refused(settings)] == ["NL242"]


def test_what_was_not_sent_is_corrected_in_the_letter(settings: Settings) -> None:
    note(settings)
    later: Path = settings.root / "content/issues/2027-01/corrections.en.md"
    later.parent.mkdir()
    later.write_text(NOTE)
    assert [each.code for each in build(settings).warnings] == ["NL242", "NL242"]
    assert "What changed since" not in page(settings)
