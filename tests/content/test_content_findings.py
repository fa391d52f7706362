"""Whatever is wrong with a text is told in one shape, at its place, all at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from newsletter import content
from newsletter.config import Settings
from newsletter.content import letters
from newsletter.errors import Finding, Findings, Level

Make = Callable[..., Settings]
GOOD = """\
---
title: Cells
summary: What cells do.
published: 2026-11-01
review: pending
---
## One

A text.
"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 25"><path d="M0 0h9"/></svg>'


def found(publication: Make, now: dt.datetime, files: dict[str, str | bytes]) -> list[Finding]:
    """Every finding of a publication with these files, errors or not."""
    settings = publication(files)
    try:
        return list(content.load(settings, now).warnings)
    except Findings as problem:
        return list(problem.findings)


def article(*lines: str, body: str = "## One\n\nA text.\n", drop: str = "") -> str:
    """A good article with more lines in its front matter, or one key less."""
    front = [
        line for line in GOOD.split("---\n")[1].splitlines() if not (drop and line.startswith(drop))
    ]
    return "---\n" + "\n".join([*front, *lines]) + f"\n---\n{body}"


def only(findings: list[Finding], code: str) -> Finding:
    assert [finding.code for finding in findings] == [code], findings
    return findings[0]


def test_a_good_article_has_no_findings(publication: Make, now: dt.datetime) -> None:
    assert found(publication, now, {"content/articles/cells.en.md": GOOD}) == []


def test_an_unknown_key_is_shown_with_the_one_that_was_meant(
    publication: Make, now: dt.datetime
) -> None:
    finding = only(
        found(publication, now, {"content/articles/a.en.md": article("sumary: x")}), "NL201"
    )

    assert finding.where is not None
    assert (finding.where.line, finding.where.column, finding.where.width) == (6, 1, 6)
    assert finding.where.text == "sumary: x"
    assert "`summary`" in finding.help


def test_a_key_of_the_editors_own_is_left_alone(publication: Make, now: dt.datetime) -> None:
    assert found(publication, now, {"content/articles/a.en.md": article("x-editor: Ada")}) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (article(drop="title"), "NL202"),
        (article("title:", drop="title"), "NL202"),
        (article("references: {a: {journal: A journal}}"), "NL202"),
        (article("title: [a, b]", drop="title"), "NL203"),
        (article("title: true", drop="title"), "NL203"),
        (article("draft: maybe"), "NL203"),
        (article("picture: x.svg"), "NL203"),
        (article("title: Again"), "NL204"),
        (article("topics: [a"), "NL205"),
        (article("slug: &a b"), "NL205"),
        (article("x-a: &a {b: 1}", "x-b: *a"), "NL205"),
        (article("x-a: !!python/object:os.system {}"), "NL205"),
        (article("x-a: " + "[" * 40 + "]" * 40), "NL205"),
        (article("\tx: 1"), "NL205"),
        (article("summary: b: c", drop="summary"), "NL205"),
        (article("x-a: b\x07"), "NL205"),
        (article("published: 2026-13-45", drop="published"), "NL206"),
        (article("published: tomorrow", drop="published"), "NL206"),
        (article("published: 20261101", drop="published"), "NL206"),
        (article("updated: 2026-11-31"), "NL206"),
        ("No front matter.\n", "NL207"),
        ("---\ntitle: Endless\n", "NL207"),
        (article("slug: Not An Address"), "NL213"),
        (article("review: soon", drop="review"), "NL213"),
        (article("title: \u202eturned", drop="title"), "NL213"),
        (article("references: {a: {title: A study, doi: 12}}", body="[@a]"), "NL213"),
        (article("aliases: [../../etc]"), "NL213"),
        (article("picture: {path: images/a.svg}"), "NL223"),
        (article("updated: 2026-10-01"), "NL230"),
        (article("expires: 2026-10-01"), "NL230"),
        (
            article(
                "review: {last: 2026-02-01, next: 2026-01-01, by: [{name: Ada}]}", drop="review"
            ),
            "NL230",
        ),
        (article("x-a: 'b", "x-c: d"), "NL205"),
    ],
)
def test_a_wrong_front_matter_is_told_by_its_code(
    publication: Make, now: dt.datetime, text: str, code: str
) -> None:
    findings = found(
        publication, now, {"content/articles/a.en.md": text, "content/images/a.svg": SVG}
    )

    assert [finding.code for finding in findings if finding.level is Level.ERROR] == [code], (
        findings
    )
    assert findings[0].where is not None
    assert findings[0].where.path == "content/articles/a.en.md"


