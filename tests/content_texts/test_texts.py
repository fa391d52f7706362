"""The first publication's own texts: whole, sourced, plain, and the same in every language."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from newsletter import config, content
from newsletter.content import letters, prose
from newsletter.content.model import Article, Page
from newsletter.news import proposals
from newsletter.news.item import State

ROOT = Path(__file__).parents[2]
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
SETTINGS = config.load(ROOT)
CATALOGUE = content.load(SETTINGS, NOW)
ARTICLES = {f"{a.id}.{a.language}": a for a in CATALOGUE.everything}
PERIODS = sorted(path.name for path in (ROOT / "content/issues").iterdir())
LETTERS = {
    f"{period}.{tag}": letter
    for period in PERIODS
    for tag, letter in letters.load(SETTINGS, period).items()
}
DRAWINGS = {path.name: path for path in sorted((ROOT / "content/images").glob("*.svg"))}

UNKNOWN = {"en": "What we do not know", "ru": "Чего мы не знаем", "de": "Was wir nicht wissen"}
QUESTIONS = {"en": "Questions to ask", "ru": "Вопросы", "de": "Fragen an"}
PROMISES = {
    "en": r"miracle|breakthrough|guarantee|revolutionary|cures? (?:you|cancer)|no side effects?\b"
    r"|good chance|survival (?:rate|will)|completely safe",
    "ru": r"чудо|чудес|прорыв|гарантир|революцион|излеч|полностью безопас|без побочных"
    r"|хорошие шансы",
    "de": r"wunder(?!t)|durchbruch|garant|revolution|heilt\b|völlig sicher|ohne nebenwirkung"
    r"|überlebensrate",
}
"""Words that promise. A text may warn of them ("you hear that ..."), and then it says so here."""
WARNED_OF = {
    "how-we-check.en": {"good chance"},
    "how-we-check.ru": {"хорошие шансы"},
    "kinds-of-immunotherapy.en": {"no side effects"},
    "kinds-of-immunotherapy.ru": {"без побочных"},
    "kinds-of-immunotherapy.de": {"ohne nebenwirkung"},
}
LONGEST_SENTENCE = 20
"""Words. Source: NHS digital service manual, "How we write"."""
LONGEST_PARAGRAPH = 3
"""Sentences; the same source."""


def _plain(element: ET.Element) -> str:
    """The words a reader sees, without the numbers of citations."""
    inside = "".join(("" if c.tag == "sup" else _plain(c)) + (c.tail or "") for c in element)
    return (element.text or "") + inside


def _blocks(root: ET.Element) -> Iterator[tuple[str, str]]:
    for element in root:
        if element.get("class") == "references":
            continue
        if element.tag in ("p", "li", "td", "th", "h2", "h3") and not any(
            child.tag in ("p", "ul", "ol") for child in element
        ):
            yield element.tag, " ".join(_plain(element).split())
        else:
            yield from _blocks(element)


def _sentences(text: str) -> list[str]:
    text = re.sub(r"(\d)\.(?=\s(?:Januar|Februar|März|April|Mai|Juni)\b)", r"\1", text)
    return re.split(r"(?<=[.!?])[»“”]?\s+(?=[A-ZÄÖÜА-ЯЁ„«“0-9])", text)


def _words(text: str) -> int:
    return len(re.findall(r"[\w’'‑-]*\w[\w’'‑-]*", text))


def _root(text: Article | Page) -> ET.Element:
    references = text.references if isinstance(text, Article) else ()
    return prose.parse(
        text.body, source=text.source, references=references, language=text.language
    ).root


@pytest.fixture(params=sorted(ARTICLES))
def article(request: pytest.FixtureRequest) -> Article:
    return ARTICLES[request.param]


@pytest.fixture(params=sorted(ARTICLES) + [f"{p.id}.{p.language}" for p in CATALOGUE.pages])
def text(request: pytest.FixtureRequest) -> Article | Page:
    pages = {f"{p.id}.{p.language}": p for p in CATALOGUE.pages}
    return ARTICLES.get(request.param) or pages[request.param]


def test_there_are_enough_texts_and_nothing_is_wrong_with_them() -> None:
    count = Counter(article.language for article in CATALOGUE.articles)
    assert count["en"] >= 5
    assert count["ru"] >= 2
    assert count["de"] >= 2
    assert CATALOGUE.warnings == ()
    assert CATALOGUE.left_out == {}


def test_every_standing_page_is_there_in_every_language() -> None:
    found = {(page.id, page.language) for page in CATALOGUE.pages}
    wanted = ("about", "privacy", "subscribe", "how-we-check", "promise")
    assert found == {(i, tag) for i in wanted for tag in SETTINGS.publication.languages}


def test_an_explainer_has_its_parts(article: Article) -> None:
    headings = re.findall(r"^## (.+)$", article.body.replace("\u00a0", " "), re.MULTILINE)
    assert UNKNOWN[article.language] in headings
    assert any(heading.startswith(QUESTIONS[article.language]) for heading in headings)
    assert re.search(r"^::: care (non-urgent|urgent|emergency) ", article.body, re.MULTILINE)
    assert len(article.summary) <= 200
    assert article.topics
    assert article.authors


def test_nobody_invents_a_review(article: Article) -> None:
    assert article.review is not None
    assert article.review.pending


def test_an_explainer_has_a_drawing_that_is_described(article: Article) -> None:
    assert article.picture is not None
    assert (ROOT / "content" / article.picture.path).is_file()
    assert 40 <= len(article.picture.alt) <= 125
    assert article.picture.caption


def test_every_reference_is_cited_and_can_be_found(article: Article) -> None:
    assert article.references
    assert {r.key for r in article.references} == set(re.findall(r"\[@([\w-]+)\]", article.body))
    for reference in article.references:
        assert reference.text or (reference.authors and reference.journal and reference.year)


def test_a_translation_is_bound_to_the_text_it_was_made_from(article: Article) -> None:
    if article.language == "en":
        assert article.translation_of is None
        return
    original = ROOT / f"content/articles/{article.id}.en.md"
    assert article.translation_of == hashlib.sha256(original.read_bytes()).hexdigest()


def test_a_translation_says_as_much_as_the_original(article: Article) -> None:
    original = ARTICLES[f"{article.id}.en"]
    for pattern in (r"^#+ ", r"^::: \w+(?: [\w-]+)?", r"\[@[\w-]+\]", r"^(?:- |\d\. )"):
        there, here = (re.findall(pattern, t.body, re.MULTILINE) for t in (original, article))
        assert here == there, pattern
    assert _figures(article.body) == _figures(original.body)
    assert (article.published, article.topics) == (original.published, original.topics)
    assert [r.doi for r in article.references] == [r.doi for r in original.references]


def _figures(body: str) -> Counter[str]:
    """Numbers in the running text; a list's own numbers and names such as IL-2 are no claims."""
    body = re.sub(r"^\d+\. |\[@[\w-]+\]|\([^)]*\.md\)", "", body, flags=re.MULTILINE)
    return Counter(re.findall(r"(?<![\w-])\d+(?:[.,]\d+)?", body))


