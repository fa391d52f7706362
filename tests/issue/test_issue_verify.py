"""Archive = mail = approval, held against a really built site."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.issue import kit

from newsletter import site
from newsletter.config import Settings
from newsletter.flows.approve import approve
from newsletter.flows.verify import verify
from newsletter.issue import freeze

Make = Callable[..., Settings]
PAGE = "issues/2026-12/index.html"


@pytest.fixture
def settings(publication: Make) -> Settings:
    settings = publication(kit.month(), kit.TOML)
    approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    site.build(settings, kit.NOW, settings.root / "public")
    return settings


def told(settings: Settings) -> list[str]:
    return [
        found.code for found in verify(settings, kit.DECEMBER, settings.root / "public").findings
    ]


def record(settings: Settings, **changes: object) -> Path:
    issue = freeze.load(settings, "2026-12")
    sent = {
        edition.language: {
            name: hashlib.sha256(getattr(edition, name).encode()).hexdigest()
            for name in ("html", "text")
        }
        for edition in issue.editions
    }
    path = settings.path(settings.store.record) / "2026-12.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"manifest": issue.manifest, "editions": sent, **changes}))
    return path


def test_what_was_approved_is_what_the_archive_shows(settings: Settings) -> None:
    found = verify(settings, kit.DECEMBER, settings.root / "public")
    assert found.findings == ()
    assert (found.approved_by, found.languages, found.recorded) == (
        ("Editor",),
        ("en", "ru", "de"),
        False,
    )


def test_what_was_sent_is_what_was_approved(settings: Settings) -> None:
    record(settings)
    found = verify(settings, kit.DECEMBER, settings.root / "public")
    assert (found.findings, found.recorded) == ((), True)


def test_a_changed_page_is_found(settings: Settings) -> None:
    page = settings.root / "public" / PAGE
    page.write_text(page.read_text("utf-8").replace("this month", "last month"), "utf-8")
    assert told(settings) == ["NL483"]


def test_a_missing_page_is_found(settings: Settings) -> None:
    (settings.root / "public/ru" / PAGE).unlink()
    assert told(settings) == ["NL483"]


@pytest.mark.parametrize("data", [None, b"another picture"])
def test_another_picture_or_none_is_found(settings: Settings, data: bytes | None) -> None:
    (picture,) = (settings.root / "public/issues/2026-12/pictures").iterdir()
    picture.unlink()
    if data:
        picture.write_bytes(data)
    assert told(settings) == ["NL483"]


@pytest.mark.parametrize("name", ["mail.en.html", "mail.ru.txt", "edition.toml"])
def test_another_download_or_none_is_found(settings: Settings, name: str) -> None:
    offered = settings.root / "public/issues/2026-12" / name
    offered.write_bytes(offered.read_bytes() + b" ")
    assert told(settings) == ["NL483"]
    offered.unlink()
    assert told(settings) == ["NL483"]


def test_readers_can_check_the_downloads_with_sha256sum_alone(settings: Settings) -> None:
    folder = settings.root / "public/issues/2026-12"

    def digest(name: str) -> str:
        return hashlib.sha256((folder / name).read_bytes()).hexdigest()

    page = (folder / "index.html").read_text("utf-8")
    assert digest("edition.toml") in page
    named = tomllib.loads((folder / "edition.toml").read_text("utf-8"))["editions"]
    assert [each["language"] for each in named] == ["en", "ru", "de"]
    for each in named:
        language = each["language"]
        assert each["html"] == digest(f"mail.{language}.html")
        assert each["text"] == digest(f"mail.{language}.txt")
    for name in ("mail.en.html", "mail.en.txt", "edition.toml"):
        assert f'href="/issues/2026-12/{name}" download="2026-12.{name}"' in page


def test_a_record_of_other_bytes_is_found(settings: Settings) -> None:
    record(settings, manifest="0" * 64)
    assert told(settings) == ["NL484"]
    record(settings, editions={})
    assert told(settings) == ["NL484"] * 3
    record(settings).write_text("[]")
    assert told(settings) == ["NL484"]
    record(settings).write_text("{")
    assert told(settings) == ["NL484"]
