from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.cli.report import as_github, as_json, as_text, clean, render
from newsletter.errors import Finding, Level, Where

TYPO = Finding(
    "NL204",
    "unknown key `pubished`",
    Where("content/articles/scan.en.md", 4, 1, 8, "pubished: 2026-11-28"),
    "not a key of an article",
    "did you mean `published`?",
)
WARNING = Finding("NL310", "no picture", Where("content/b.md"), level=Level.WARNING)


def test_a_finding_shows_what_where_the_line_with_a_caret_and_the_way_out() -> None:
    assert as_text([TYPO], "Nothing was published.") == (
        "error[NL204]: unknown key `pubished`\n"
        "  --> content/articles/scan.en.md:4:1\n"
        "   |\n"
        " 4 | pubished: 2026-11-28\n"
        "   | ^^^^^^^^ not a key of an article\n"
        "   |\n"
        "help: did you mean `published`?\n"
        "\n"
        "1 error. Nothing was published.\n"
        "more: newsletter explain NL204\n"
    )


def test_the_caret_stands_below_its_place_in_a_long_line_too() -> None:
    line = "a" * 5000 + " pubished " + "b" * 5000
    where = Where("a.md", 7, 5002, 8, line)

    shown = as_text([Finding("NL204", "x" * 10_000, where, "here", "y" * 10_000)]).splitlines()

    frame, caret = shown[3].removeprefix(" 7 | "), shown[4].removeprefix("   | ")
    assert frame[caret.index("^") : caret.rindex("^") + 1] == "pubished"
    assert frame.startswith("…a")
    assert frame.endswith("b…")
    assert max(map(len, shown)) < 600
    assert "--> a.md:7:5002" in shown[1]


@given(st.text(max_size=400), st.integers(1, 400), st.integers(1, 50))
def test_what_is_kept_of_a_line_holds_its_place(line: str, column: int, width: int) -> None:
    where = Where("a.md", 1, column, width, line)
    assert where.text is not None
    assert len(where.text) <= 200
    if column <= len(line) and where.text[column - where.begins] != "…":
        assert where.text[column - where.begins] == line[column - 1]
    assert Where("a.md", 1, column, width, where.text, where.begins) == where


def test_findings_come_in_the_order_of_files_and_lines() -> None:
    def at(path: str, line: int) -> Finding:
        return Finding("NL201", f"{path}{line}", Where(path, line))

    text = render([at("b", 2), at("a", 10), at("b", 1), at("a", 9)])

    assert re.findall(r"\]: (\w+)", text) == ["a9", "a10", "b1", "b2"]


def test_the_closing_line_counts_errors_and_warnings_and_files() -> None:
    text = as_text([TYPO, TYPO, WARNING], "public/ is still the old build.")

    assert "2 errors and 1 warning in 2 files. public/ is still the old build." in text


def test_the_caret_stands_under_its_character_after_a_tab_and_wide_letters() -> None:
    wide = Finding("NL1", "x", Where("f", 1, 4, 2, "\t漢字ab"), "here")

    _, _, _, shown, caret, *_ = as_text([wide]).splitlines()

    # four for the tab, two for each wide letter
    assert shown == " 1 |     漢字ab"
    assert caret == "   | " + " " * 8 + "^^ here"


def test_a_line_that_may_not_be_shown_is_not_shown() -> None:
    secret = Finding("NL501", "row 3 has no consent", Where("people.csv", 3), "row 3")

    text = as_text([secret])

    assert "people.csv:3\n" in text
    assert " 3 |" not in text


def test_the_same_way_out_is_told_once() -> None:
    text = as_text(
        [Finding("NL457", f"{n} is pending", Where(f), help="mend") for n, f in ("ab", "cd")]
    )

    assert text.startswith(
        "error[NL457]: a is pending\n  --> b\nerror[NL457]: c is pending\n  --> d\nhelp: mend\n\n"
    )


def test_colour_is_only_there_when_asked_for() -> None:
    assert "\x1b" not in as_text([TYPO])
    assert "\x1b[31m" in as_text([TYPO], colour=True)
    assert "\x1b[33m" in as_text([WARNING], colour=True)


@given(st.text())
def test_nothing_in_a_file_can_steer_the_terminal(text: str) -> None:
    shown = clean(text)

    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_json_holds_every_field_and_the_counts() -> None:
    told = json.loads(as_json([TYPO, WARNING], "still the old build"))

    assert (told["errors"], told["warnings"], told["state"]) == (1, 1, "still the old build")
    assert told["findings"][0] == {
        "code": "NL204",
        "level": "error",
        "what": "unknown key `pubished`",
        "label": "not a key of an article",
        "help": "did you mean `published`?",
        "path": "content/articles/scan.en.md",
        "line": 4,
        "column": 1,
    }


def test_annotations_escape_what_would_end_them() -> None:
    odd = Finding("NL201", "100% wrong\nreally", Where("a,b:c.md", 2, 3), help="mend it")

    assert as_github([odd]) == (
        "::error title=NL201,file=a%2Cb%3Ac.md,line=2,col=3::100%25 wrong%0Areally. mend it\n"
    )


def test_annotations_steer_no_terminal() -> None:
    """A file's name may hold anything; whoever reads the log sees it."""
    odd = Finding("NL211", "the file name \x1b[31m\x9b is none", Where("a\x1b[2J.md"))

    assert as_github([odd]).removesuffix("\n").isprintable()


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_no_findings_are_no_complaint(form: str) -> None:
    assert "error" not in render([], form=form).replace('"errors": 0', "")