def test_sentences_and_paragraphs_are_short(text: Article | Page) -> None:
    for tag, block in _blocks(_root(text)):
        sentences = _sentences(block)
        for sentence in sentences:
            assert _words(sentence) <= LONGEST_SENTENCE, sentence
        if tag == "p":
            assert len(sentences) <= LONGEST_PARAGRAPH, block


def test_nothing_is_promised(text: Article | Page) -> None:
    words = f"{text.title} {text.summary} {text.body}".replace("\u00a0", " ").lower()
    found = set(re.findall(PROMISES[text.language], words))
    assert found <= WARNED_OF.get(f"{text.id}.{text.language}", set())


def test_quotation_marks_are_those_of_the_language(text: Article | Page) -> None:
    words = re.sub(r'^::: .*$|"[^"\n]*"\)', "", text.body, flags=re.MULTILINE)
    assert '"' not in words
    assert "'" not in words
    marks = {"en": "„«»", "ru": "“”„’", "de": "«»”’"}[text.language]
    assert not set(marks) & set(words)


def test_russian_readers_are_addressed_as_the_program_does(text: Article | Page) -> None:
    if text.language == "ru":
        assert not re.search(r"[а-яё,][\s\u00a0](?:Вы|Вас|Вам|Ваш)", text.body)