def test_an_unclosed_quote_is_shown_where_it_was_opened(
    publication: Make, now: dt.datetime
) -> None:
    text = GOOD.replace("title: Cells", 'title: "Cells')

    finding = only(found(publication, now, {"content/articles/a.en.md": text}), "NL205")

    assert finding.where is not None
    assert (finding.where.line, finding.where.column) == (2, 8)
    assert finding.where.text == 'title: "Cells'


def test_a_word_that_yaml_1_1_would_turn_into_something_else_stays_a_word(
    publication: Make, now: dt.datetime
) -> None:
    settings = publication(
        {
            "content/articles/a.en.md": article("title: no", drop="title"),
            "content/articles/b.en.md": article("title: 1.10", drop="title"),
        }
    )

    titles = {one.id: one.title for one in content.load(settings, now).articles}

    assert titles == {"a": "no", "b": "1.10"}


def test_everything_wrong_in_every_file_is_told_at_once(
    publication: Make, now: dt.datetime
) -> None:
    findings = found(
        publication,
        now,
        {
            "content/articles/a.en.md": article("sumary: x", "slug: B A D"),
            "content/articles/b.en.md": article(drop="title"),
            "content/pages/c.en.md": "---\ntitle: C\nmenu: left\n---\n[x](nowhere.md)\n",
        },
    )

    assert [(one.where.path, one.code) for one in findings if one.where] == [
        ("content/articles/a.en.md", "NL201"),
        ("content/articles/a.en.md", "NL213"),
        ("content/articles/b.en.md", "NL202"),
        ("content/pages/c.en.md", "NL213"),
        ("content/pages/c.en.md", "NL224"),
    ]


BAD_BODY = """\
# One

[x](nothing.en.md) ![](images/no.svg) [^1]

::: box
:::
"""
BAD = ["NL240", "NL224", "NL223", "NL222", "NL220", "NL227"]
"""What is wrong with BAD_BODY, line by line."""


@pytest.mark.parametrize(
    ("front", "code"),
    [
        ("title: [a]\nsummary: S\npublished: 2026-11-01\nreview: pending\n", "NL203"),
        ('title: "Cells\nsummary: S\n', "NL205"),
        (None, "NL207"),
    ],
)
@pytest.mark.parametrize("folder", ["articles", "pages"])
def test_an_error_above_a_text_hides_nothing_below_it(
    publication: Make, now: dt.datetime, folder: str, front: str | None, code: str
) -> None:
    above = "" if front is None else f"---\n{front}---\n"
    if folder == "pages":
        above = above.replace("published: 2026-11-01\nreview: pending\n", "")

    findings = found(publication, now, {f"content/{folder}/a.en.md": above + BAD_BODY})

    assert sorted(one.code for one in findings) == sorted([code, *BAD])
    assert all(one.where and one.where.line for one in findings)


def test_what_is_cited_is_not_called_missing_while_the_front_matter_cannot_be_read(
    publication: Make, now: dt.datetime
) -> None:
    listed = "references:\n  - key: smith2024\n    title: A study"

    torn = found(
        publication,
        now,
        {"content/articles/a.en.md": article(listed, body="[@smith2024] [@smith] [@jones]")},
    )

    assert [one.code for one in torn] == ["NL203", "NL220", "NL220"]
    assert [one.where.width for one in torn[1:] if one.where] == [len("@smith"), len("@jones")]


@pytest.mark.parametrize(
    "broken",
    [
        article(drop="title"),
        GOOD.replace("title: Cells", 'title: "Cells'),
        "---\ntitle: Endless\n",
        GOOD.encode() + b"\xe9",
        GOOD + "\0",
        b"x" * 1024 * 1025,
    ],
)
def test_a_link_to_a_text_with_an_error_is_no_second_error(
    publication: Make, now: dt.datetime, broken: str | bytes
) -> None:
    link = article(body="[x](cells.en.md) [y](article:cells@ru) [z](/ru/articles/cells/)")
    original = "translation_of: " + "1" * 64

    findings = found(
        publication,
        now,
        {
            "content/articles/a.en.md": link,
            "content/articles/cells.en.md": broken,
            "content/articles/cells.ru.md": article(original),
        },
    )

    assert {one.where.path for one in findings if one.where and one.level is Level.ERROR} == {
        "content/articles/cells.en.md"
    }


