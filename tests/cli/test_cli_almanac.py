"""`schedule` and `status`: what a person reads, and what a script does."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Newsletter = Callable[..., Any]


def _month(letter: Path, **values: str) -> None:
    file = letter / "newsletter.toml"
    text = re.sub(r"(?m)^(day|time|time_zone) = .+\n", "", file.read_text("utf-8"))
    zone = values.pop("time_zone", '"Europe/Berlin"')
    text = text.replace("[publication]", f"[publication]\ntime_zone = {zone}", 1)
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    file.write_text(text.replace("[month]\n", f"[month]\n{lines}", 1), "utf-8")


def _last_sunday(letter: Path) -> None:
    text = (letter / "newsletter.toml").read_text("utf-8")
    if "[month]" not in text:
        (letter / "newsletter.toml").write_text(text + "\n[month]\n", "utf-8")
    _month(letter, day='"Last Sunday"', time='"02:30"')


def test_the_schedule_shows_what_the_clock_does_to_it(letter: Path, newsletter: Newsletter) -> None:
    _last_sunday(letter)

    ran = newsletter("schedule", "--for", "2027")
    lines = ran.out.splitlines()

    assert lines[1] == "2027-02  Sun 2027-02-28 02:30 +01:00"
    assert lines[2] == "2027-03  Sun 2027-03-28 03:00 +02:00  02:30 is skipped that day"
    assert lines[9] == "2027-10  Sun 2027-10-31 02:30 +02:00  the first of two 02:30"
    assert len(lines) == 12
    assert "due on the last Sunday of each month at 02:30 (Europe/Berlin)" in ran.err


def test_the_schedule_for_a_script_has_offsets_and_windows(
    letter: Path, newsletter: Newsletter
) -> None:
    _last_sunday(letter)

    told = json.loads(newsletter("schedule", "--for", "2027", "--json").out)

    assert told["rule"] == {
        "day": "last sunday",
        "time": "02:30",
        "time_zone": "Europe/Berlin",
        "catch_up_days": 6,
        "minimum_gap_days": 14,
    }
    assert told["issues"][2] == {
        "period": "2027-03",
        "due": "2027-03-28T03:00:00+02:00",
        "due_utc": "2027-03-28T01:00:00+00:00",
        "until_utc": "2027-03-31T22:00:00+00:00",
        "skipped": True,
        "opened_at": None,
    }


@pytest.mark.parametrize(
    ("moment", "sentence"),
    [
        (
            "2027-03-28T02:59",
            "2027-03 was due on 2027-03-28 03:00 (Europe/Berlin) and is not approved",
        ),
        ("2027-03-28T00:59:59+00:00", "2027-03 is due on 2027-03-28 03:00 (Europe/Berlin)"),
        ("2027-04-01", "2027-04 is due on 2027-04-25 02:30 (Europe/Berlin)"),
    ],
)
def test_any_moment_may_be_asked_about(
    letter: Path, newsletter: Newsletter, moment: str, sentence: str
) -> None:
    _last_sunday(letter)

    ran = newsletter("schedule", "--at", moment)

    assert ran.code == 0
    assert f"then: {sentence}" in ran.err
    assert ran.out.startswith("2027-01")
    assert not (letter / "subscribers" / "newsletter.db").exists()


def test_what_is_no_moment_is_refused(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("schedule", "--at", "next week")

    assert ran.code == 2
    assert "error[NL713]" in ran.err


def test_a_day_that_no_month_has_is_refused_where_it_stands(
    letter: Path, newsletter: Newsletter
) -> None:
    _month(letter, day='"fifth friday"')

    ran = newsletter("schedule")

    assert ran.code == 2
    assert 'write 1 to 28, "last", or an ordinal and a weekday such as "first tuesday"' in ran.err


def test_the_status_of_a_letter_that_was_never_sent(letter: Path, newsletter: Newsletter) -> None:
    told = json.loads(newsletter("status", "--json").out)

    assert list(told) == ["at", "month", "senders", "notices_waiting", "issues"]
    assert list(told["month"]) == ["period", "verdict", "due", "sentence"]
    assert (told["senders"], told["notices_waiting"], told["issues"]) == (0, 0, [])
    assert dt.datetime.fromisoformat(told["at"]).tzinfo is not None
    assert not (letter / "subscribers" / "newsletter.db").exists()


def test_the_status_counts_what_waits(letter: Path, newsletter: Newsletter) -> None:
    newsletter("subscribers", "add", "anna@example.org")

    assert json.loads(newsletter("status", "--json").out)["notices_waiting"] == 1


def test_a_witness_that_cannot_be_read_does_not_hide_the_status(
    letter: Path, newsletter: Newsletter
) -> None:
    newsletter("subscribers", "add", "anna@example.org")
    (letter / "subscribers" / "witness.json").write_text("{", "utf-8")

    ran = newsletter("status", "--json")

    assert ran.code == 0
    assert json.loads(ran.out)["month"]["verdict"] is None
    assert "cannot be read" in json.loads(ran.out)["month"]["sentence"]


def test_the_mirror_is_named_by_doctor_and_kept_where_the_setting_says(
    letter: Path, newsletter: Newsletter
) -> None:
    file = letter / "newsletter.toml"
    place = letter.parent / "elsewhere"
    file.write_text(f'{file.read_text("utf-8")}\n[store]\nmirror = "{place}"\n', "utf-8")
    newsletter("subscribers", "add", "anna@example.org")

    newsletter("doctor", "--offline", "--adopt")

    [kept] = place.iterdir()
    assert json.loads(kept.read_text("utf-8"))["clock"] == 0
