"""The demo is a promise too: it ends well, leaves nothing behind, and only reads what it was started in."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter import config, content
from newsletter.demo.scratch import make, steady
from newsletter.issue import period

CLINIC = Path(__file__).parents[2]


def _tree(folder: Path) -> dict[str, str]:
    """The publication's words, by digest; caches and the database are not its words."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [folder / config.FILE_NAME, *(folder / "content").rglob("*")]
        if path.is_file()
    }


@pytest.mark.timeout(240)
@pytest.mark.parametrize("source", ["clinic", "starter"])
def test_the_demo_lives_through_a_month_and_leaves_nothing_behind(
    source: str, tmp_path: Path
) -> None:
    where = CLINIC if source == "clinic" else tmp_path / "empty"
    where.mkdir(exist_ok=True)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    before = _tree(CLINIC)
    ended = subprocess.run(
        [sys.executable, "-m", "newsletter", "demo"],
        cwd=where,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "206 readers, 206 mails, one each, each in its language" in ended.stderr
    assert "nobody was sent anything now" in ended.stderr
    assert list(scratch.iterdir()) == []
    assert _tree(CLINIC) == before


@pytest.mark.parametrize(
    ("now", "zone", "today"),
    [
        ("2026-12-15T12:00Z", "Europe/Berlin", "2026-12-15"),
        ("2026-11-30T22:58Z", "Etc/GMT+6", "2026-11-30"),  # two minutes before it ends in Berlin
        ("2026-11-30T23:58Z", "Europe/Berlin", "2026-12-01"),  # where UTC still has November
    ],
)
def test_the_demos_month_is_that_of_the_publication_and_does_not_end_meanwhile(
    tmp_path: Path, now: str, zone: str, today: str
) -> None:
    moment = dt.datetime.fromisoformat(now)

    found = steady(CLINIC, moment)
    day = moment.astimezone(found).date()
    copy = make(CLINIC, tmp_path / "copy", day, "http://127.0.0.1:8765", 2525, found)

    assert (found.key, str(day)) == (zone, today)
    assert config.load(copy.root).publication.time_zone == found
    assert period.at(moment + dt.timedelta(minutes=50), found) == period.read(copy.period)


@pytest.mark.parametrize("today", ["2027-03-31", "2028-02-29", "2026-12-01", "2030-01-15"])
def test_the_clinics_texts_are_fresh_and_whole_on_any_day(tmp_path: Path, today: str) -> None:
    day = dt.date.fromisoformat(today)
    scratch = make(CLINIC, tmp_path / "copy", day, "http://127.0.0.1:8765", 2525)

    settings = config.load(scratch.root)
    now = dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC)
    catalogue = content.load(settings, now)

    assert scratch.period == today[:7]
    assert period.read(str(scratch.earlier)).following() == period.read(scratch.period)
    assert catalogue.warnings == (), "no translation went stale by being moved"
    assert settings.site_url == settings.public_url == "http://127.0.0.1:8765"
    newest = max(article.published for article in catalogue.everything)
    assert dt.timedelta(0) <= now - newest < dt.timedelta(days=62)
    letters = (scratch.root / "content/issues" / scratch.period).glob("letter.*.md")
    dates = [found for file in letters for found in re.findall(r"date: (\S+)", file.read_text())]
    assert dates
    assert all(date <= today for date in dates), "no news from the future"
