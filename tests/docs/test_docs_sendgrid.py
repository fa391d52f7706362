"""docs/sendgrid.md: its settings are taken as they stand there, and its tables are the program's."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from email.message import Message
from pathlib import Path

import pytest
from tests.conftest import TOML

from newsletter.config import Settings
from newsletter.delivery.feedback import sendgrid as events
from newsletter.delivery.outcome import Kind
from newsletter.delivery.transports import choice, sendgrid_answer
from newsletter.web.sendgrid import PATH

PAGE = (Path(__file__).parents[2] / "docs" / "sendgrid.md").read_text("utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.M | re.S)


def test_the_settings_it_shows_are_all_that_is_needed(
    publication: Callable[..., Settings],
) -> None:
    own = re.sub(r"(?s)\[delivery.*", "", TOML).replace(
        "http://127.0.0.1:8000", "https://l.clinic.net"
    )
    own = own.replace("letter@letter.example.org", "letter@clinic.net")
    settings = publication(toml=own + BLOCKS[0])
    assert choice.objections(settings, dt.date(2026, 11, 21)) == []
    assert settings.delivery.sendgrid.region == "eu"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Kind.OUR_FAULT),
        (403, Kind.OUR_FAULT),
        (413, Kind.OUR_FAULT),
        (429, Kind.DEFERRED),
        (200, Kind.IN_DOUBT),
        (408, Kind.IN_DOUBT),
    ],
)
def test_the_table_of_answers_is_the_programs(status: int, kind: Kind) -> None:
    row = next(
        line for line in PAGE.splitlines() if line.startswith("| ") and re.search(rf"\b{status}\b", line)
    )  # fmt: skip
    assert sendgrid_answer.judge(status, Message(), b"").kind is kind
    words = {Kind.OUR_FAULT: "queued again", Kind.DEFERRED: "deferred", Kind.IN_DOUBT: "in doubt"}
    assert row.split("|")[2].strip() == words[kind]


def test_the_webhooks_page_names_its_path_and_every_reason_it_knows() -> None:
    assert f"https://YOUR-FORMS{PATH}`" in PAGE
    for reason in events._DROPPED:
        assert reason in PAGE.lower()
