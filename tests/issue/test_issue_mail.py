"""The mail: every word in it, nobody else's host, and the same in all three forms."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.issue import kit

from newsletter.checks import sameness
from newsletter.config import Settings
from newsletter.content import prose
from newsletter.content.model import Source
from newsletter.errors import CouldNotRun
from newsletter.issue import look, mail_html
from newsletter.issue.archive_html import archive
from newsletter.issue.compose import Draft, compose
from newsletter.issue.edition import TOKEN_SLOT, Edition
from newsletter.issue.layout import LayoutBroken, Slots, edition
from newsletter.issue.mail_html import Frame, MailPicture
from newsletter.issue.plain_text import Notes, PlainText
from newsletter.issue.view import FrameView, LinkView, NewsView, SectionView, StoryView, View
from newsletter.language import Language

Make = Callable[..., Settings]
GOLDEN = Path(__file__).parent / "golden"
EVERY_BLOCK = """\
Dear reader, *this* is **every** block, with [a link](https://a.example/x?a=1&b=2) and <https://b.example/>.
A line<br>broken. H<sub>2</sub>O, 10<sup>9</sup>, `code < & >`, "quotes" & more, an ![x](images/cells.svg) inside.

## A heading

- one
- two
    - nested [article](article:cells)

1. first
2. second

> Quoted *words*.
>
> Twice.

### Smaller

| Test | Valid |
|------|------:|
| Blood count | 5 days |
| A very long name of a test that needs much more room than there is here | fourteen days, as the page says |

![A round cell.](images/cells.svg "A cell.")

::: care urgent "Call your team the same day if:"
- a fever of 38 °C
:::

::: care emergency "Call 112 if:"
- you cannot breathe
:::

::: care non-urgent "Tell your team at the next visit if:"
- your skin itches
:::

::: note
A note.
:::

::: warning "Take care"
A warning.
:::

::: checklist "Bring with you"
- the letter
- the card
:::

    indented code
    in two lines

---

The end[^1].

[^1]: A footnote with [a link](https://c.example/).
"""


@pytest.fixture
def made(publication: Make) -> Draft:
    files = {
        **kit.month(),
        "content/issues/2026-12/letter.en.md": kit.letter("en", kit.NEWS, EVERY_BLOCK),
    }
    return compose(publication(files, kit.TOML), kit.DECEMBER)


class Tags(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, *names: str) -> list[dict[str, str]]:
        return [given for tag, given in self.tags if tag in names]


def test_html_text_and_archive_say_the_same(made: Draft) -> None:
    for each in made.editions:
        assert sameness.differences(each, kit.SITE) == []


def test_a_word_or_link_that_is_missing_is_found(made: Draft) -> None:
    whole = made.editions[0]
    parts = {name: getattr(whole, name) for name in Edition.__slots__}
    for part, old, new in (
        ("text", "every block", "each block"),
        ("text", "https://a.example/x?a=1&b=2", "https://a.example/other"),
        ("body", "every", "any"),
        ("body", 'href="https://a.example', 'href="https://z.example'),
        ("html", "fever", "cold"),
        ("text", "The end", ""),
    ):
        assert old in parts[part]
        broken = Edition(**{**parts, part: parts[part].replace(old, new)})
        assert [finding.code for finding in sameness.differences(broken, kit.SITE)]


def test_no_host_but_ours_is_asked_for_anything(made: Draft) -> None:
    for each in made.editions:
        for found in Tags(each.html).of("img", "link", "script", "source", "iframe", "input"):
            assert urlsplit(found.get("src", "")).netloc == urlsplit(kit.SITE).netloc
        assert not re.search(
            r"url\(|@import|@font-face|<script|<form|fonts\.g|mailjet|imgur", each.html
        )


def test_pictures_have_words_and_a_size(made: Draft) -> None:
    images = [found for each in made.editions for found in Tags(each.html).of("img")]
    assert len(images) == 2 + 2 + 1 + 1  # letter, English stories, one in each translation
    for found in images:
        assert found["alt"] in ("A round cell.", "x")
        assert int(found["width"]) <= look.INNER
    for each in made.editions:
        for found in Tags(each.body).of("img"):
            assert int(found["width"]) > 0
            assert int(found["height"]) > 0


def test_the_mail_says_its_language_direction_and_title(made: Draft) -> None:
    for each in made.editions:
        (html,) = Tags(each.html).of("html")
        assert (html["lang"], html["dir"]) == (each.language, "ltr")
        assert f"<title>{each.subject}</title>" in each.html


def test_layout_tables_are_silent_and_headings_in_order(made: Draft) -> None:
    html = re.sub(r"<!--.*?-->", "", made.editions[1].html, flags=re.DOTALL)
    assert all(found.get("role") == "presentation" for found in Tags(html).of("table"))
    levels = [
        int(tag[1]) for tag, _ in Tags(made.editions[0].html).tags if re.fullmatch(r"h\d", tag)
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_ways_out_stand_at_the_top_and_at_the_end(made: Draft) -> None:
    for each in made.editions:
        links = [found["href"] for found in Tags(each.html).of("a")]
        assert links[1] == f"{kit.SITE}/leave/{TOKEN_SLOT}"
        assert links[-2:] == [
            f"{kit.SITE}/leave/{TOKEN_SLOT}",
            f"{kit.SITE}/preferences/{TOKEN_SLOT}",
        ]
        assert "Example street 1, 10115 Example" in each.html
        assert "Example street 1, 10115 Example" in each.text


def test_a_letter_in_one_language_offers_no_other(publication: Make) -> None:
    """The same link leads to what else a reader may do there."""
    files = {
        name: text for name, text in kit.month().items() if not re.search(r"\.(ru|de)\.", name)
    }
    files["content/topics.toml"] = '[cells]\nen = "Cells"\n'
    settings = publication(files, kit.TOML.replace('["en", "ru", "de"]', '["en"]'))
    (edition,) = compose(settings, kit.DECEMBER).editions
    assert f'{kit.SITE}/preferences/{TOKEN_SLOT}" style=' in edition.html
    assert "What we hold about you" in edition.html
    assert "What we hold about you" in edition.text
    assert "Change the language" not in edition.html + edition.text


def test_the_preheader_is_hidden_without_pale_letters(made: Draft) -> None:
    for each in made.editions:
        found = re.search(r'<div class="preheader" style="([^"]*)">([^<]*)</div>', each.html)
        assert found
        assert found[2] == each.preheader
        assert "color" not in found[1]
        assert each.html.index(each.preheader) < each.html.index("Test letter")


def test_columns_leave_room_for_the_margins_in_outlook(made: Draft) -> None:
    widths = [
        float(w)
        for w in re.findall(
            r"<td class=\"[^\"]*\" style=\"vertical-align:top;width:([\d.]+)px",
            made.editions[0].html,
        )
    ]
    widths += [
        float(w)
        for w in re.findall(
            r"<td style=\"vertical-align:top;width:([\d.]+)px", made.editions[0].html
        )
    ]
    assert widths
    assert all(width <= look.INNER or width == look.WIDTH for width in widths)
    assert widths.count(look.WIDTH) == 1  # the last empty space of the card, which has no margins


def test_plain_text_is_wrapped_and_its_addresses_whole(made: Draft) -> None:
    for each in made.editions:
        for line in each.text.splitlines():
            address = re.fullmatch(r"\[\d+\] \S+", line)
            assert len(line) <= 72 or address, line
            assert line == line.rstrip()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\ue000-\uf8ff]", each.text)
        assert each.text.endswith("\n")


@pytest.mark.parametrize("name", ["html", "text", "body"])
def test_every_block_looks_as_it_was_looked_at(made: Draft, name: str) -> None:
    golden = GOLDEN / f"letter.{'txt' if name == 'text' else name}"
    assert getattr(made.editions[0], name) == golden.read_text("utf-8")


def test_colours_are_readable_in_light_and_dark() -> None:
    for palette in (look.LIGHT, look.DARK):
        for ink, ground in look.READ_ON:
            assert look.contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground)
        assert look.contrast(palette["muted"], palette["desk"]) >= 4.5
        assert look.contrast(palette["accent"], palette["desk"]) >= 4.5
    assert look.contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize(
    "template",
    [
        "<mjml><mj-body><mj-section>",
        '<mjml><mj-body><mj-include path="x"/></mj-body></mjml>',
        "<mjml><mj-body></mj-body></mjml>{% call slot() %}lost{% endcall %}",
    ],
)
def test_a_layout_of_ones_own_that_is_broken_is_told(publication: Make, template: str) -> None:
    settings = publication({**kit.month(), "templates/mail/letter.mjml.j2": template}, kit.TOML)
    with pytest.raises(CouldNotRun) as caught:
        compose(settings, kit.DECEMBER)
    assert caught.value.findings[0].code == "NL455"


def test_one_part_of_the_layout_can_be_replaced(publication: Make) -> None:
    own = '<mj-section><mj-column><mj-text>{% call slot() %}<p>Our own foot</p><a href="{{ view.frame.leave_url }}">x</a>{% endcall %}</mj-text></mj-column></mj-section>'
    settings = publication({**kit.month(), "templates/mail/_foot.mjml.j2": own}, kit.TOML)
    assert "Our own foot" in compose(settings, kit.DECEMBER).editions[0].html


def test_a_link_that_leads_nowhere_is_told_at_its_line(publication: Make) -> None:
    from newsletter.errors import Findings

    letter = kit.letter("en", kit.NEWS, "Dear reader,\n\nsee [this](article:celz).")
    settings = publication({**kit.month(), "content/issues/2026-12/letter.en.md": letter}, kit.TOML)
    with pytest.raises(Findings) as caught:
        compose(settings, kit.DECEMBER)
    (finding,) = caught.value.findings
    assert finding.code == "NL456"
    assert finding.where
    assert finding.where.text == "see [this](article:celz)."


def test_a_price_card_has_its_form_too() -> None:
    table = "<table><thead><tr><th>Item</th><th>Price</th></tr></thead><tbody><tr><td>Visit</td><td>10</td></tr></tbody></table>"
    root = ET.fromstring(f'<div><section class="price"><h3>Costs</h3>{table}</section></div>')
    mail = mail_html.mail(root, FRAME)
    text = PlainText(Notes(), FRAME.link, FRAME.label).prose(root)
    assert "border-radius" in mail
    assert sameness.html(mail) == sameness.text(text) == sameness.html(archive(root, FRAME))
    assert sameness.text(text).words == ("costs", "item", "price", "visit", "10")


def test_a_piece_without_a_place_is_an_error_and_not_a_loss() -> None:
    slots = Slots()
    token = slots.url("https://a.example/?a=1&b=2")
    assert slots.fill(f'<a href="{token}">') == '<a href="https://a.example/?a=1&amp;b=2">'
    with pytest.raises(LayoutBroken):
        slots.fill("<a>")


# -- random letters -------------------------------------------------------------

words = st.text(
    st.one_of(
        st.characters(categories=["L", "N"]),
        st.sampled_from(" .,;:!?'\"&<>*_`~#+-=|()“”«»–—…/\\^$%@"),
    ),
    min_size=1,
    max_size=40,
)
line = words.map(lambda text: " ".join(text.split()) or "x")
blocks = st.one_of(
    line,
    line.map(lambda text: f"## {text}"),
    st.lists(line, min_size=1, max_size=3).map(
        lambda items: "\n".join(f"- {item}" for item in items)
    ),
    st.lists(line, min_size=1, max_size=3).map(
        lambda items: "\n".join(f"1. {item}" for item in items)
    ),
    line.map(lambda text: f"> {text}"),
    st.tuples(line, line).map(
        lambda pair: f"{pair[0]} **bold** [{pair[1]}](https://a.example/?q=1&r=2) *em*"
    ),
    st.tuples(line, line).map(lambda pair: f'::: care urgent "{pair[0]}"\n- {pair[1]}\n:::'),
    st.tuples(line, line).map(lambda pair: f"| a | b |\n|---|---|\n| {pair[0]} | {pair[1]} |"),
    line.map(lambda text: f"    {text}"),
)
letters = st.lists(blocks, min_size=1, max_size=6).map("\n\n".join)
FRAME = Frame(
    lambda target: target if "://" in target else f"{kit.SITE}/x/",
    lambda name: MailPicture(f"{kit.SITE}/p.png", 536, 200),
    lambda kind: "The same day",
)


def view(title: str, summary: str, markdown: str) -> View:
    language = Language("en", "mail")
    root = prose.parse(markdown, source=Source("letter.en.md", 1, "0" * 64)).root
    link = LinkView(title, "https://d.example/", "de", "ltr", "Deutsch", summary)
    return View(
        "en", language.direction, title, "No. 1", title, summary, root, "In this issue", (title, "News"),
        (StoryView(title, f"{kit.SITE}/a/", summary, "Read", "", None), StoryView(title, f"{kit.SITE}/b/?x=1&y=2", summary, "Read", "Pending", None)),
        (SectionView(title, (link, link)),),
        "News",
        (NewsView(title, "https://e.example/?a=1&b=2", "Journal · 1 May", summary, "en", "ltr"),),
        FrameView("Web", f"{kit.SITE}/w/", "Leave", f"{kit.SITE}/leave/{TOKEN_SLOT}", "Why", ("One", "Two"), "Leave it", "Language", f"{kit.SITE}/preferences/{TOKEN_SLOT}", "", title, summary),
    )  # fmt: skip


@hypothesis_settings(max_examples=60, deadline=None)
@example("0", "0", "1. >")
@example("0", "0", "1. - x\n\n    > y")
@given(line, line, letters)
def test_random_letters_say_the_same_in_html_text_and_archive(
    title: str, summary: str, markdown: str
) -> None:
    made = edition(view(title, summary, markdown), kit.SITE, FRAME)
    assert sameness.differences(made, kit.SITE) == []


@hypothesis_settings(max_examples=25, deadline=None)
@given(letters)
def test_mjml_changes_no_visible_word(markdown: str) -> None:
    given_view = view("Title", "Summary", markdown)
    before = sameness.html(mail_html.mail(given_view.letter, FRAME))
    after = sameness.html(edition(given_view, kit.SITE, FRAME).html)
    joined = " ".join(after.words)
    assert " ".join(before.words) in joined
    assert before.links <= after.links
