"""newsletter.toml: what is wrong is told at its place, all at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError
from tests.conftest import TOML

from newsletter import config
from newsletter.errors import CouldNotRun


def findings(root: Path, toml: str) -> dict[str, tuple[str, int | None, int | None, str]]:
    (root / "newsletter.toml").write_text(toml, "utf-8")
    with pytest.raises(CouldNotRun) as caught:
        config.load(root)
    return {
        found.what: (found.code, found.where.line, found.where.column, found.help)
        for found in caught.value.findings
        if found.where
    }


def test_every_mistake_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    broken = TOML.replace('title = "Test letter"', 'titel = "Test letter"').replace(
        'time_zone = "Europe/Berlin"', 'time_zone = "Mars"'
    )
    told = findings(tmp_path, broken + "\n[delivery.smtp]\nprrt = 25\n")
    assert told["unknown key `publication.titel`"] == ("NL104", 2, 1, "did you mean `title`?")
    assert told["unknown key `delivery.smtp.prrt`"][0:2] == ("NL104", 17)
    assert told["unknown key `delivery.smtp.prrt`"][3] == "did you mean `port`?"
    assert told["`publication.title` is missing"][0] == "NL105"
    assert any(what.startswith("`publication.time_zone`") for what in told)


def test_a_folder_without_a_publication_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CouldNotRun) as caught:
        config.load(tmp_path)
    assert caught.value.findings[0].code == "NL101"
    assert "newsletter init" in caught.value.findings[0].help


def test_broken_toml_points_at_the_line(tmp_path: Path) -> None:
    told = findings(tmp_path, '[publication]\ntitle = "open\n')
    ((code, line, _, _),) = told.values()
    assert (code, line) == ("NL103", 2)


def test_a_file_that_is_not_utf8_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_bytes(b'[publication]\ntitle = "\xff"\n')
    with pytest.raises(CouldNotRun) as caught:
        config.load(tmp_path)
    assert caught.value.findings[0].code == "NL102"


def test_a_secret_in_clear_is_refused_and_a_named_one_prints_as_stars(tmp_path: Path) -> None:
    told = findings(tmp_path, TOML + '\n[delivery.smtp]\npassword = "hunter2"\n')
    assert any("env:NAME" in what for what in told)
    assert "hunter2" not in str(told)
    (tmp_path / "password.txt").write_text("hunter2\n", "utf-8")
    (tmp_path / "newsletter.toml").write_text(
        TOML + '\n[delivery.smtp]\npassword = "file:password.txt"\n', "utf-8"
    )
    password = config.load(tmp_path).delivery.smtp.password
    assert password is not None
    assert password.reveal() == "hunter2"
    assert "hunter2" not in repr(password) + str(password)


@pytest.mark.parametrize(
    "line",
    [
        'password = "hunter2"',
        'pasword = "hunter2"',
        "password = hunter2",
        'url = "postgresql://letter:hunter2@db/letter',
    ],
)
def test_a_line_that_may_hold_a_secret_is_never_repeated(tmp_path: Path, line: str) -> None:
    """What is printed ends in a terminal's memory, or in the mail that cron sends."""
    (tmp_path / "newsletter.toml").write_text(f"{TOML}\n[delivery.smtp]\n{line}\n", "utf-8")
    with pytest.raises(CouldNotRun) as caught:
        config.load(tmp_path)
    assert "hunter2" not in repr(caught.value.findings)


@pytest.mark.parametrize(
    ("lines", "asked", "way_out"),
    [
        ('[month]\ntime = "9:00"', 'a time of day from "00:00" to "23:59"', ""),
        ("[delivery.smtp]\nport = 0", "a whole number, 1 to 65535", ""),
        ('[delivery.smtp]\nsecurity = "start_tls"', '"tls" or "starttls" or "none"', "`starttls`"),
        ('[web]\ntrusted_proxies = "::1"', "a list of texts", ""),
        ('[web]\npublic_url = "a.org"', "a web address such as https://", ""),
        ('[month]\nnotify = "editor"', "an e-mail address such as", ""),
        ("[feedback]\nleave_by_mail = 5", "true or false", ""),
    ],
)
def test_a_refused_value_says_what_to_write_and_no_pattern(
    tmp_path: Path, lines: str, asked: str, way_out: str
) -> None:
    (tmp_path / "newsletter.toml").write_text(f"{TOML}\n{lines}\n", "utf-8")
    with pytest.raises(CouldNotRun) as caught:
        config.load(tmp_path)
    (finding,) = caught.value.findings
    assert f": write {asked}" in finding.what
    assert not re.search(r"[Ss]hould|valid|\^", finding.what)
    assert way_out in finding.help
    value = lines.partition(" = ")[2]
    assert finding.where is not None
    begin = (finding.where.column or 0) - 1
    assert (finding.where.text or "")[begin : begin + finding.where.width] == value


