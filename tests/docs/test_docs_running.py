"""docs/running.md and the unit beside it, against the program."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url
from tests.conftest import program

from newsletter.cli import signals
from newsletter.cli.app import run
from newsletter.codes import entries
from newsletter.delivery.ledger import Sum
from newsletter.delivery.report import Pace
from newsletter.schedule.month import Verdict

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "running.md").read_text("utf-8")
UNIT = DOCS / "systemd" / "newsletter.service"


def _unit() -> dict[str, list[str]]:
    """Key -> values of [Service]; a key may stand there twice."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text("utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_waits_longer_than_the_program_needs_to_stop() -> None:
    [seconds] = _unit()["TimeoutStopSec"]

    assert Pace().drain_seconds < signals.DRAIN_SECONDS
    assert signals.DRAIN_SECONDS + signals.CUT_SECONDS < 30 < int(seconds)


def test_the_unit_lends_the_key_and_takes_the_machine_away() -> None:
    unit = _unit()

    assert unit["LoadCredential"] == ["newsletter.key:/etc/newsletter/letter.key"]
    assert "NEWSLETTER_KEY_FILE=%d/newsletter.key" in unit["Environment"]
    for key, value in {
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "Restart": "always",
        "ProtectHome": "yes",
        "KillMode": "mixed",
    }.items():
        assert unit[key] == [value], key
    assert "ProtectProc" not in unit, "a living sender that is not seen would be taken for dead"


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    text = UNIT.read_text("utf-8")
    text = text.replace("/opt/newsletter/.venv/bin", str(Path(sys.executable).parent))
    text = text.replace("/srv/letter", str(tmp_path)).replace("=newsletter\n", "=daemon\n", 2)
    (tmp_path / "newsletter.service").write_text(text, "utf-8")

    verified = subprocess.run(
        [analyze, "verify", tmp_path / "newsletter.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    exposed = subprocess.run(
        [analyze, "security", "--offline=true", tmp_path / "newsletter.service"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert verified.returncode == 0, verified.stderr
    assert "newsletter.service:" not in verified.stderr, verified.stderr
    level = re.search(r"exposure level for newsletter.service: ([\d.]+)", exposed.stdout)
    if level is None:  # before systemd 250 it cannot be asked offline
        pytest.skip("this systemd-analyze judges running units only")
    assert float(level[1]) <= 2.0


def test_libpq_knows_every_word_of_the_databases_addresses() -> None:
    found = re.findall(r'url = "(postgresql:[^"]+)"', PAGE)

    assert len(found) == 2
    for address in found:
        conninfo_to_dict(address)  # raises for a word it does not know
        assert make_url(address).get_backend_name() == "postgresql"
        assert make_url(address).password is None


def test_the_commands_that_the_page_says_need_no_key_need_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [sentence] = re.findall(r"^(.*) need no key\.", PAGE, re.M)
    commands = re.findall(r"`([a-z ]+)`", sentence)
    assert len(commands) == 5
    folder = str(tmp_path / "letter")
    assert run(["init", folder, "--quiet"]) == 0
    monkeypatch.delenv("NEWSLETTER_KEY_FILE", raising=False)
    for command in commands:
        period = ["2026-12"] if command == "issue halt" else []
        run(["--root", folder, *command.split(), *period])
        assert "NL501" not in capsys.readouterr().err, command
    run(["--root", folder, "send"])
    assert "NL501" in capsys.readouterr().err


def test_every_verdict_and_every_key_of_the_status_is_told() -> None:
    from newsletter.cli import account

    told = set(re.findall(r"`([a-z_ ]+)`", PAGE))

    assert {verdict.value for verdict in Verdict} <= told
    shape = account._plain(_an_account())
    assert set(shape) <= told
    assert {"at", "month", "senders", "notices_waiting", "issues"} <= told


def _an_account() -> Sum:
    import datetime as dt

    moment = dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC)
    return Sum("2026-12", "open", 0, moment, moment, None, {})


def test_every_code_of_the_table_exists() -> None:
    codes = re.findall(r"NL\d{3}", PAGE)

    assert len(codes) >= 7
    assert set(codes) <= set(entries())


def test_the_unit_is_ini() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(UNIT.read_text("utf-8"))

    assert parser.sections() == ["Unit", "Service", "Install"]