def test_a_topic_with_an_error_is_still_a_topic(publication: Make, now: dt.datetime) -> None:
    files = {
        "content/topics.toml": '[cells]\nde = "Zellen"\n',
        "content/articles/a.en.md": article("topics: [cells]"),
    }

    only(found(publication, now, files), "NL202")


def test_bytes_that_are_not_utf_8_are_shown_where_they_stand(
    publication: Make, now: dt.datetime
) -> None:
    data = GOOD.encode().replace(b"A text.", b"A caf\xe9.")

    finding = only(found(publication, now, {"content/articles/a.en.md": data}), "NL208")

    assert finding.where is not None
    assert (finding.where.line, finding.where.column) == (9, 6)
    assert "0xe9" in finding.label


def test_a_byte_order_mark_is_dropped_and_told(publication: Make, now: dt.datetime) -> None:
    settings = publication(
        {"content/articles/a.en.md": b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()}
    )

    catalogue = content.load(settings, now)

    assert [finding.code for finding in catalogue.warnings] == ["NL216"]
    assert catalogue.articles[0].title == "Cells"


def test_a_link_out_of_content_is_refused_and_one_inside_is_not(
    publication: Make, now: dt.datetime
) -> None:
    settings = publication({"content/articles/a.en.md": GOOD, "secret.md": GOOD})
    articles = settings.root / "content/articles"
    (articles / "b.en.md").symlink_to(settings.root / "secret.md")
    (articles / "c.en.md").symlink_to(articles / "a.en.md")

    with pytest.raises(Findings) as problem:
        content.load(settings, now)

    assert [finding.code for finding in problem.value.findings] == ["NL209"]


def test_a_folder_of_articles_that_is_a_link_out_is_refused(
    publication: Make, now: dt.datetime
) -> None:
    settings = publication(
        {"elsewhere/a.en.md": GOOD, "content/pages/p.en.md": "---\ntitle: P\n---\n"}
    )
    (settings.root / "content/articles").symlink_to(settings.root / "elsewhere")

    with pytest.raises(Findings) as problem:
        content.load(settings, now)

    assert [finding.code for finding in problem.value.findings] == ["NL209"]


def test_a_folder_in_the_place_of_a_text_is_told(publication: Make, now: dt.datetime) -> None:
    finding = only(found(publication, now, {"content/articles/a.en.md/x": "x"}), "NL200")

    assert "not a file" in finding.what


def test_two_texts_with_one_address_are_told_with_each_others_names(
    publication: Make, now: dt.datetime
) -> None:
    finding = only(
        found(
            publication,
            now,
            {"content/articles/a.en.md": GOOD, "content/articles/b.en.md": article("slug: a")},
        ),
        "NL210",
    )

    assert finding.where is not None
    assert (finding.where.path, finding.where.line) == ("content/articles/b.en.md", 6)
    assert "content/articles/a.en.md" in finding.help


def test_an_alias_may_not_be_somebody_elses_address(publication: Make, now: dt.datetime) -> None:
    only(
        found(
            publication,
            now,
            {
                "content/articles/a.en.md": GOOD,
                "content/articles/b.en.md": article("aliases: [/articles/a/]"),
            },
        ),
        "NL210",
    )


def test_a_page_may_not_take_an_address_of_the_site(publication: Make, now: dt.datetime) -> None:
    only(found(publication, now, {"content/pages/issues.en.md": "---\ntitle: P\n---\n"}), "NL210")


def test_a_file_name_must_say_id_and_language(publication: Make, now: dt.datetime) -> None:
    findings = found(
        publication,
        now,
        {
            "content/articles/cells.md": GOOD,
            "content/articles/a.fr.md": GOOD,
            "content/articles/notes.txt": "x",
            "content/articles/.hidden.md": "",
        },
    )

    assert [(finding.code, finding.level) for finding in findings] == [
        ("NL212", Level.ERROR),
        ("NL211", Level.ERROR),
        ("NL211", Level.WARNING),
    ]


