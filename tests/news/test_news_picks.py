"""`news pick` adds its lines and touches nothing else."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter.config import Settings
from newsletter.errors import Findings
from newsletter.news.item import Kind, NewsItem
from newsletter.news.picks import pick

ITEM = NewsItem(
    "j-12345678", "j", 'A "quoted": title # not a comment', "https://j.example/1", "A Journal",
    Kind.JOURNAL, "en", dt.date(2026, 11, 14), True, "", ("url:j.example/1",),
)  # fmt: skip
Make = Callable[..., Settings]
NAME = "content/issues/2026-12/letter.en.md"


def after(publication: Make, letter: str, note: str = "Early data; the group is small.") -> str:
    settings = publication({NAME: letter})
    pick(settings, "2026-12", ["en"], ITEM, note)
    return settings.path(NAME).read_bytes().decode()


def news(letter: str) -> list[dict[str, object]]:
    return list(yaml.safe_load(letter.lstrip("\ufeff").split("---")[1])["news"])


@pytest.mark.parametrize(
    "front",
    [
        "subject: S # keep\n",
        "subject: S\nnews: []\npins: [a]\n",
        "subject: S\nnews: [] # none yet\n",
        "subject: S\nnews:\n",
        "news: # picked\nsubject: S\n",
        "news: null\n",
        "news:\n- id: x\n  note: old\nsubject: S\n",
        "news:\n    - id: x # why\n      note: |\n        many\n\n        lines\n\n# about pins\npins:\n- a\n",
        "subject: 'news: not this'\npreheader: |\n  news: nor this\n",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_only_lines_are_added_and_the_rest_stays(
    publication: Make, front: str, newline: str, mark: str
) -> None:
    letter = mark + f"---\n{front}---\n\nDear reader,\n\n---\n\nnews: in the text\n".replace(
        "\n", newline
    )
    result = after(publication, letter)
    assert news(result)[-1]["title"] == ITEM.title
    assert news(result)[-1]["date"] == ITEM.date
    lines = [letter.splitlines(keepends=True), result.splitlines(keepends=True)]
    lost = [line[2:] for line in difflib.ndiff(*lines) if line.startswith("- ")]
    assert [line.strip() for line in lost] in (
        [],
        ["news: []"],
        ["news: [] # none yet"],
        ["news: null"],
    )
    assert result.endswith(letter.split("Dear")[1])


def test_a_second_pick_comes_after_the_first(publication: Make) -> None:
    settings = publication({NAME: "---\nsubject: S\n---\n"})
    pick(settings, "2026-12", ["en"], ITEM, "One.")
    other = NewsItem(
        **{name: getattr(ITEM, name) for name in ITEM.__slots__}
        | {"id": "j-2", "url": "https://j.example/2"}
    )
    pick(settings, "2026-12", ["en"], other, "Two.")
    assert [entry["note"] for entry in news(settings.path(NAME).read_text())] == ["One.", "Two."]


def refused(publication: Make, letter: str | None, note: str = "One.", frozen: bool = False) -> str:
    files = {NAME: letter} if letter is not None else {}
    settings = publication(files | ({"content/issues/2026-12/edition.toml": ""} if frozen else {}))
    with pytest.raises(Findings) as caught:
        pick(settings, "2026-12", ["en"], ITEM, note)
    if letter is not None:
        assert settings.path(NAME).read_text() == letter
    return caught.value.findings[0].code


def test_a_pick_without_a_sentence_is_refused(publication: Make) -> None:
    assert refused(publication, "---\n---\n", " \u200b ") == "NL410"
    assert refused(publication, "---\n---\n", "x" * 301) == "NL410"


def test_the_same_item_twice_is_refused(publication: Make) -> None:
    assert refused(publication, "---\nnews:\n- id: j-12345678\n---\n") == "NL411"


@pytest.mark.parametrize(
    "letter",
    [
        "no front matter",
        "---\nnews: [{id: x}]\n---\n",
        "---\nnews: {a: b}\n---\n",
        "---\n: :\n  - [\n---\n",
    ],
)
def test_a_front_matter_that_cannot_be_added_to_is_refused(publication: Make, letter: str) -> None:
    assert refused(publication, letter) == "NL412"


def test_no_letter_is_refused_with_the_command_that_makes_one(publication: Make) -> None:
    assert refused(publication, None) == "NL413"


def test_a_frozen_issue_is_not_picked_into(publication: Make) -> None:
    assert refused(publication, "---\n---\n", frozen=True) == "NL414"


def test_either_every_letter_is_changed_or_none(publication: Make) -> None:
    settings = publication({NAME: "---\nsubject: S\n---\n"})
    with pytest.raises(Findings):
        pick(settings, "2026-12", ["en", "de"], ITEM, "One.")
    assert settings.path(NAME).read_text() == "---\nsubject: S\n---\n"


@hypothesis_settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)
@given(note=st.text(min_size=1, max_size=80), title=st.text(min_size=1, max_size=80))
def test_any_words_come_back_as_they_were_cleaned(publication: Make, note: str, title: str) -> None:
    from newsletter.news.clean import one_line

    if not one_line(note):
        return
    settings = publication({NAME: "---\nsubject: S\n---\n"})
    item = NewsItem(
        **{name: getattr(ITEM, name) for name in ITEM.__slots__} | {"title": one_line(title)}
    )
    pick(settings, "2026-12", ["en"], item, note)
    front = settings.path(NAME).read_text("utf-8").split("\n---\n")[0].removeprefix("---\n")
    (entry,) = yaml.safe_load(front)["news"]
    assert (entry["note"], entry["title"]) == (one_line(note), one_line(title))
