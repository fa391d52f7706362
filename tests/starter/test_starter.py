"""`newsletter init`: what is laid out, what is refused, what it is worth on any day."""

from __future__ import annotations

import datetime as dt
import re
import stat
from pathlib import Path

import pytest

from newsletter import config, content
from newsletter.content import letters
from newsletter.errors import CouldNotRun
from newsletter.issue import period
from newsletter.news import proposals
from newsletter.starter import init
from newsletter.starter.init import scaffold

TODAY = dt.date(2026, 11, 21)


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_starter_is_a_publication_without_a_finding(tmp_path: Path) -> None:
    scaffold(tmp_path / "letter", title="The garden letter", today=TODAY)
    settings = config.load(tmp_path / "letter")
    catalogue = content.load(settings, dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC))
    assert [article.id for article in catalogue.articles] == ["windowsill-garden"]
    assert {page.id for page in catalogue.pages} == {"about", "privacy", "subscribe"}
    assert [w.version for w in catalogue.wordings["en"]] == ["2026-11"]
    assert settings.publication.title == settings.sender.name == "The garden letter"


def test_the_letter_of_the_running_month_carries_a_proposed_item(tmp_path: Path) -> None:
    scaffold(tmp_path / "letter", title=None, today=TODAY)
    settings = config.load(tmp_path / "letter")
    letter = letters.load(settings, "2026-11")["en"]
    found = proposals.items(settings, dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC))
    assert {pick.id for pick in letter.news} < {item.id for item in found.items}
    assert [(pick.url, pick.date) for pick in letter.news] == [
        (item.url, item.date) for item in found.items if item.id == letter.news[0].id
    ]


@pytest.mark.parametrize(
    "today",
    [
        dt.date(2024, 2, 29),
        dt.date(2026, 1, 1),
        dt.date(2026, 11, 28),
        dt.date(2026, 11, 29),
        dt.date(2026, 12, 30),
        dt.date(2027, 1, 31),
        dt.date(2027, 2, 28),
        dt.date(2031, 12, 31),
    ],
)
def test_it_works_on_any_day(tmp_path: Path, today: dt.date) -> None:
    """Also on one that not every month has: the first issue is due today, with what is written today."""
    scaffold(tmp_path / "letter", title=None, today=today)
    settings = config.load(tmp_path / "letter")
    now = dt.datetime(today.year, today.month, today.day, 12, tzinfo=dt.UTC)
    due = period.due(settings, period.at(now, settings.publication.time_zone))
    assert due == now.replace(hour=0)
    catalogue = content.load(settings, due)
    assert [article.published <= due for article in catalogue.articles] == [True]
    assert set(letters.load(settings, f"{today:%Y-%m}")) == {"en"}
    assert len(proposals.items(settings, now).items) == 2


def test_no_slot_stays_unfilled(tmp_path: Path) -> None:
    places = scaffold(tmp_path / "letter", title=None, today=TODAY)
    for place in places:
        assert not re.search(r"@[A-Z]", str(place) + place.read_text("utf-8"))
        assert "dot." not in place.name


def test_the_title_is_made_from_the_folder(tmp_path: Path) -> None:
    scaffold(tmp_path / "our-street_letter", title=None, today=TODAY)
    assert config.load(tmp_path / "our-street_letter").publication.title == "Our street letter"


def test_a_title_with_quotes_and_backslashes_is_kept(tmp_path: Path) -> None:
    title = 'The "green" letter \\ Зелёное письмо'
    scaffold(tmp_path / "letter", title=title, today=TODAY)
    assert config.load(tmp_path / "letter").publication.title == title


@pytest.mark.parametrize("title", ["", " \n ", "x" * 101, "bell\x07", "turned\u202eback"])
def test_a_title_nobody_could_read_is_refused(tmp_path: Path, title: str) -> None:
    with pytest.raises(CouldNotRun) as caught:
        scaffold(tmp_path / "letter", title=title, today=TODAY)
    assert [finding.code for finding in caught.value.findings] == ["NL181"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CouldNotRun) as caught:
        scaffold(tmp_path, title=None, today=TODAY)
    assert caught.value.findings[0].code == "NL180"
    assert _tree(tmp_path) == {"mine.txt": b"mine"}