def test_a_front_matter_of_five_megabytes_is_refused(publication: Make, now: dt.datetime) -> None:
    only(
        found(publication, now, {"content/articles/a.en.md": article("x-a: " + "b" * 5_000_000)}),
        "NL214",
    )


def test_a_front_matter_of_a_tenth_of_that_is_refused_too(
    publication: Make, now: dt.datetime
) -> None:
    only(
        found(publication, now, {"content/articles/a.en.md": article("x-a: " + "b" * 500_000)}),
        "NL214",
    )


def test_an_unknown_topic_is_told_when_topics_are_known(
    publication: Make, now: dt.datetime
) -> None:
    finding = only(
        found(
            publication,
            now,
            {
                "content/topics.toml": '[cells]\nen = "Cells"\n',
                "content/articles/a.en.md": article("topics: [cels]"),
            },
        ),
        "NL215",
    )

    assert "`cells`" in finding.help
    assert finding.where is not None
    assert (finding.where.line, finding.where.column) == (6, 10)


@pytest.mark.parametrize("toml", ["[a\n", "a = 1\n", '["A b"]\nen = "x"\n'])
def test_a_wrong_file_of_topics_is_told(publication: Make, now: dt.datetime, toml: str) -> None:
    only(found(publication, now, {"content/topics.toml": toml}), "NL217")


@pytest.mark.parametrize(
    ("body", "code", "line", "column"),
    [
        ("One. [@nobody]", "NL220", 7, 7),
        ("One.[^a]", "NL220", 7, 5),
        ("One.\n\n[^a]: Alone.", "NL221", 9, 1),
        ("![Cells](images/none.svg)", "NL222", 7, 10),
        ("![Cells](https://example.com/a.svg)", "NL222", 7, 10),
        ("![](images/a.svg)", "NL223", 7, 5),
        ("[x](nothing.en.md)", "NL224", 7, 5),
        ("[x](a.en.md#nothing)", "NL224", 7, 5),
        ("[x](#nothing)", "NL224", 7, 5),
        ("[x](/articles/nothing/)", "NL224", 7, 5),
        ("[x](javascript:alert(1))", "NL224", 7, 5),
        ("[x](//example.com/)", "NL224", 7, 5),
        ("Text <blink>x</blink>", "NL226", 7, 6),
        ("<script>\nalert(1)\n</script>", "NL226", 7, 1),
        ("::: care\n- x\n:::", "NL227", 7, 1),
        ('::: care urgent "If"\n- x\n', "NL227", 7, 1),
        ("::: tip\nx\n:::", "NL227", 7, 1),
        (":::\n", "NL227", 7, 1),
        ("```\ncode", "NL227", 7, 1),
        ("# One", "NL240", 7, 1),
    ],
)
def test_what_is_wrong_in_the_body_is_told_at_its_line(
    publication: Make, now: dt.datetime, body: str, code: str, line: int, column: int
) -> None:
    findings = found(
        publication,
        now,
        {"content/articles/a.en.md": article(body=body), "content/images/a.svg": SVG},
    )

    assert findings[0].code == code, findings
    assert {finding.code for finding in findings} == {code}
    where = findings[0].where
    assert where is not None
    assert (where.path, where.line, where.column) == ("content/articles/a.en.md", line, column)


def test_a_reference_nobody_cites_is_told_but_stops_nothing(
    publication: Make, now: dt.datetime
) -> None:
    finding = only(
        found(
            publication,
            now,
            {"content/articles/a.en.md": article("references: {a: {title: A study}}")},
        ),
        "NL221",
    )

    assert finding.level is Level.WARNING


def test_what_is_wrong_in_the_body_of_a_draft_stops_nobody_else(
    publication: Make, now: dt.datetime
) -> None:
    finding = only(
        found(
            publication,
            now,
            {"content/articles/a.en.md": article("draft: true", body="[x](nothing.en.md)")},
        ),
        "NL224",
    )

    assert finding.level is Level.WARNING


