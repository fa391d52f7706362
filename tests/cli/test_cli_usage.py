"""The outermost ring: help, version, wrong words, closed pipes; nothing here needs a publication."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from newsletter import __version__
from newsletter.cli.app import TABLE, hoist

PROGRAM = Path(sys.executable).with_name("newsletter")
Newsletter = Callable[..., Any]
Process = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def nowhere(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody may write to, without any publication."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    yield folder
    folder.chmod(0o700)


def test_help_names_every_command_on_stdout(newsletter: Newsletter) -> None:
    ran = newsletter("--help")

    assert ran.code == 0
    assert ran.err == ""
    shown = {words[0] for line in ran.out.splitlines() if (words := line.split())}
    assert {row.name for row in TABLE} <= shown


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--version"], ["-V"], ["explain", "NL104"]])
def test_help_and_version_answer_everywhere(
    words: list[str], nowhere: Path, process: Process
) -> None:
    ran = process(*words, cwd=nowhere, HOME="/nonexistent", LC_ALL="POSIX", PYTHONUTF8="0")

    assert ran.returncode == 0
    assert ran.stdout
    assert ran.stderr == ""


def test_help_answers_beside_a_broken_configuration(tmp_path: Path, process: Process) -> None:
    (tmp_path / "newsletter.toml").write_text("title = oops", "utf-8")

    assert process("explain", "--help", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["schedule", "--for", "27"], "--for: write a whole number, 1970 to 9998"),
        (["build", "--jobs", "0"], "--jobs: write a whole number, 1 or more"),
        (["schedule", "--for", "next"], "--for: write a whole number, 1970 to 9998"),
    ],
)
def test_a_number_that_cannot_be_is_answered_with_what_can(
    words: list[str], asked: str, newsletter: Newsletter
) -> None:
    ran = newsletter(*words)

    assert ran.code == 2
    assert f"error[NL122]: {asked}\n" in ran.err


def test_version_is_the_packages(newsletter: Newsletter) -> None:
    assert newsletter("--version").out == f"newsletter {__version__}\n"


@pytest.mark.parametrize("words", ["--help", "--version", "explain"])
def test_a_reader_that_closes_the_pipe_is_no_trouble(words: str, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            [PROGRAM, *words.split()],
            cwd=tmp_path,
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)

    assert ran.stderr == b""
    assert ran.returncode == 0


def test_help_loads_no_room_of_the_house(tmp_path: Path) -> None:
    ran = subprocess.run(
        [PROGRAM.with_name("python"), "-X", "importtime", "-m", "newsletter", "--help"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )

    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    heavy = {"pydantic", "sqlalchemy", "jinja2", "starlette", "cryptography", "markdown", "rich"}
    assert "newsletter.cli.app" in loaded
    assert not heavy & loaded
    assert not {name for name in loaded if name.startswith("newsletter.wiring")}


def test_a_misspelt_command_is_answered_with_the_right_one(newsletter: Newsletter) -> None:
    ran = newsletter("explian", "NL104")

    assert ran.code == 2
    assert ran.out == ""
    assert "error[NL120]: there is no command `explian`" in ran.err
    assert "did you mean `explain`?" in ran.err


def test_a_misspelt_option_is_answered_with_the_right_one(newsletter: Newsletter) -> None:
    ran = newsletter("explain", "--hlep")

    assert ran.code == 2
    assert "error[NL121]: there is no option `--hlep`" in ran.err
    assert "`--help`" in ran.err


def test_a_missing_word_is_answered_with_an_example(newsletter: Newsletter) -> None:
    ran = newsletter("completion")

    assert ran.code == 2
    assert "error[NL122]: `newsletter completion` needs SHELL" in ran.err
    assert "for example: newsletter completion bash" in ran.err


def test_a_code_nobody_gave_is_answered_with_the_nearest(newsletter: Newsletter) -> None:
    ran = newsletter("explain", "NL1004")

    assert ran.code == 2
    assert "error[NL123]" in ran.err
    assert "NL104" in ran.err


def test_no_command_shows_the_help_and_is_an_error(newsletter: Newsletter) -> None:
    ran = newsletter()

    assert ran.code == 2
    assert "Usage: newsletter" in ran.err


def test_options_that_hold_everywhere_may_stand_anywhere() -> None:
    assert hoist(["build", "--quiet", "--root", "x", "--jobs", "2"]) == [
        "--quiet", "--root", "x", "build", "--jobs", "2",
    ]  # fmt: skip
    assert hoist(["explain", "--", "--quiet"]) == ["explain", "--", "--quiet"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(shell: str, newsletter: Newsletter) -> None:
    ran = newsletter("completion", shell)

    assert ran.code == 0
    assert "_NEWSLETTER_COMPLETE" in ran.out


def test_completion_offers_our_commands(tmp_path: Path, process: Process) -> None:
    ran = process(
        cwd=tmp_path,
        _NEWSLETTER_COMPLETE="complete_bash",
        COMP_WORDS="newsletter expl",
        COMP_CWORD="1",
    )

    assert ran.stdout.split() == ["explain"]


def test_help_costs_at_most_half_more_than_its_libraries(tmp_path: Path) -> None:
    """Processor seconds, the least of several runs taken in turn: what else the machine does is left out."""

    def cost(*words: str | Path) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    pairs = [
        (cost(PROGRAM, "--help"), cost(sys.executable, "-c", "import typer, rich"))
        for _ in range(9)
    ]

    assert min(ours for ours, _ in pairs) <= 1.5 * min(floor for _, floor in pairs)
