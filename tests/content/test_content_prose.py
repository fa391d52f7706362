"""One Markdown parse makes a tree that is safe, plain and whole."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import nh3
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.content import prose
from newsletter.content.model import Reference, Source
from newsletter.content.prose import Prose

HERE = Source("content/articles/a.en.md", 1, "0" * 64)
STUDY = Reference(
    key="study",
    authors="Lovelace A, Noether E",
    title="A study of cells",
    journal="A Journal",
    year=2024,
    details="12(3):45-67",
    doi="10.1000/xyz(1)",
    pmid="12345",
)
OTHER = Reference(key="other", text="As the clinic’s page states")


def parse(body: str, *references: Reference, language: str = "en") -> Prose:
    return prose.parse(body, source=HERE, references=references, language=language)


DEEP = "".join(" " * level + "- x\n" for level in range(1200))


def test_a_text_that_breaks_off_the_reading_spoils_none_after_it() -> None:
    plain = (
        "- one\n- two\n\n  [x](other.en.md)\n\n> [y](a.en.md)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    before = parse(plain)

    deep = parse(DEEP)
    after = parse(plain)

    assert [finding.code for finding in deep.findings] == ["NL229"]
    assert after.fragment == before.fragment
    assert after.links == before.links


def test_references_are_numbered_in_the_order_they_are_cited() -> None:
    read = parse("> deep [@study]\n\nfirst in the tree [@other; @study]", STUDY, OTHER)

    marks = ["".join(mark.itertext()) for mark in read.root.iter("sup")]
    assert marks == ["1", "2, 1"]
    assert read.cited == ("study", "other")
    assert [item.get("id") for item in read.root.iter("li")] == ["ref-study", "ref-other"]


def test_a_reference_reads_as_the_national_library_of_medicine_writes_it() -> None:
    read = parse("One. [@study]", STUDY)

    item = next(read.root.iter("li"))
    assert "".join(item.itertext()) == (
        "Lovelace A, Noether E. A study of cells. A Journal. 2024;12(3):45-67. doi:10.1000/xyz(1). PubMed 12345."
    )
    assert [link.get("href") for link in item.iter("a")] == [
        "https://doi.org/10.1000/xyz(1)",
        "https://pubmed.ncbi.nlm.nih.gov/12345/",
    ]


def test_a_citation_stands_close_to_its_word() -> None:
    assert "One.<sup" in parse("One. [@study]", STUDY).html()


def test_the_words_the_program_adds_are_in_the_texts_language() -> None:
    assert parse("Раз. [@study]", STUDY, language="ru").contents[-1].text == "Источники"


def test_a_picture_alone_is_a_figure_with_its_caption() -> None:
    read = parse('![Cells](../images/a.svg "Our own")')

    assert [child.tag for child in read.root] == ["figure"]
    assert [child.tag for child in read.root[0]] == ["img", "figcaption"]
    assert read.root[0][0].get("src") == "images/a.svg"


def test_a_care_card_holds_markdown() -> None:
    read = parse('::: care urgent "Call **now** if:"\n- *hot*\n\nSay so.\n:::\nAfter.')

    card = read.root[0]
    assert (card.tag, card.get("class")) == ("section", "care care-urgent")
    assert [child.tag for child in card] == ["h3", "ul", "p"]
    assert read.root[1].tag == "p"


def test_blocks_may_hold_blocks() -> None:
    read = parse('::::: note "Outer"\n::: warning\nInner\n:::\nstill outer\n:::::\n')

    outer = read.root[0]
    assert [child.get("class") for child in outer] == ["title", "warning", None]


def test_a_fence_may_hold_anything() -> None:
    read = parse("```html\n<script>::: care\n:::\n&amp;</script>\n```\n")

    assert read.findings == ()
    assert "".join(read.root.itertext()) == "<script>::: care\n:::\n&amp;</script>\n"
    assert '<pre><code class="language-html">&lt;script&gt;' in read.html()


def test_footnotes_are_numbered_as_they_are_met_and_lead_back() -> None:
    read = parse("One.[^b] Two.[^a] Again.[^b]\n\n[^a]: A *note*.\n[^b]: B.\n\n    More of B.\n")

    html = read.html()
    assert re.findall(r'<li id="(fn-\d)"><p>(\w)', html) == [("fn-1", "B"), ("fn-2", "A")]
    assert html.count('id="fnref-1"') == 1
    assert "More of B." in html


def test_an_abbreviation_is_explained_where_it_stands() -> None:
    read = parse("The ECG and `ECG`.\n\n*[ECG]: electrocardiogram\n")

    assert '<abbr title="electrocardiogram">ECG</abbr> and <code>ECG</code>' in read.html()


def test_a_heading_keeps_its_own_anchor() -> None:
    read = parse("## Как это *работает*\n\n### Deeper {#dose}\n\n## Как это работает\n")

    assert [(heading.level, heading.id) for heading in read.contents] == [
        (2, "как-это-работает"),
        (3, "dose"),
        (2, "как-это-работает-2"),
    ]


def test_cells_of_a_table_say_their_side_in_a_class() -> None:
    html = parse("| a | b |\n|---|--:|\n| 1 | 2 |\n").html()

    assert '<th class="right">b</th>' in html
    assert "style" not in html


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("b.en.md", "article:b"),
        ("b.ru.md#x", "article:b@ru#x"),
        ("b.md", "article:b"),
        ("../pages/about.en.md", "page:about"),
        ("/articles/b/", "path:/articles/b/"),
        ("article:b", "article:b"),
        ("https://example.org/?a=1&copy=2", "https://example.org/?a=1&copy=2"),
        ("mailto:a@example.org", "mailto:a@example.org"),
    ],
)
def test_a_link_has_one_canonical_form(written: str, target: str) -> None:
    assert next(parse(f"[x]({written})").root.iter("a")).get("href") == target


@pytest.mark.parametrize("written", ["b.en.md", "../articles/b.en.md", "articles/b.md"])
def test_a_file_that_is_named_from_the_wrong_folder_is_told_the_form_for_every_folder(
    written: str,
) -> None:
    """A letter lies two folders below content/, and its editor has seen how articles link."""
    source = Source("content/issues/2026-12/letter.en.md", 4, "0" * 64)
    read = prose.parse(f"[x]({written}#dose)", source=source, language="en")

    (finding,) = read.findings
    assert finding.code == "NL224"
    assert "article:b#dose, or page:b#dose" in finding.help


def test_plain_text_is_plain_everywhere_in_the_tree() -> None:
    read = parse(
        "AT&T &amp; &copy; \\*not\\* `a &lt; b` 1 < 2 [AT&amp;T](https://example.org/?a&amp;b)"
    )

    assert "".join(read.root.itertext()).strip() == "AT&T & © *not* a &lt; b 1 < 2 AT&T"
    assert next(read.root.iter("a")).get("href") == "https://example.org/?a&b"


def test_words_are_counted_without_references_and_notes() -> None:
    read = parse("one two three [@study]\n\n## four\n", STUDY)

    assert read.words == 5  # the citation's number stands where a reader sees it


HOSTILE = st.text(
    alphabet=st.sampled_from(list("ab &<>\"'`*_[]()!#:|\\/=-\n\n\t.@^~{}$\0\x02\x03é中")), max_size=120
) | st.lists(
    st.sampled_from(
        ["<script>", "</script>", "<img src=x onerror=a>", "javascript:alert(1)", "[a](", ")", "![", "](", "::: care urgent \"x\"", ":::", "```", "<b>", "</b>", "<a href='javascript:a'>", "&#x3c;script&#x3e;", "&lt;", "[^a]", "[^a]: b", "[@k]", "<svg/onload=a>", "<!--", "-->", "\n\n", "    ", "> ", "- ", "| a | b |\n|---|---|\n", "data:text/html,x", "\x02amp\x03", "\x02wzxhzdk:0\x03", "\x02klzzwxh:0001\x03"]
    ),
    max_size=25,
).map("".join)  # fmt: skip
ALLOWED = {
    "p", "h2", "h3", "h4", "ul", "ol", "li", "blockquote", "hr", "pre", "code", "table", "thead", "tbody", "tr", "th", "td",
    "figure", "img", "figcaption", "section", "aside", "a", "em", "strong", "br", "wbr", "sup", "sub", "abbr", "kbd", "mark",
    "small", "q", "span", "bdi", "b", "i", "del", "ins",
}  # fmt: skip


@settings(max_examples=400, deadline=None)
@example("[a](<a href='javascript:a'>javascript:alert(1)[^a]")
@given(HOSTILE)
def test_whatever_is_written_only_known_elements_come_out(body: str) -> None:
    read = parse(body, STUDY)

    for element in read.root.iter():
        assert element.tag in ALLOWED | {"div"}
        assert not any(name.startswith("on") or name == "style" for name in element.attrib)
        href = element.get("href", "")
        assert not href or re.match(
            r"(https?:|mailto:|tel:|#|article:|page:|topic:|issue:|home:|issues:|subscribe:|held:|path:)",
            href,
        )
    html = read.html()
    assert "\x02" not in html
    assert "\x03" not in html
    kept = nh3.clean(
        html,
        tags=ALLOWED | {"div"},
        attributes={
            "*": {"class", "id", "lang", "dir", "title", "aria-label", "role", "tabindex"},
            "a": {"href", "rel"},
            "img": {"src", "alt"},
            "td": set(),
            "th": set(),
        },
        url_schemes={
            "http",
            "https",
            "mailto",
            "tel",
            "article",
            "page",
            "topic",
            "issue",
            "home",
            "issues",
            "subscribe",
            "held",
            "path",
        },
        link_rel=None,
        allowed_classes=None,
    )
    assert _texts(kept) == _texts(html)


def _texts(html: str) -> list[str]:
    """Tag names of an HTML text in order, as a second parser sees them."""
    return re.findall(r"<(/?[a-z0-9]+)", html)


@settings(max_examples=200, deadline=None)
@given(HOSTILE)
def test_what_comes_out_is_well_formed(body: str) -> None:
    html = re.sub(r"<(br|hr|wbr|img)([^>]*)>", r"<\1\2/>", parse(body).html())

    ET.fromstring(
        f"<div>{''.join(letter for letter in html if letter >= ' ' or letter in chr(9) + chr(10))}</div>"
    )
