"""doctor, backup, restore and key rotate, through the command line."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest

from newsletter.inbox import Inbox

Newsletter = Callable[..., Any]


def _doctor(newsletter: Newsletter, *more: str) -> dict[str, dict[str, Any]]:
    return {each["what"]: each for each in json.loads(newsletter("doctor", "--json", *more).out)}


def test_a_fresh_publication_is_well_but_for_the_relay(
    letter: Path, newsletter: Newsletter
) -> None:
    ran = newsletter("doctor")

    assert ran.code == 1
    assert "error[NL148]" in ran.err
    assert ran.out.count("\nno  ") == 1
    assert newsletter("doctor", "--offline").code == 0
    assert not (letter / "subscribers" / "newsletter.db").exists()


def test_doctor_says_in_which_language_nobody_can_sign_up(
    letter: Path, newsletter: Newsletter
) -> None:
    file = letter / "newsletter.toml"
    file.write_text(
        file.read_text("utf-8").replace('languages = ["en"]', 'languages = ["en", "de"]'), "utf-8"
    )

    ran = newsletter("doctor", "--offline")

    assert ran.code == 0
    assert (
        "warning[NL142]: there is no consent wording in de: its sign-up form stays closed"
        in ran.err
    )


def test_doctor_says_which_files_are_in_force(letter: Path, newsletter: Newsletter) -> None:
    newsletter("subscribers", "add", "anna@example.org")

    seen = _doctor(newsletter, "--offline")

    assert str(letter / "newsletter.toml") in seen["configuration"]["says"]
    assert str(letter / "subscribers" / "newsletter.db") in seen["database"]["says"]
    assert "opens them" in seen["readers"]["says"]
    assert "anna" not in json.dumps(seen)


@pytest.mark.postgres
def test_doctor_names_the_server_and_never_its_password(
    letter: Path, newsletter: Newsletter, postgres_url: str
) -> None:
    address = re.sub("//[^/]*@", "//postgres:hunter2@", postgres_url)
    assert "hunter2" in address
    file = letter / "newsletter.toml"
    file.write_text(f'{file.read_text("utf-8")}\n[store]\nurl = "{address}"\n', "utf-8")

    says = _doctor(newsletter, "--offline")["database"]["says"]

    assert says.startswith(f"PostgreSQL, {postgres_url.rpartition('/')[2].partition('?')[0]} at ")
    assert "hunter2" not in says


def test_doctor_tells_once_what_many_looks_found(letter: Path, newsletter: Newsletter) -> None:
    (letter / "subscribers" / "newsletter.db").write_bytes(b"no database" * 1000)

    ran = newsletter("doctor", "--offline")

    assert ran.out.count("\nno  ") > 1
    assert len(re.findall(r"(?m)^error\[", ran.err)) == 1


def test_a_relay_that_answers_is_well(letter: Path, newsletter: Newsletter) -> None:
    with Inbox() as inbox:
        file = letter / "newsletter.toml"
        file.write_text(
            file.read_text("utf-8").replace("port = 2525", f"port = {inbox.smtp_port}"), "utf-8"
        )

        ran = newsletter("doctor")

    assert ran.code == 0
    assert "answers and lets us in" in ran.out
    assert inbox.messages == ()


def test_a_missing_key_is_one_finding_and_the_rest_is_looked_at(
    letter: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEWSLETTER_KEY_FILE")

    seen = _doctor(newsletter, "--offline")

    assert seen["readers"]["findings"][0]["code"] == "NL501"
    assert seen["month"]["findings"] == []


def test_a_damaged_database_is_found(letter: Path, newsletter: Newsletter) -> None:
    newsletter("subscribers", "add", "anna@example.org")
    file = letter / "subscribers" / "newsletter.db"
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("PRAGMA writable_schema=ON")
        database.execute("UPDATE sqlite_schema SET rootpage=3 WHERE name='suppressions'")
    database.close()

    assert _doctor(newsletter, "--offline")["database"]["findings"][0]["code"] == "NL806"


def test_evidence_that_was_changed_is_found(letter: Path, newsletter: Newsletter) -> None:
    wording = next((letter / "content/consent/en").iterdir()).read_text("utf-8").strip()
    consent = '"' + wording.replace('"', '""') + '"'
    (letter.parent / "in.csv").write_text(
        f"address,consented_at,source,consent_text\nben@example.org,2025-05-01,form,{consent}\n",
        "utf-8",
    )
    newsletter("subscribers", "import", "../in.csv")
    whole = _doctor(newsletter, "--offline")["readers"]
    with sqlite3.connect(letter / "subscribers" / "newsletter.db") as database:
        database.execute("UPDATE consent_payloads SET payload = replace(payload, '2025', '2024')")
    database.close()

    broken = _doctor(newsletter, "--offline")["readers"]

    assert whole["findings"] == []
    assert broken["findings"][0]["code"] == "NL540"


def test_a_torn_journal_is_told_and_is_no_error(letter: Path, newsletter: Newsletter) -> None:
    newsletter("subscribers", "add", "anna@example.org")
    newsletter("subscribers", "erase", "anna@example.org", "--yes")
    journal = letter / "subscribers" / "journal.jsonl"
    journal.write_bytes(b'{"torn\n' + journal.read_bytes())

    ran = newsletter("doctor", "--offline")

    assert "warning[NL542]" in ran.err
    assert ran.code == 0


def test_the_key_of_backups_is_a_file_of_its_own_and_its_public_half_is_printed(
    newsletter: Newsletter, tmp_path: Path
) -> None:
    ran = newsletter("key", "new", "--backup", "keys/identity.txt")

    made = tmp_path / "keys" / "identity.txt"
    created, public, secret = made.read_text("ascii").splitlines()
    assert ran.code == 0
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    assert created.startswith("# created: ")
    assert public == f"# public key: {ran.out.strip()}"
    assert str(pyrage.x25519.Identity.from_str(secret).to_public()) == ran.out.strip()
    assert secret not in ran.out + ran.err
    assert f'recipients = ["{ran.out.strip()}"]' in ran.err


def test_the_key_of_backups_lies_apart_and_replaces_nothing(
    letter: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    (letter.parent / "mine").write_text("mine", "utf-8")

    inside = newsletter("key", "new", "--backup", "identity.txt")
    taken = newsletter("key", "new", "--backup", "../mine")
    monkeypatch.setitem(sys.modules, "pyrage", None)
    without = newsletter("key", "new", "--backup", "../other")

    assert "error[NL505]" in inside.err
    assert "NEWSLETTER_KEY_FILE" not in inside.err
    assert "error[NL507]" in taken.err
    assert "error[NL813]" in without.err
    assert not (letter / "identity.txt").exists()
    assert (letter.parent / "mine").read_text("utf-8") == "mine"
    assert not (letter.parent / "other").exists()


def test_a_list_is_backed_up_lost_and_restored(letter: Path, newsletter: Newsletter) -> None:
    recipient = newsletter("key", "new", "--backup", "../identity").out.strip()
    with (letter / "newsletter.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[backup]\nrecipients = ["{recipient}"]\n')
    for name in ("anna", "ben"):
        newsletter("subscribers", "add", f"{name}@example.org")
    made = newsletter("backup", "../b.age")
    newsletter("subscribers", "erase", "ben@example.org", "--yes")
    for file in (letter / "subscribers").glob("newsletter.db*"):
        file.unlink()

    back = newsletter("restore", "../b.age", "--identity", "../identity")
    anna = json.loads(newsletter("subscribers", "show", "anna@example.org", "--json").out)
    ben = json.loads(newsletter("subscribers", "show", "ben@example.org", "--json").out)

    assert (made.code, back.code) == (0, 0)
    assert anna["state"] == "pending"
    assert (ben["state"], list(ben["suppressed"])) == ("gone", ["erased"])


@pytest.mark.postgres
def test_a_list_moves_to_another_database_by_its_backup(
    letter: Path, newsletter: Newsletter, postgres_url: str
) -> None:
    """As docs/running.md says it, for an empty database of PostgreSQL."""
    recipient = newsletter("key", "new", "--backup", "../identity").out.strip()
    with (letter / "newsletter.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[backup]\nrecipients = ["{recipient}"]\n')
    newsletter("subscribers", "add", "anna@example.org")
    newsletter("backup", "../b.age")
    with (letter / "newsletter.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[store]\nurl = "{postgres_url}"\n')

    back = newsletter("restore", "../b.age", "--identity", "../identity")
    adopted = newsletter("doctor", "--adopt", "--offline")

    assert (back.code, adopted.code) == (0, 0)
    assert "PostgreSQL" in adopted.out
    assert newsletter("subscribers", "show", "anna@example.org").code == 0


@pytest.mark.parametrize("absent", ["b.age", "identity"])
def test_restore_names_the_file_that_is_not_there(
    letter: Path, newsletter: Newsletter, absent: str
) -> None:
    for name in {"b.age", "identity"} - {absent}:
        (letter.parent / name).write_text("something", "utf-8")

    ran = newsletter("restore", "../b.age", "--identity", "../identity")

    assert ran.code == 2
    assert "error[NL815]: there is no such file" in ran.err
    assert f"/{absent}\n" in ran.err
    assert not list((letter / "subscribers").glob("*newsletter.db*"))


def test_a_restored_store_sends_nothing_until_it_is_adopted(
    letter: Path, newsletter: Newsletter
) -> None:
    newsletter("subscribers", "add", "anna@example.org")
    shutil.copy(letter / "subscribers" / "newsletter.db", letter.parent / "old.db")
    newsletter("doctor", "--adopt", "--offline")
    witness = letter / "subscribers" / "witness.json"
    seen = json.loads(witness.read_text("utf-8"))
    witness.write_text(json.dumps({**seen, "clock": 41, "last": "2026-01"}), "utf-8")

    behind = _doctor(newsletter, "--offline")["witness"]
    adopted = newsletter("doctor", "--adopt", "--offline")
    after = _doctor(newsletter, "--offline")["witness"]

    assert behind["findings"][0]["code"] == "NL702"
    assert adopted.code == 0
    assert "0 who were waiting are in doubt now" in adopted.err
    assert after["findings"] == []


def test_a_rotated_key_opens_what_the_old_one_closed(letter: Path, newsletter: Newsletter) -> None:
    newsletter("subscribers", "add", "anna@example.org")
    before = (letter.parent / "letter.key").read_bytes()

    ran = newsletter("key", "rotate")

    assert ran.code == 0
    assert (letter.parent / "letter.key").read_bytes() != before
    assert Path(ran.out.strip()).read_bytes() == before
    assert newsletter("subscribers", "show", "anna@example.org").code == 0