@pytest.mark.parametrize(
    ("svg", "level"),
    [
        ("<svg", Level.ERROR),
        ('<html xmlns="http://www.w3.org/1999/xhtml"/>', Level.ERROR),
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', Level.ERROR),
        ('<!DOCTYPE svg [<!ENTITY a "aaa">]>' + SVG, Level.ERROR),
        (SVG.replace("<path", "<script>alert(1)</script><path"), Level.WARNING),
        (SVG.replace("<path", '<path onload="alert(1)"'), Level.WARNING),
        (SVG.replace("<path", '<image href="https://example.com/a.png"/><path'), Level.WARNING),
        (SVG.replace("<path", '<use href="https://example.com/a.svg#b"/><path'), Level.WARNING),
        (SVG.replace("<path", '<path fill="url(https://example.com/a)"'), Level.WARNING),
    ],
)
def test_a_drawing_that_holds_what_it_may_not_is_told(
    publication: Make, now: dt.datetime, svg: str, level: Level
) -> None:
    settings = publication(
        {
            "content/articles/a.en.md": article(body="![Cells](images/a.svg)"),
            "content/images/a.svg": svg,
        }
    )
    try:
        catalogue = content.load(settings, now)
        findings = list(catalogue.warnings)
        shown = catalogue.pictures["images/a.svg"]
        assert b"alert" not in shown.data
        assert "example.com" not in shown.inline
    except Findings as problem:
        findings = list(problem.findings)

    assert {(finding.code, finding.level) for finding in findings} == {("NL228", level)}


def test_a_photo_that_is_none_is_told(publication: Make, now: dt.datetime) -> None:
    only(
        found(
            publication,
            now,
            {
                "content/articles/a.en.md": article(body="![Cells](images/a.jpg)"),
                "content/images/a.jpg": b"no",
            },
        ),
        "NL228",
    )


def test_a_text_nested_without_end_is_told(publication: Make, now: dt.datetime) -> None:
    findings = found(
        publication, now, {"content/articles/a.en.md": article(body="> " * 4000 + "x\n")}
    )

    assert {finding.code for finding in findings} <= {"NL229"}