def test_a_table_that_stands_there_twice_is_named(tmp_path: Path) -> None:
    told = findings(tmp_path, f"{TOML}\n[delivery.smtp]\n[delivery.smtp]\n")
    assert list(told) == ["the table [delivery.smtp] stands there twice"]


def test_a_secret_that_is_not_there_says_which_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEWSLETTER_TEST_SECRET", raising=False)
    for name in ("env:NEWSLETTER_TEST_SECRET", "file:nowhere"):
        with pytest.raises(CouldNotRun) as caught:
            config.Secret(name, tmp_path).reveal()
        assert caught.value.findings[0].code == "NL106"


@pytest.mark.parametrize(
    "line",
    [
        'name = "a\\nBcc: x@example.org"',
        'address = "two words@example.org"',
        'list_id = "nodots"',
    ],
)
def test_what_goes_into_a_header_cannot_break_it(tmp_path: Path, line: str) -> None:
    key = line.split(" = ")[0]
    lines = [line if old.startswith(f"{key} = ") else old for old in TOML.splitlines()]
    told = findings(tmp_path, "\n".join(lines))
    assert any(what.startswith(f"`sender.{key}`") for what in told)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('title = "Test letter"', 'title = "Test \\u202Eletter"', "publication.title"),
        ('title = "Test letter"', 'title = "Test \\u2066letter"', "publication.title"),
        ('title = "Test letter"', 'title = "Test \\u200Eletter"', "publication.title"),
        ('title = "Test letter"', 'title = "Test\\u0007letter"', "publication.title"),
        ('name = "Test letter"', 'name = "Test\\u202Aletter"', "sender.name"),
        ('"Example street 1, 10115 Example"', '"Street\\u2069 1"', "sender.postal_address"),
        ('url = "http://127.0.0.1:8000"', 'url = "http://[::1"', "publication.url"),
        ('url = "http://127.0.0.1:8000"', 'url = "http://a.net:999999"', "publication.url"),
        ('url = "http://127.0.0.1:8000"', 'url = "http://a.net:x/"', "publication.url"),
        ('url = "http://127.0.0.1:8000"', 'url = "http://:80/"', "publication.url"),
        ('url = "http://127.0.0.1:8000"', "url = 'http://a.net/\"x'", "publication.url"),
        ('url = "http://127.0.0.1:8000"', "url = 'http://a.net/<b>'", "publication.url"),
        ('"en", "ru", "de"', '"en", "ru", "en"', "publication.languages"),
        ("[approvers.Editor]", '[web]\nbind = "127.0.0.1:65536"', "web.bind"),
        ("[approvers.Editor]", '[web]\npublic_url = "https://[a"', "web.public_url"),
        ("[approvers.Editor]", "[news]\nwindow_days = 999999999999", "news.window_days"),
        (
            "[approvers.Editor]",
            "[retention]\nunconfirmed_hours = 99999999999",
            "retention.unconfirmed_hours",
        ),
        (
            "[approvers.Editor]",
            "[retention]\nleft_address_days = 99999999999",
            "retention.left_address_days",
        ),
        (
            "[approvers.Editor]",
            "[retention]\nwithdrawn_evidence_days = 99999999999",
            "retention.withdrawn_evidence_days",
        ),
        ("[approvers.Editor]", "[delivery]\nrate_per_second = inf", "delivery.rate_per_second"),
        ("[approvers.Editor]", "[delivery]\nrate_per_second = nan", "delivery.rate_per_second"),
        ("[approvers.Editor]", "[delivery]\nrate_per_second = 1e300", "delivery.rate_per_second"),
        ("[approvers.Editor]", "[delivery]\nrate_per_second = 1e-300", "delivery.rate_per_second"),
    ],
)
def test_no_value_is_beyond_what_can_be(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in TOML
    told = findings(tmp_path, TOML.replace(old, new))

    ((what, (code, *_)),) = told.items()
    assert (code, what.partition(":")[0]) == ("NL107", f"`{key}`")


def numbers(model: type[config.Table], path: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every number below `model`, and which of its two limits it lacks."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, config.Table):
            yield from numbers(kind, f"{path}{name}.")
            continue
        with suppress(PydanticUserError):
            row = TypeAdapter(field.rebuild_annotation()).json_schema()
            for each in (row, *row.get("anyOf", ())):
                if each.get("type") in ("integer", "number"):
                    yield f"{path}{name}", {"minimum", "maximum"} - set(each)


def test_every_number_of_the_settings_has_two_limits() -> None:
    found = dict(numbers(config.Settings))

    assert {"news.window_days", "delivery.rate_per_second", "delivery.smtp.port"} <= set(found)
    assert {name: missing for name, missing in found.items() if missing} == {}


@pytest.mark.parametrize("text", ["a = " + "[" * 20_000, f'a = "{"x" * 1_100_000}"'])
def test_a_file_that_would_break_its_reader_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "newsletter.toml").write_text(text, "utf-8")

    with pytest.raises(CouldNotRun) as told:
        config.load(tmp_path)

    assert told.value.findings[0].code == "NL103"
