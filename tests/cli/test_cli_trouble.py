"""What reaches the outermost ring comes out as a finding, never as a traceback."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors
from sqlalchemy.exc import DatabaseError, OperationalError

from newsletter.cli.trouble import from_exception
from newsletter.errors import CouldNotRun, Finding, Findings, NewsletterError

Newsletter = Callable[..., Any]
PROGRAM = Path(sys.executable).with_name("newsletter")


def test_the_disk_speaks_for_itself() -> None:
    trouble = from_exception(OSError(errno.ENOSPC, "No space left on device", "public/index.html"))

    assert trouble.exit_code == 2
    assert trouble.findings[0].code == "NL127"
    assert "public/index.html: No space left on device" in trouble.findings[0].what
    assert "make room" in trouble.findings[0].help
    broken = from_exception(OSError(errno.EIO, "Input/output error", "subscribers/journal.jsonl"))
    assert broken.findings[0].help == "look at that place and the disk below it"


def test_the_database_speaks_without_its_statement() -> None:
    error = DatabaseError(
        "SELECT anna", ["anna@example.org"], sqlite3.DatabaseError("disk I/O error")
    )

    trouble = from_exception(error)

    assert (trouble.findings[0].code, trouble.exit_code) == ("NL145", 2)
    assert "disk I/O error" in trouble.findings[0].what
    assert "anna" not in str(trouble)


def test_postgresql_is_told_by_the_name_of_the_kind() -> None:
    refused = errors.LockNotAvailable("Key (address)=(anna@example.org) is locked")

    trouble = from_exception(OperationalError("UPDATE", None, refused))

    assert trouble.findings[0].what == "the database refused: lock not available (55P03)"


def test_a_fault_of_ours_shows_its_kind_and_not_its_words() -> None:
    trouble = from_exception(KeyError("anna@example.org"))

    assert trouble.exit_code == 2
    assert trouble.findings[0].code == "NL128"
    assert "KeyError" in trouble.findings[0].what
    assert "anna" not in str(trouble)


def test_a_broken_promise_of_a_room_is_told_in_its_words() -> None:
    trouble = from_exception(NewsletterError("the edition was altered"))

    assert (trouble.findings[0].code, trouble.findings[0].what) == (
        "NL129",
        "the edition was altered",
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [(Findings([Finding("NL201", "x")], "old site"), 1), (CouldNotRun(Finding("NL501", "x")), 2)],
)
def test_findings_keep_their_exit_code_and_state(error: NewsletterError, code: int) -> None:
    trouble = from_exception(error)

    assert trouble.exit_code == code
    assert trouble.state in ("old site", "Nothing was done.")


def test_debug_prints_the_traceback_of_a_fault(
    newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "newsletter.toml").write_bytes(b"\xff")

    assert "Traceback" not in newsletter("check").err
    assert "Traceback" in newsletter("check", "--debug").err


def test_a_transport_that_reaches_nobody_is_not_served(
    letter: Path, newsletter: Newsletter
) -> None:
    file = letter / "newsletter.toml"
    file.write_text(
        file.read_text("utf-8").replace('transport = "smtp"', 'transport = "outbox"'), "utf-8"
    )

    ran = newsletter("run")

    assert ran.code == 2
    assert "error[NL126]" in ran.err


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["--help", "status", "subscribers export -", "send"])
def test_a_closed_stream_is_no_fault(letter: Path, words: str, closed: str) -> None:
    plain = subprocess.run(
        ["/bin/sh", "-c", f"{PROGRAM} {words}"], cwd=letter, capture_output=True, check=False
    )
    ran = subprocess.run(
        ["/bin/sh", "-c", f"{PROGRAM} {words} {closed}"],
        cwd=letter,
        capture_output=True,
        check=False,
    )

    assert ran.returncode == plain.returncode
    assert b"NL128" not in ran.stderr
    assert b"Traceback" not in ran.stderr
    assert b"Exception ignored" not in ran.stderr


@pytest.mark.parametrize("option", ["--port", "--smtp-port"])
def test_a_port_that_cannot_be_is_a_mistake_of_usage(newsletter: Newsletter, option: str) -> None:
    ran = newsletter("inbox", option, "99999999")

    assert ran.code == 2
    assert "error[NL122]" in ran.err
    assert "65535" in ran.err