def test_a_text_that_takes_forever_is_given_up(
    publication: Make, now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.content.patience.SECONDS", 0.0005)

    finding = only(
        found(
            publication, now, {"content/articles/a.en.md": article(body="**a** [b](c) " * 20_000)}
        ),
        "NL229",
    )

    assert finding.where is not None
    assert finding.where.path == "content/articles/a.en.md"


def test_a_circle_of_translations_is_told(publication: Make, now: dt.datetime) -> None:
    findings = found(
        publication,
        now,
        {
            "content/articles/a.en.md": article(f"translation_of: {'0' * 64}"),
            "content/articles/a.ru.md": article(f"translation_of: {'1' * 64}"),
        },
    )

    assert [finding.code for finding in findings if finding.level is Level.ERROR] == ["NL231"]


def test_a_translation_older_than_its_original_is_told(publication: Make, now: dt.datetime) -> None:
    finding = only(
        found(
            publication,
            now,
            {
                "content/articles/a.en.md": GOOD,
                "content/articles/a.ru.md": article(f"translation_of: {'1' * 64}"),
            },
        ),
        "NL234",
    )

    assert finding.where is not None
    assert (finding.where.path, finding.where.line) == ("content/articles/a.ru.md", 6)


def test_a_link_to_an_article_that_waits_is_told(publication: Make, now: dt.datetime) -> None:
    waiting = GOOD.replace("2026-11-01", "2027-01-01")

    finding = only(
        found(
            publication,
            now,
            {
                "content/articles/a.en.md": article(body="[next](b.en.md)"),
                "content/articles/b.en.md": waiting,
            },
        ),
        "NL235",
    )

    assert finding.level is Level.WARNING


def test_a_letter_missing_in_one_language_is_told(publication: Make) -> None:
    letter = "---\nsubject: S\npreheader: P\n---\nDear reader\n"
    settings = publication(
        {
            "content/issues/2026-12/letter.en.md": letter,
            "content/issues/2026-12/letter.ru.md": letter,
        }
    )

    with pytest.raises(Findings) as problem:
        letters.load(settings, "2026-12")

    assert [finding.code for finding in problem.value.findings] == ["NL232"]
    assert "letter.de.md" in problem.value.findings[0].help


@pytest.mark.parametrize("front", ["subject: [a]\npreheader: P\n", 'subject: "S\n', None])
def test_an_error_above_a_letter_hides_nothing_below_it(
    publication: Make, front: str | None
) -> None:
    above = "" if front is None else f"---\n{front}---\n"
    settings = publication({"content/issues/2026-12/letter.en.md": above + BAD_BODY})

    findings = letters.gather(settings, "2026-12").findings

    assert {"NL220", "NL223", "NL227", "NL240"} < {one.code for one in findings}


def test_an_empty_consent_wording_is_told(publication: Make, now: dt.datetime) -> None:
    only(found(publication, now, {"content/consent/en/1.md": " \n"}), "NL233")


def test_the_tenth_wording_is_younger_than_the_ninth(publication: Make, now: dt.datetime) -> None:
    names = ["10", "9", "2026-11-01", "1"]
    files: dict[str, str | bytes] = {f"content/consent/en/{name}.md": f"{name}\n" for name in names}

    catalogue = content.load(publication(files), now)

    assert [each.version for each in catalogue.wordings["en"]] == ["1", "9", "10", "2026-11-01"]


@pytest.mark.parametrize(
    "alias",
    [
        "/",
        "/index.html",
        "/ru/",
        "/robots.txt",
        "/sitemap.xml",
        "/404.html",
        "/atom.xml",
        "/ru/rss.xml",
        "/topics/cells/feed.json",
        "/assets/x.html",
        "/forms/ask.js",
        "/subscribe",
        "/de/subscribe/",
        "/confirm/x",
        "/leave/x",
        "/preferences/x",
        "/data/",
        "/challenge",
        "/issues/2026-11/",
        "/ru/issues/",
        "/articles/",
        "/articles/index.html",
        "/topics/cells/",
        "/articles/cells/index.html",
    ],
)
def test_an_old_address_never_stands_before_one_of_ours(
    publication: Make, now: dt.datetime, alias: str
) -> None:
    files = {
        "content/topics.toml": '[cells]\nen = "Cells"\nru = "Клетки"\nde = "Zellen"\n',
        "content/articles/cells.en.md": article(f"aliases: [{alias}]"),
    }
    finding = only(found(publication, now, files), "NL210")

    assert finding.where is not None
    assert (finding.where.path, finding.where.line) == ("content/articles/cells.en.md", 6)


@pytest.mark.parametrize("alias", ["/articles/old-cells/", "/blog/2019/cells.html", "/cells/"])
def test_an_old_address_of_the_articles_own_is_kept(
    publication: Make, now: dt.datetime, alias: str
) -> None:
    files = {"content/articles/cells.en.md": article(f"aliases: [{alias}]")}

    assert found(publication, now, files) == []


TABLE = "| week | water |\n|---|--:|\n| 1 | 200 |\n"


@pytest.mark.parametrize(
    ("body", "line", "column", "width"),
    [
        (TABLE + "| 2 | 250 | 300 |\n", 10, 13, 3),
        (TABLE + "| 2 | 250 |  300 | or more |\n", 10, 14, 13),
        (f"{TABLE}\nWords.\n\n{TABLE}| 2 | 250 | then `a|b`\n", 16, 13, 10),
        ("a | b\n--|--\n1 | 2 | 3\n", 9, 9, 1),
        ("a | b\n--|--\n| 1 | 2 |\n", 9, 7, 1),
        ("| a |\n|---|\n| 1 | 2 |\n", 9, 7, 1),
        ("> | a | b |\n> |---|---|\n> | 1 | 2 | 3 |\n", 9, 13, 1),
        ("- One\n\n    | a | b |\n    |---|---|\n    | 1 | 2 | 3 |\n", 11, 15, 1),
        ("::: note\n| a | b |\n|---|---|\n| 1 | 2 | 3 |\n:::\n", 10, 11, 1),
        (
            "Words.[^1]\n\n[^1]: Note\n\n    | a | b |\n    |---|---|\n    | 1 | 2 | 3 |\n",
            13,
            15,
            1,
        ),
        ("| a | b |\n|---|---|\n| {emergency} | 2 | 3 |\n", 9, 1, 23),
        ("| a | b |\n|---|---|\n| 1\t| 2 | 3 |\n", 9, 1, 13),
    ],
)
def test_a_row_with_a_cell_too_many_is_shown_where_it_would_be_cut(
    publication: Make, now: dt.datetime, body: str, line: int, column: int, width: int
) -> None:
    text = article(body=body)

    finding = only(found(publication, now, {"content/articles/a.en.md": text}), "NL244")

    assert finding.where is not None
    assert finding.level is Level.ERROR
    assert (finding.where.line, finding.where.column, finding.where.width) == (line, column, width)
    assert finding.where.text == text.split("\n")[line - 1]


def test_each_row_with_a_cell_too_many_is_told_once(publication: Make, now: dt.datetime) -> None:
    row = "| 2 | 250 | 300 |\n"
    body = f"| a | b | c |\n|---|---|---|\n{row}\n{TABLE}{row}{row}\n{TABLE}{row}"

    findings = found(publication, now, {"content/articles/a.en.md": article(body=body)})

    assert [(one.code, one.where.line) for one in findings if one.where] == [
        ("NL244", 14),
        ("NL244", 15),
        ("NL244", 20),
    ]


@pytest.mark.parametrize(
    "row", ["| 2 |", "| 2 | 250 | |", r"| 2 | 250 \| 300 |", "| 2 | `250 | 300` |", "| 2 | 250 ||"]
)
def test_a_row_that_loses_nothing_is_left_alone(
    publication: Make, now: dt.datetime, row: str
) -> None:
    text = article(body=f"{TABLE}{row}\n")

    assert found(publication, now, {"content/articles/a.en.md": text}) == []


def test_what_stands_wrong_twice_is_shown_at_both_places(
    publication: Make, now: dt.datetime
) -> None:
    body = "[x](javascript:a) [@no]\n\nWords. [x](javascript:a)\n\n[@no] [@no]\n"

    findings = found(publication, now, {"content/articles/a.en.md": article(body=body)})

    assert [(one.code, one.where.line, one.where.column) for one in findings if one.where] == [
        ("NL224", 7, 5),
        ("NL220", 7, 20),
        ("NL224", 9, 12),
        ("NL220", 11, 2),
        ("NL220", 11, 8),
    ]


def test_of_what_is_wrong_without_end_the_first_are_shown_and_the_rest_counted(
    publication: Make, now: dt.datetime
) -> None:
    body = "".join(f"![](images/a.svg) {n}\n\n" for n in range(1000))

    findings = found(
        publication,
        now,
        {"content/articles/a.en.md": article(body=body), "content/images/a.svg": SVG},
    )

    assert {one.code for one in findings} == {"NL223"}
    assert len(findings) == 51
    assert sum("950 more of this kind" in one.what for one in findings) == 1


def test_of_a_long_line_the_part_around_the_place_is_kept(
    publication: Make, now: dt.datetime
) -> None:
    body = "word " * 40_000 + "[x](nowhere.en.md) " + "word " * 40_000 + "\n"

    finding = only(
        found(publication, now, {"content/articles/a.en.md": article(body=body)}), "NL224"
    )

    assert finding.where is not None
    assert finding.where.text is not None
    at = finding.where
    assert at.column == 200_005
    assert len(at.text) == 200
    assert at.text[at.column - at.begins :].startswith("nowhere.en.md) word")
    assert (at.text[0], at.text[-1]) == ("…", "…")


@pytest.mark.parametrize(
    "hostile",
    ["/dev/zero", "topics.toml", "nowhere", b"\xff", b"a = " + b"[" * 20_000, b"a = 1\n\0"],
)
def test_a_list_of_topics_that_cannot_be_read_is_told(
    publication: Make, now: dt.datetime, hostile: str | bytes
) -> None:
    settings = publication({"content/articles/a.en.md": GOOD})
    file = settings.root / "content/topics.toml"
    if isinstance(hostile, bytes):
        file.write_bytes(hostile)
    else:
        file.symlink_to(hostile)

    with pytest.raises(Findings) as problem:
        content.load(settings, now)

    assert [one.code for one in problem.value.findings] in (["NL200"], ["NL217"])


@pytest.mark.parametrize("hostile", ["articles", "nowhere", None])
def test_a_folder_of_texts_that_is_none_is_told(
    publication: Make, now: dt.datetime, hostile: str | None
) -> None:
    settings = publication({"content/pages/a.en.md": "---\ntitle: P\n---\n"})
    folder = settings.root / "content/articles"
    if hostile is None:
        folder.write_text("a file")
    else:
        folder.symlink_to(hostile)

    with pytest.raises(Findings) as problem:
        content.load(settings, now)

    assert [one.code for one in problem.value.findings] == ["NL200"]