@pytest.mark.parametrize("name", sorted(LETTERS))
def test_a_letter_is_short_and_brings_news_that_was_proposed(name: str) -> None:
    letter = LETTERS[name]
    assert _words(letter.body) <= 150
    assert not re.search(PROMISES[letter.language], f"{letter.subject} {letter.body}".lower())
    assert len(letter.news) >= 2
    assert set(letter.pins) <= {article.id for article in CATALOGUE.everything}
    proposed = {item.id: item for item in proposals.items(SETTINGS, NOW).items}
    for pick in letter.news:
        item = proposed[pick.id]
        assert (pick.title, pick.url, pick.source) == (item.title, item.url, item.source)
        assert (pick.kind, pick.date) == (item.kind.value, item.date)


def test_every_letter_of_a_month_picks_the_same_articles_and_news() -> None:
    for period in PERIODS:
        same = {
            (letter.pins, tuple(pick.id for pick in letter.news))
            for letter in LETTERS.values()
            if letter.period == period
        }
        assert len(same) == 1


def test_the_feeds_are_of_three_makes_and_say_that_they_are_samples() -> None:
    found = proposals.items(SETTINGS, NOW)
    assert [health.state for health in found.health] == [State.OK, State.OK, State.DEGRADED]
    assert any(not item.dated for item in found.items)
    for item in found.items:
        assert item.title.startswith("Sample")
        assert re.match(r"https://\w+\.example\.org/", item.url)


def test_the_consent_names_what_the_list_says_about_a_person() -> None:
    names = {"en": "health", "ru": "здоровья", "de": "Gesundheit"}
    explicit = {"en": "explicitly", "ru": "явное", "de": "ausdrücklich"}
    for language in SETTINGS.publication.languages:
        wording = CATALOGUE.wording(language)
        assert wording is not None
        assert names[language] in wording.text
        assert explicit[language] in wording.text
        assert SETTINGS.publication.title in wording.text


@pytest.mark.parametrize("name", sorted(DRAWINGS))
def test_a_drawing_is_only_lines(name: str) -> None:
    tree = ET.fromstring(DRAWINGS[name].read_bytes())
    assert re.fullmatch(r"-?\d+ -?\d+ \d+ \d+", tree.get("viewBox", ""))
    tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert tags <= {"svg", "g", "path", "circle", "rect"}
    paints = {e.get(k) for e in tree.iter() for k in ("fill", "stroke")} - {None, "none"}
    assert all(re.fullmatch(r"#[0-9a-f]{6}", str(paint)) for paint in paints)


def test_drawings_are_of_one_shape_so_that_cards_stand_in_a_row() -> None:
    for path in DRAWINGS.values():
        box = re.search(r'viewBox="\S+ \S+ (\d+) (\d+)"', path.read_text("utf-8"))
        assert box
        assert 2.19 < int(box[1]) / int(box[2]) < 2.21, path.name


def test_drawings_can_be_seen_on_light_and_on_dark_ground() -> None:
    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    strokes = {
        s for p in DRAWINGS.values() for s in re.findall(r'stroke="(#\w{6})"', p.read_text())
    }
    assert strokes
    for ground in ("#e6f2ef", "#17302f"):
        for stroke in strokes:
            low, high = sorted((light(ground), light(stroke)))
            assert (high + 0.05) / (low + 0.05) >= 3, (stroke, ground)  # WCAG 2.2, 1.4.11
