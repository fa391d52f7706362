"""newsletter.toml: what is wrong is told at its place, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
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
    told = findings(tmp_path, broken + "\n[delivery.smtp]\nprot = 25\n")
    assert told["unknown key `publication.titel`"] == ("NL104", 2, 1, "did you mean `title`?")
    assert told["unknown key `delivery.smtp.prot`"][0:2] == ("NL104", 17)
    assert told["unknown key `delivery.smtp.prot`"][3] == "did you mean `port`?"
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
    assert "hunter2" not in str([(what, rest[3]) for what, rest in told.items()])
    (tmp_path / "password.txt").write_text("hunter2\n", "utf-8")
    (tmp_path / "newsletter.toml").write_text(
        TOML + '\n[delivery.smtp]\npassword = "file:password.txt"\n', "utf-8"
    )
    password = config.load(tmp_path).delivery.smtp.password
    assert password is not None
    assert password.reveal() == "hunter2"
    assert "hunter2" not in repr(password) + str(password)


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
