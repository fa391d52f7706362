"""What strangers write comes out harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter.news.clean import canonical, link, one_line, plain, shorten, without_tracking


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("PD-L1 &lt; 1%", "PD-L1 < 1%"),
        ("A <b>bold</b> claim", "A bold claim"),
        ("one<br>two<p>three</p>", "one two three"),
        ("<script>alert(1)</script>Safe", "Safe"),
        ('<img src="http://t.example/p.gif" width=1>Pixel', "Pixel"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("zero\u200bwidth\x07bell", "zerowidth bell"),
        ("Fu\u0308r  alle\n", "Für alle"),
        ("a\u2028b", "a b"),
    ],
)
def test_titles_become_plain_text(markup: str, text: str) -> None:
    assert plain(markup, 200) == text


@hypothesis_settings(deadline=None)
@given(st.text())
def test_plain_text_is_one_line_without_control_or_direction_letters(text: str) -> None:
    clean = plain(text, 80)
    assert len(clean) <= 80
    assert clean == one_line(clean)
    assert not set(clean) & set("\n\r\t\0\u202e\u2066\u200f\u2028")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//host/path",
        "/relative",
        "ftp://host/x",
        "https://",
        "https://user:secret@host/",
        "https://host/a b",
        'https://host/"onload=',
        "https://[broken",
        "https://host:99999/",
        "java\nscript:alert(1)",
        "https://host/" + "a" * 2000,
        "",
    ],
)
def test_links_that_are_no_web_address_are_nothing(url: str) -> None:
    assert link(url) is None


def test_a_web_address_stays_as_it_was_written() -> None:
    url = "https://Journal.example/Artikel?id=7&Lang=de#abschnitt"
    assert link(url) == url


def test_tracking_goes_and_everything_else_stays() -> None:
    assert (
        without_tracking("https://a.example/x?utm_source=n&id=7&fbclid=q")
        == "https://a.example/x?id=7"
    )
    assert without_tracking("https://a.example/x?q=a%20b&q=c") == "https://a.example/x?q=a%20b&q=c"


def test_one_page_has_one_spelling() -> None:
    spellings = [
        "https://www.a.example/x/",
        "http://a.example:80/x#part",
        "https://A.example/x?utm_medium=rss",
        "https://a.example./x",
    ]
    assert len({canonical(url) for url in spellings}) == 1
    assert canonical("https://a.example/x") != canonical("https://a.example/X")


def test_a_cut_falls_between_words() -> None:
    assert shorten("one two three", 10) == "one two…"
    assert shorten("short", 10) == "short"
