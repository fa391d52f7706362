"""What README and tutorial tell a newcomer to type is typed here, word for word."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
FENCE = re.compile(r"^```\n(.*?)^```$", re.M | re.S)


def _typed(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `script` in a shell that stops at the first failure, with the program on the path."""
    programs = str(Path(sys.executable).parent)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def _typed_within_a_month(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """As `_typed`; once more where the month ended meanwhile: its issue is then, rightly, sent no more."""
    before = _month()
    ran = _typed(script, folder)
    if _month() != before:
        (folder / "again").mkdir()
        ran = _typed(script, folder / "again")
    return ran


def _month() -> str:
    return f"{dt.datetime.now(dt.UTC):%Y-%m}"


@pytest.fixture
def first_letter() -> str:
    readme = (TOP / "README.md").read_text("utf-8")
    return FENCE.search(readme, readme.index("<!-- tested: first-letter -->"))[1]  # type: ignore[index]


def test_the_readme_leads_from_nothing_to_a_mail_in_at_most_six_commands(
    first_letter: str, tmp_path: Path
) -> None:
    ran = _typed(first_letter, tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert len(first_letter.strip().splitlines()) <= 6
    assert "nothing counts as sent" in ran.stderr
    if "look at it" not in ran.stderr:  # no other inbox is running on this machine just now
        [mail] = tmp_path.glob("my-letter/.cache/trial/*/*.eml")
        assert b"My first article" in mail.read_bytes()


def test_every_block_of_the_tutorial_runs_in_its_order(tmp_path: Path) -> None:
    blocks = FENCE.findall((TOP / "docs" / "tutorial.md").read_text("utf-8"))

    ran = _typed_within_a_month("\n".join(blocks), tmp_path)

    assert len(blocks) >= 6
    assert ran.returncode == 0, ran.stderr
    assert "states: pending <5" in ran.stdout
    assert "1 imported · 1 refused" in ran.stderr
    assert "readers.csv:3" in ran.stderr
    assert "to 1 reader (en 1)" in ran.stdout


def test_every_link_of_the_documentation_leads_somewhere() -> None:
    for page in [TOP / "README.md", *(TOP / "docs").glob("*.md")]:
        prose = re.sub(r"^```.*?^```$|`[^`\n]+`", "", page.read_text("utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} -> {target}"
