"""`issue approve` asks whether links to other sites are alive, unless it is told not to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Ran

Newsletter = Callable[..., Ran]


def link(letter: Path) -> None:
    """One link to this machine, which no reader can reach: no network is needed to know that."""
    for file in letter.glob("content/issues/*/letter.*.md"):
        file.write_text(f"{file.read_text('utf-8')}\n\n[Look](http://127.0.0.1:9/x)\n", "utf-8")


def test_a_link_that_no_reader_can_open_is_told_at_approval(
    letter: Path, newsletter: Newsletter
) -> None:
    link(letter)
    approved = newsletter("issue", "approve", "--by", "Editor")
    assert approved.code == 0
    assert "NL485" in approved.err
    assert "readers cannot get there: 127.0.0.1 leads to 127.0.0.1" in approved.err


def test_offline_nobody_is_asked_and_that_is_said(letter: Path, newsletter: Newsletter) -> None:
    link(letter)
    approved = newsletter("issue", "approve", "--by", "Editor", "--offline")
    assert approved.code == 0
    assert "NL485" not in approved.err
    assert "were not asked whether they are alive (--offline)" in approved.err
    assert not (letter / ".cache/links.json").exists()
