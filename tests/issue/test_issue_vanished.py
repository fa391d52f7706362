"""A page that every mail links to does not vanish because a folder was deleted."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable

import pytest
from tests.issue import kit

from newsletter import site
from newsletter.config import Settings
from newsletter.errors import Findings
from newsletter.flows.approve import approve

Make = Callable[..., Settings]


@pytest.fixture
def settings(publication: Make) -> Settings:
    """A publication whose December was approved, sent as its record says, and built."""
    settings = publication(kit.month(), kit.TOML)
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    path = settings.path(settings.store.record) / "2026-12.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"opened_at": "2026-12-01T08:00:00+00:00", "editions": {"en": {}, "ru": {}}}
    path.write_text(json.dumps(record))
    site.build(settings, kit.NOW, settings.root / "public")
    return settings


def rebuilt(settings: Settings, moment: dt.datetime = kit.NOW) -> list[tuple[str, str, str]]:
    with pytest.raises(Findings) as problem:
        site.build(settings, moment, settings.root / "public")
    return [
        (finding.code, finding.where.path, finding.what)
        for finding in problem.value.findings
        if finding.where
    ]


@pytest.mark.parametrize("gone", ["folder", "manifest"])
def test_a_sent_issue_without_its_files_is_refused(settings: Settings, gone: str) -> None:
    folder = settings.root / "content/issues/2026-12"
    if gone == "folder":
        shutil.rmtree(folder)
    else:
        (folder / "edition.toml").unlink()

    ((code, place, what),) = rebuilt(settings)

    assert (code, place) == ("NL309", "content/issues/2026-12/edition.toml")
    assert "/issues/2026-12/ and /ru/issues/2026-12/ would vanish" in what
    assert (settings.root / "public/issues/2026-12/index.html").is_file()


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"editions": 1}'])
def test_a_record_that_says_little_still_says_that_it_was_sent(
    settings: Settings, record: str
) -> None:
    shutil.rmtree(settings.root / "content/issues/2026-12")
    (settings.path(settings.store.record) / "2026-12.json").write_text(record)

    ((code, _, what),) = rebuilt(settings)

    assert code == "NL309"
    assert " /issues/2026-12/ would vanish" in what


def test_what_was_never_sent_may_go(settings: Settings) -> None:
    shutil.rmtree(settings.root / "content/issues/2026-12")
    (settings.path(settings.store.record) / "2026-12.json").unlink()

    assert site.build(settings, kit.NOW, settings.root / "public").pages