def test_a_file_of_that_name_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("mine")
    with pytest.raises(CouldNotRun) as caught:
        scaffold(tmp_path / "letter", title=None, today=TODAY)
    assert caught.value.findings[0].code == "NL180"
    assert _tree(tmp_path) == {"letter": b"mine"}


def test_a_second_init_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    scaffold(tmp_path / "letter", title=None, today=TODAY)
    before = _tree(tmp_path)
    with pytest.raises(CouldNotRun):
        scaffold(tmp_path / "letter", title="Another", today=dt.date(2030, 1, 1))
    assert _tree(tmp_path) == before


def test_an_empty_folder_and_one_with_a_repository_are_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "cloned" / ".git").mkdir(parents=True)
    for name in ("empty", "cloned"):
        written = scaffold(tmp_path / name, title="Same", today=TODAY)
        assert all(path.is_file() for path in written)
    assert _tree(tmp_path / "empty") == _tree(tmp_path / "cloned")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cloned", "empty"]


def test_what_is_returned_is_what_is_there_and_the_settings_come_first(tmp_path: Path) -> None:
    written = scaffold(tmp_path / "letter", title=None, today=TODAY)
    assert written[0] == tmp_path / "letter" / "newsletter.toml"
    assert set(written) == {p for p in (tmp_path / "letter").rglob("*") if p.is_file()}


def test_the_private_room_is_closed_to_others(tmp_path: Path) -> None:
    scaffold(tmp_path / "letter", title=None, today=TODAY)
    room = tmp_path / "letter" / "subscribers"
    assert stat.S_IMODE(room.stat().st_mode) == 0o700
    ignored = (tmp_path / "letter" / ".gitignore").read_text("utf-8").splitlines()
    assert "/subscribers/*" in ignored
    assert (room / ".gitignore").read_text("utf-8").splitlines()[0] == "*"


def test_where_nothing_can_be_written_it_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CouldNotRun) as caught:
        scaffold(tmp_path / "file" / "letter", title=None, today=TODAY)
    assert [finding.code for finding in caught.value.findings] == ["NL182"]
    assert _tree(tmp_path) == {"file": b"in the way"}


@pytest.mark.parametrize("there", [False, True])
def test_a_failure_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    broken = tmp_path / "files"
    (broken / "content").mkdir(parents=True)
    (broken / "content" / "a.md").write_text("whole")
    (broken / "content" / "z.md").write_bytes(b"\xff no UTF-8")
    (broken / "newsletter.toml").write_text("title = @TITLE@")
    monkeypatch.setattr(init, "FILES", broken)
    if there:
        (tmp_path / "letter").mkdir()
    with pytest.raises(UnicodeDecodeError):
        scaffold(tmp_path / "letter", title=None, today=TODAY)
    assert (tmp_path / "letter").exists() is there
    assert [path for path in tmp_path.rglob("*") if broken not in (path, *path.parents)] == (
        [tmp_path / "letter"] if there else []
    )


def test_a_folder_that_is_there_is_filled_from_within(tmp_path: Path) -> None:
    """So that it may be a mount of its own, below a folder this account cannot write to."""
    target = tmp_path / "mount"
    target.mkdir()
    before = tmp_path.stat().st_mtime_ns
    scaffold(target, title=None, today=TODAY)
    assert tmp_path.stat().st_mtime_ns == before
    assert not [path for path in target.iterdir() if path.name.endswith(".new")]


def test_it_is_a_neutral_letter_and_not_the_clinics(tmp_path: Path) -> None:
    for place in scaffold(tmp_path / "letter", title=None, today=TODAY):
        text = place.read_text("utf-8").lower()
        assert not re.search(r"kupov|onco|tumou?r|cancer|immun", text), place
