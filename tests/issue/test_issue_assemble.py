"""What belongs to an issue, and in which order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.issue import kit

from newsletter.config import Settings
from newsletter.errors import Findings
from newsletter.flows.approve import approve
from newsletter.issue.compose import Draft, compose
from newsletter.issue.period import Period

Make = Callable[..., Settings]
LETTER = "content/issues/2026-12/letter.en.md"


def draft(
    publication: Make, files: dict[str, str] | None = None, period: Period = kit.DECEMBER
) -> Draft:
    return compose(publication({**kit.month(), **(files or {})}, kit.TOML), period)


def ids(made: Draft, language: str = "en") -> list[str]:
    selection = next(s for s in made.issue.selections if s.language == language)
    return [article.id for article in selection.stories]


def test_the_newest_comes_first_without_pins(publication: Make) -> None:
    assert ids(draft(publication)) == ["scans", "papers", "cells"]


def test_pins_come_first_in_the_editors_order(publication: Make) -> None:
    made = draft(publication, {LETTER: kit.letter("en", "pins: [cells, papers]\n")})
    assert ids(made) == ["cells", "papers", "scans"]
    assert ids(made, "de") == ["cells", "scans"]


def test_another_language_may_have_its_own_order(publication: Make) -> None:
    german = "content/issues/2026-12/letter.de.md"
    made = draft(
        publication,
        {LETTER: kit.letter("en", "pins: [cells]\n"), german: kit.letter("de", "pins: [scans]\n")},
    )
    assert (ids(made), ids(made, "de")) == (["cells", "scans", "papers"], ["scans", "cells"])


def test_excluded_articles_wait_for_another_issue(publication: Make) -> None:
    made = draft(publication, {LETTER: kit.letter("en", "exclude: [papers]\n")})
    assert made.issue.articles == ("scans", "cells")


def test_an_untranslated_story_is_a_link_marked_with_its_language(publication: Make) -> None:
    made = draft(publication)
    russian = next(view for view in made.views if view.language == "ru")
    assert [story.title for story in russian.stories] == ["Клетки"]
    (section,) = [s for s in russian.sections if s.title == "Пока не на вашем языке"]
    assert [(link.title, link.mark) for link in section.links] == [
        ("Scans & “quotes”", "English"),
        ("Papers", "English"),
    ]


def test_news_of_the_first_language_stand_in_for_a_letter_without_any(publication: Make) -> None:
    made = draft(publication)
    russian = next(view for view in made.views if view.language == "ru")
    assert russian.news[0].language == "en"
    assert russian.news[0].meta.endswith("English")


def test_what_is_not_published_at_the_due_moment_waits(publication: Make) -> None:
    late = kit.article("Late", published="2026-12-01T10:00:00+01:00")
    made = draft(publication, {"content/articles/late.en.md": late})
    assert "late" not in made.issue.articles
    assert "late" in compose_next(publication, made).issue.articles


def compose_next(publication: Make, made: Draft) -> Draft:
    settings = publication({"content/issues/2027-01/letter.en.md": kit.letter("en")}, kit.TOML)
    for tag in ("ru", "de"):
        path = settings.root / f"content/issues/2027-01/letter.{tag}.md"
        path.write_text(kit.letter(tag), "utf-8")
    if not (settings.root / "content/issues/2026-12/edition.toml").exists():
        approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    return compose(settings, Period(2027, 1))


def test_membership_follows_frozen_issues_and_not_dates(publication: Make) -> None:
    settings = publication(kit.month(), kit.TOML)
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    old = kit.article("An old text, published late", published="2025-01-01")
    (settings.root / "content/articles/old.en.md").write_text(old, "utf-8")
    made = compose_next(publication, compose(settings, kit.DECEMBER))
    assert made.issue.articles == ("old",)
    assert made.issue.number == 2


def test_an_issue_with_nothing_new_is_refused(publication: Make) -> None:
    settings = publication(kit.month(), kit.TOML)
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    with pytest.raises(Findings) as caught:
        compose_next(publication, compose(settings, kit.DECEMBER))
    assert [finding.code for finding in caught.value.findings] == ["NL453"]


def test_withdrawn_and_updated_articles_are_announced_once(publication: Make) -> None:
    settings = publication(kit.month(), kit.TOML)
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    cells, scans = "content/articles/cells.en.md", "content/articles/scans.en.md"
    kit.edit(settings, cells, "topics:", 'withdrawn: "The advice has changed."\ntopics:')
    kit.edit(settings, scans, "topics:", "updated: 2026-12-10\ntopics:")
    (settings.root / "content/articles/new.en.md").write_text(kit.article("New"), "utf-8")
    january = compose_next(publication, compose(settings, kit.DECEMBER))
    english = january.views[0]
    (section,) = english.sections
    assert section.title == "Changed since we sent it"
    assert [(link.title, link.note) for link in section.links] == [
        ("Scans & “quotes”", "Updated on 10 December 2026"),
        ("Cells", "Withdrawn: The advice has changed."),
    ]
    approve(settings, Period(2027, 1), "Editor", kit.NOW)
    for tag in ("en", "ru", "de"):
        (settings.root / "content/issues/2027-02").mkdir(exist_ok=True)
        path = settings.root / f"content/issues/2027-02/letter.{tag}.md"
        path.write_text(kit.letter(tag, kit.NEWS), "utf-8")
    february = compose(settings, Period(2027, 2))
    assert not [change for selection in february.issue.selections for change in selection.changes]


def test_a_mended_comma_is_no_update(publication: Make) -> None:
    settings = publication(kit.month(), kit.TOML)
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    kit.edit(settings, "content/articles/scans.en.md", "Some words", "Some, words")
    (settings.root / "content/articles/new.en.md").write_text(kit.article("New"), "utf-8")
    assert compose_next(publication, compose(settings, kit.DECEMBER)).views[0].sections == ()


def test_again_recommends_what_was_sent(publication: Make) -> None:
    settings = publication(kit.month(), kit.TOML)
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    (settings.root / "content/articles/new.en.md").write_text(kit.article("New"), "utf-8")
    compose_next(publication, compose(settings, kit.DECEMBER))
    path = settings.root / "content/issues/2027-01/letter.en.md"
    path.write_text(kit.letter("en", "again: [cells]\n"), "utf-8")
    made = compose(settings, Period(2027, 1))
    assert made.issue.articles == ("new",)
    assert [link.title for link in made.views[1].sections[-1].links] == ["Клетки"]


@pytest.mark.parametrize(
    ("choice", "code", "level"),
    [
        ("pins: [cels]\n", "NL451", "error"),
        ("again: [nothing]\n", "NL451", "error"),
        ("exclude: [nothing]\n", "NL451", "warning"),
        ("again: [cells]\n", "NL452", "warning"),
    ],
)
def test_a_choice_that_cannot_be_had_is_told(
    publication: Make, choice: str, code: str, level: str
) -> None:
    settings = publication({**kit.month(), LETTER: kit.letter("en", choice)}, kit.TOML)
    try:
        findings = compose(settings, kit.DECEMBER).findings
    except Findings as error:
        findings = error.findings
    assert [(finding.code, finding.level.value) for finding in findings] == [(code, level)]
    if "cels" in choice:
        assert findings[0].help == "did you mean `cells`?"


def test_a_picture_that_is_missing_is_told_once(publication: Make) -> None:
    letter = kit.letter("en", kit.NEWS, "![A cell](images/none.svg)")
    settings = publication({**kit.month(), LETTER: letter}, kit.TOML)
    with pytest.raises(Findings) as caught:
        compose(settings, kit.DECEMBER)
    assert [finding.code for finding in caught.value.findings] == ["NL222"]


@pytest.mark.parametrize(
    ("subject", "code"),
    [("Cells =?utf-8?q?x?=", "NL454"), ("Bell\\x07", "NL213"), ("Zero\\0", "NL213")],
)
def test_a_subject_that_is_no_header_is_refused(publication: Make, subject: str, code: str) -> None:
    bad = kit.letter("en", kit.NEWS).replace("Cells, in en", subject)
    settings = publication({**kit.month(), LETTER: bad}, kit.TOML)
    with pytest.raises(Findings) as caught:
        compose(settings, kit.DECEMBER)
    assert code in {finding.code for finding in caught.value.findings}
