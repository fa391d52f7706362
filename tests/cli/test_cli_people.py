"""subscribers, status and deliveries: the operator's view, without a single address."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Newsletter = Callable[..., Any]


def test_a_person_is_asked_shown_and_erased(letter: Path, newsletter: Newsletter) -> None:
    assert newsletter("subscribers", "add", "anna@example.org").code == 0
    held = json.loads(newsletter("subscribers", "show", "Anna@example.org", "--json").out)
    gone = newsletter("subscribers", "erase", "anna@example.org", "--yes")
    after = json.loads(newsletter("subscribers", "show", "anna@example.org", "--json").out)

    assert held["state"] == "pending"
    assert gone.code == 0
    assert "1 waiting will not be sent" in gone.err
    assert (after["state"], list(after["suppressed"])) == ("gone", ["erased"])


def test_asking_twice_in_a_row_asks_once(letter: Path, newsletter: Newsletter) -> None:
    for _ in range(9):
        ran = newsletter("subscribers", "add", "anna@example.org")

    assert ran.code == 0
    assert "nothing to ask" in ran.err


def test_an_address_may_come_on_stdin(
    letter: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("anna@example.org\n"))

    assert newsletter("subscribers", "add", "-").code == 0
    assert newsletter("subscribers", "show", "anna@example.org").code == 0


def test_erasing_is_not_done_by_the_way(letter: Path, newsletter: Newsletter) -> None:
    newsletter("subscribers", "add", "anna@example.org")

    ran = newsletter("subscribers", "erase", "anna@example.org")

    assert ran.code == 2
    assert "error[NL140]" in ran.err
    assert newsletter("subscribers", "show", "anna@example.org").code == 0


def test_an_address_that_is_none_is_never_repeated(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("subscribers", "add", "anna.example.org")

    assert ran.code == 2
    assert "error[NL141]" in ran.err
    assert "anna" not in ran.err.replace("anna@example.org", "")


def test_nobody_is_said_to_be_nobody(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("subscribers", "show", "anna@example.org")

    assert ran.code == 1
    assert "error[NL139]" in ran.err


def test_without_a_wording_nobody_can_be_asked(letter: Path, newsletter: Newsletter) -> None:
    for path in letter.glob("content/consent/en/*"):
        path.unlink()

    assert "error[NL142]" in newsletter("subscribers", "add", "anna@example.org").err


def test_without_the_key_nothing_is_touched(
    letter: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEWSLETTER_KEY_FILE")

    ran = newsletter("subscribers", "add", "anna@example.org")

    assert ran.code == 2
    assert "error[NL501]" in ran.err
    assert not (letter / "subscribers" / "newsletter.db").exists()


def test_a_key_inside_the_publication_is_refused(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("key", "new", "subscribers/letter.key")

    assert ran.code == 2
    assert "error[NL505]" in ran.err
    assert not (letter / "subscribers" / "letter.key").exists()


def test_a_list_goes_out_and_comes_in_again(letter: Path, newsletter: Newsletter) -> None:
    wording = next((letter / "content/consent/en").iterdir()).read_text("utf-8").strip()
    rows = [
        "address,language,consented_at,source,consent_text",
        *(f'reader{n}@example.org,en,2025-05-01,form,"{wording}"' for n in range(3)),
        'nobody@example.org,en,,,""',
    ]
    (letter.parent / "in.csv").write_text("\n".join(rows) + "\n", "utf-8")

    came = newsletter("subscribers", "import", "../in.csv")
    again = newsletter("subscribers", "import", "../in.csv")
    went = newsletter("subscribers", "export", "../out.csv")

    assert came.code == 1
    assert "in.csv:5" in came.err
    assert "3 imported · 1 refused" in came.err
    assert "nobody@" not in came.err
    assert "3 here already" in again.err
    assert "3 readers exported" in went.err
    assert (letter.parent / "out.csv").read_text("utf-8").count("@example.org") == 3


def test_few_readers_are_not_counted_out(letter: Path, newsletter: Newsletter) -> None:
    newsletter("subscribers", "add", "anna@example.org")

    assert "states: pending <5" in newsletter("subscribers", "stats").out
    assert json.loads(newsletter("subscribers", "stats", "--json").out)["states"] == {
        "pending": None
    }


def test_an_issue_that_was_not_opened_has_no_account(letter: Path, newsletter: Newsletter) -> None:
    assert newsletter("status").code == 0
    assert "error[NL138]" in newsletter("status", "2026-12").err
    assert "error[NL450]" in newsletter("status", "2026-13").err


def test_before_the_first_issue_there_is_nothing_to_list(
    letter: Path, newsletter: Newsletter
) -> None:
    ran = newsletter("deliveries", "list")
    assert ran.code == 2
    assert "error[NL138]: no issue was opened yet" in ran.err
    assert "error[NL144]" in newsletter("issue", "halt", "2026-12").err
    assert not (letter / "subscribers" / "newsletter.db").exists()


def test_a_state_nobody_is_ever_in_is_refused(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("deliveries", "list", "2026-12", "--state", "acepted")

    assert ran.code == 2
    assert "error[NL136]" in ran.err
    assert "did you mean `accepted`" in ran.err


def test_a_list_nobody_believes_is_asked_by_mail(letter: Path, newsletter: Newsletter) -> None:
    (letter.parent / "in.csv").write_text("address\nanna@example.org\nben@example.org\n", "utf-8")

    believed = newsletter("subscribers", "import", "../in.csv")
    asked = newsletter("subscribers", "import", "../in.csv", "--reconfirm")
    held = json.loads(newsletter("subscribers", "show", "anna@example.org", "--json").out)

    assert "2 refused" in believed.err
    assert "2 asked by mail" in asked.err
    assert "go out with `newsletter run`" in asked.err
    assert held["state"] == "pending"


def test_tidy_counts_first_and_deletes_when_told(letter: Path, newsletter: Newsletter) -> None:
    newsletter("subscribers", "add", "canary@example.org")
    toml = letter / "newsletter.toml"
    toml.write_text(toml.read_text("utf-8") + "\n[retention]\nunconfirmed_hours = 1\n", "utf-8")
    with sqlite3.connect(letter / "subscribers" / "newsletter.db") as database:
        database.execute("UPDATE subscribers SET requested_at = requested_at - 7200000")
        database.execute(
            "UPDATE confirmations SET asked_at = asked_at - 7200000, expires_at = expires_at - 400000000"
        )

    counted = newsletter("subscribers", "tidy", "--dry-run")
    still = json.loads(newsletter("subscribers", "show", "canary@example.org", "--json").out)
    deleted = newsletter("subscribers", "tidy")
    gone = newsletter("subscribers", "show", "canary@example.org", "--json")

    assert "never confirmed         1" in counted.out
    assert "never confirmed         1" in deleted.out
    assert still["state"] == "pending"
    assert gone.code != 0, "nothing is held any more"
