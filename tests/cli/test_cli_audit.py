"""The promise from the records: shown when they hold, refused when one was changed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Newsletter = Callable[..., Any]


def _record(letter: Path, month: str, nth: int, **more: Any) -> Path:
    path = letter / "content" / "record" / f"{month}.json"
    path.parent.mkdir(exist_ok=True)
    opened = dt.datetime.fromisoformat(f"{month}-05T09:00:00+00:00")
    held = {
        "version": 1,
        "period": month,
        "number": nth,
        "state": "closed",
        "manifest": "ab" * 32,
        "opened_at": opened.isoformat(),
        "totals": {"audience": 1200, "accepted": 1190, "rejected": "<5", "in_doubt": 0},
        **more,
    }
    path.write_text(json.dumps(held), "utf-8")
    return path


def test_months_in_their_order_show_the_promise(letter: Path, newsletter: Newsletter) -> None:
    _record(letter, "2026-08", 1)
    _record(letter, "2026-10", 2)

    ran = newsletter("audit")

    assert ran.code == 0
    assert "2 issues in 2 months, never two in one" in ran.err
    assert "2026-08  no. 1  opened 2026-08-05 09:00  1,200 audience" in ran.out
    assert "<5 rejected" in ran.out
    assert [each["period"] for each in json.loads(newsletter("audit", "--json").out)] == [
        "2026-08",
        "2026-10",
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"opened_at": "2026-10-31T23:59:59+00:00"},
        {"number": 1},
        {"period": "2026-10"},
        {"totals": None, "opened_at": "yesterday"},
    ],
)
def test_a_record_that_was_changed_is_found(
    changed: dict[str, Any], letter: Path, newsletter: Newsletter
) -> None:
    _record(letter, "2026-08", 1)
    _record(letter, "2026-09", 2, **changed)

    ran = newsletter("audit")

    assert ran.code == 1
    assert "error[NL149]" in ran.err
    assert "content/record/2026-09.json" in ran.err


def test_what_was_sent_is_what_was_approved(letter: Path, newsletter: Newsletter) -> None:
    manifest = newsletter("issue", "approve", "--by", "Editor").out.strip()
    period = next(letter.glob("content/issues/*/edition.toml")).parent.name
    path = _record(letter, period, 1, manifest=manifest)
    holds = newsletter("audit")
    path.write_text(path.read_text("utf-8").replace(manifest, "ab" * 32), "utf-8")

    assert holds.code == 0
    assert "is not what is approved here" in newsletter("audit").err


def test_before_the_first_issue_there_is_nothing_to_show(
    letter: Path, newsletter: Newsletter
) -> None:
    assert "nothing to show" in newsletter("audit").err
