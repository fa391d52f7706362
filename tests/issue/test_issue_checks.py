"""Every gate speaks when it should, and only then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.issue import kit

from newsletter import config
from newsletter.checks import clients, hosts, links, reading, sizes, wording
from newsletter.checks.issue import gates
from newsletter.checks.markup import colour, declarations, elements
from newsletter.checks.placeholders import placeholders, unsendable
from newsletter.config import Settings
from newsletter.errors import Finding, Findings, Level
from newsletter.flows.approve import approve
from newsletter.issue.compose import Draft, compose
from newsletter.issue.edition import TOKEN_SLOT, Edition

Make = Callable[..., Settings]
LETTER = "content/issues/2026-12/letter.en.md"


def mail(html: str, text: str = TOKEN_SLOT) -> Edition:
    return Edition("en", "Cells", "What cells do.", html, text, "")


def draft(publication: Make, files: dict[str, str] | None = None) -> tuple[Settings, Draft]:
    settings = publication({**kit.month(), **(files or {})}, kit.TOML)
    return settings, compose(settings, kit.DECEMBER)


def told(settings: Settings, made: Draft) -> list[Finding]:
    return [finding for finding in gates(settings, made, kit.NOW) if finding.code != "NL459"]


def test_a_good_issue_has_nothing_to_correct(publication: Make) -> None:
    settings, made = draft(publication)
    assert {finding.code for finding in told(settings, made)} == {"NL476"}


def test_languages_that_lack_something_are_told(publication: Make) -> None:
    settings, made = draft(publication)
    whats = [finding.what for finding in told(settings, made)]
    assert "2 of 3 stories have no ru version: scans, papers" in whats
    assert "the news of the ru letter stand in en" in whats
    assert "1 of 3 stories have no de version: papers" in whats


def test_a_mail_over_the_limit_says_which_stories_to_shorten(publication: Make) -> None:
    long = "An explanation that goes on. " * 12
    many = {
        f"content/articles/story-{n:02}.en.md": kit.article(f"Story {n}", more=kit.PICTURE).replace(
            "This is the second.", long if n in (3, 7) else "This is the second."
        )
        for n in range(30)
    }
    settings, made = draft(publication, many)
    (finding,) = [f for f in told(settings, made) if f.code == "NL467"]
    assert finding.level is Level.ERROR
    assert "90,000" in finding.what
    assert "“Story 3”" in finding.help
    assert "“Story 7”" in finding.help
    assert "for the next issue" in finding.help
    with pytest.raises(Findings):
        approve(settings, kit.DECEMBER, "Editor", kit.NOW)


def test_twenty_stories_fit(publication: Make) -> None:
    many = {
        f"content/articles/story-{n:02}.en.md": kit.article(f"Story {n}", more=kit.PICTURE)
        for n in range(17)
    }
    settings, made = draft(publication, many)
    assert len(made.views[0].stories) == 20
    assert not [f for f in told(settings, made) if f.code == "NL467" and f.level is Level.ERROR]


def test_near_the_limit_is_a_warning(publication: Make) -> None:
    _, made = draft(publication)
    near = replace(made.editions[0], html=made.editions[0].html + "x" * 30_000)
    assert sizes.too_large(near, made.views[0]) == []
    near = replace(near, html=near.html.ljust(85_000))
    assert [f.level for f in sizes.too_large(near, made.views[0])] == [Level.WARNING]


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://t.example/p.gif" alt="">',
        f'<img src="{kit.SITE}/p.png?r=1" alt="">',
        '<link rel="stylesheet" href="https://f.example/x.css">',
        "<style>@import 'https://f.example/x.css';</style>",
        '<div style="background:url(https://f.example/x.png)">',
        "<style>@font-face { font-family: x }</style>",
        "<script>1</script>",
        '<form action="/x">',
        '<p onclick="x()">',
        "<iframe></iframe>",
    ],
)
def test_whatever_asks_for_more_than_itself_is_told(html: str) -> None:
    assert {f.code for f in hosts.foreign(mail(html), elements(html), kit.SITE)} == {"NL468"}


def test_our_own_picture_is_nobody_elses() -> None:
    html = f'<img src="{kit.SITE}/issues/2026-12/pictures/x.png" alt="x">'
    assert hosts.foreign(mail(html), elements(html), kit.SITE) == []


def test_a_link_that_tells_who_came_is_told(publication: Make) -> None:
    news = kit.NEWS.replace("?a=1&b=2", "?a=1&utm_source=letter")
    settings, made = draft(publication, {LETTER: kit.letter("en", news)})
    assert [f.code for f in told(settings, made) if f.level is Level.ERROR] == ["NL469"] * 2
    html = '<a href="https://a.example/?id=7&ref=x">x</a>'
    assert hosts.tracking(mail(html), elements(html)) == []


@pytest.mark.parametrize("html", ['<img src="a/b.png">', '<img src="a/b.png" alt="cells-1.PNG">'])
def test_a_picture_without_words_is_told(html: str) -> None:
    assert [f.code for f in reading.alt_texts(mail(html), elements(html))] == ["NL470"]


def test_a_decorative_picture_may_be_silent() -> None:
    html = '<img src="a/b.png" alt="">'
    assert reading.alt_texts(mail(html), elements(html)) == []


@pytest.mark.parametrize(
    "html",
    ["<h2>x</h2>", "<h1>x</h1><h3>y</h3>", "<h1>x</h1><h1>y</h1>", "<h2>x</h2><h1>y</h1>", ""],
)
def test_headings_out_of_order_are_told(html: str) -> None:
    assert {f.code for f in reading.headings(mail(html), elements(html))} == {"NL471"}


def test_a_letter_that_skips_a_level_is_told(publication: Make) -> None:
    letter = kit.letter("en", kit.NEWS, "Dear reader,\n\n#### Too deep\n\nwords")
    settings, made = draft(publication, {LETTER: letter})
    assert "NL471" in [f.code for f in told(settings, made)]


@pytest.mark.parametrize(
    ("html", "count"),
    [
        ('<p style="color:#999999">pale</p>', 1),
        ('<div style="background:#fff"><p style="color:#777">pale</p></div>', 1),
        ('<td bgcolor="#0a6a66"><a style="color:#ffffff">good</a></td>', 0),
        ('<div style="display:none;color:#fff">hidden</div>', 0),
        ('<p style="color:#999999"> · </p>', 0),
        ("<p>black on white</p>", 0),
    ],
)
def test_pale_words_are_told(html: str, count: int) -> None:
    found = reading.pale(mail(html), elements(html))
    assert [f.code for f in found] == ["NL472"] * count


def test_a_link_called_here_is_told(publication: Make) -> None:
    letter = kit.letter("en", kit.NEWS, "Dear reader,\n\nsee [here](https://a.example/).")
    settings, made = draft(publication, {LETTER: letter})
    assert [f.code for f in told(settings, made) if f.level is Level.ERROR] == ["NL473"]


@pytest.mark.parametrize(
    ("subject", "preheader", "count"),
    [
        ("x" * 61, "x" * 60, 1),
        ("Short", "Too short", 1),
        ("x" * 60, "x" * 130, 0),
        ("x" * 61, "x" * 131, 2),
    ],
)
def test_what_the_inbox_would_cut_is_told(
    publication: Make, subject: str, preheader: str, count: int
) -> None:
    _, made = draft(publication)
    letter = replace(made.issue.selections[0].letter, subject=subject, preheader=preheader)
    assert [f.code for f in wording.inbox(letter)] == ["NL474"] * count


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (f"slot-0001-words {TOKEN_SLOT}", TOKEN_SLOT),
        (f"{{% if x {TOKEN_SLOT}", TOKEN_SLOT),
        (TOKEN_SLOT, f"%(number)s {TOKEN_SLOT}"),
        (TOKEN_SLOT, f"TODO: write {TOKEN_SLOT}"),
        (TOKEN_SLOT, f"Dear [name], {TOKEN_SLOT}"),
        (TOKEN_SLOT, "no way out"),
        ("no way out", TOKEN_SLOT),
        (f"{TOKEN_SLOT} TOKEN-SLOT-32-characters-long-X", TOKEN_SLOT),
        (f"<mj-text>{TOKEN_SLOT}", TOKEN_SLOT),
    ],
)
def test_what_was_left_behind_is_told(html: str, text: str) -> None:
    assert [f.code for f in wording.left_behind(mail(html, text))] == ["NL475"]


def test_a_token_in_the_archive_would_be_everybodys() -> None:
    assert wording.left_behind(replace(mail(TOKEN_SLOT), body=TOKEN_SLOT))[0].code == "NL475"


def test_a_link_to_a_page_that_will_not_be_there_is_told(publication: Make) -> None:
    letter = kit.letter("en", kit.NEWS, "Dear reader,\n\nsee [our page](/nowhere/) and [home](/).")
    settings, made = draft(publication, {LETTER: letter})
    assert [
        (f.code, "/nowhere/" in f.what) for f in told(settings, made) if f.level is Level.ERROR
    ] == [("NL477", True)]


def test_links_to_the_forms_are_answered_by_the_forms() -> None:
    html = (
        f'<a href="{kit.SITE}/leave/{TOKEN_SLOT}">x</a><a href="https://elsewhere.example/x">y</a>'
    )
    assert links.nowhere(mail(html), elements(html), kit.SITE, set()) == []


@pytest.mark.parametrize(
    ("day", "level"), [("2027-01-02", Level.ERROR), ("2026-09-01", Level.WARNING)]
)
def test_news_from_another_time_are_told(publication: Make, day: str, level: Level) -> None:
    letter = kit.letter("en", kit.NEWS.replace("2026-11-18", day))
    german = kit.letter("de")
    settings, made = draft(publication, {LETTER: letter, LETTER.replace("en.md", "de.md"): german})
    assert [f.level for f in told(settings, made) if f.code == "NL478"] == [level]


@pytest.mark.parametrize(
    ("html", "level"),
    [
        ('<p style="position:absolute">', Level.ERROR),
        ('<p style="display:flex">', Level.ERROR),
        ("<style>@media (max-width:479px){.x{float:left!important}}</style>", Level.ERROR),
        ("<style>@container x { p { color: red } }</style>", Level.WARNING),
        ('<p style="accent-color:red">', Level.WARNING),
        ('<p style="text-shadow:1px 1px #000000">', Level.WARNING),
        ('<p style="background-image:url(x)">', Level.ERROR),
        ("<form>", Level.ERROR),
        ("<blink>", Level.WARNING),
    ],
)
def test_what_some_client_cannot_show_is_told(html: str, level: Level) -> None:
    found = clients.unsupported(mail(html), elements(html))
    assert [(f.code, f.level) for f in found] == [("NL479", level)]


@pytest.mark.parametrize(
    ("name", "value", "slug"),
    [
        ("padding-left", "1px", "css-padding"),
        ("display", "flex", "css-display-flex"),
        ("display", "block", "css-display"),
        ("border-bottom", "0", "css-border"),
        ("border-radius", "2px", "css-border-radius"),
        ("<h2>", "", "html-h1-h6"),
        ("@media", "", "css-at-media"),
        ("color", "#000000", None),
    ],
)
def test_a_use_finds_its_entry_in_the_data(name: str, value: str, slug: str | None) -> None:
    assert clients.feature(name, value) == slug


def test_who_does_not_show_it_is_named() -> None:
    html = '<p style="display:flex">'
    (found,) = clients.unsupported(mail(html), elements(html))
    assert "`display:flex`, and" in found.what
    assert "clients do not show it: " in found.what


def test_every_judgement_is_about_something_in_the_data_and_is_needed() -> None:
    data = clients.support()
    assert set(clients.ACCEPTED) <= set(data)
    assert set(data) >= clients.BREAKS
    assert not clients.BREAKS & set(clients.ACCEPTED)
    for slug in clients.ACCEPTED:
        assert data[slug].lacking or data[slug].partly, slug


def test_a_broken_template_of_ones_own_stops_the_approval_with_every_reason(
    publication: Make,
) -> None:
    own = (
        '<mj-section><mj-column><mj-text color="#cccccc">{% call slot() %}<h1>{{ view.frame.why }}</h1>'
        '<img src="https://t.example/pixel.gif"><div style="position:fixed">{{ view.frame.postal }}</div>'
        "{% endcall %}</mj-text></mj-column></mj-section>"
    )
    settings = publication({**kit.month(), "templates/mail/_foot.mjml.j2": own}, kit.TOML)
    with pytest.raises(Findings) as caught:
        approve(settings, kit.DECEMBER, "Editor", kit.NOW)
    codes = {finding.code for finding in caught.value.findings if finding.level is Level.ERROR}
    assert codes == {"NL466", "NL468", "NL470", "NL471", "NL472", "NL479"}


def test_placeholders_are_errors_where_the_gate_says_so(publication: Make) -> None:
    settings, made = draft(publication)
    found = placeholders(settings, made.editions)
    assert {f.level for f in found} == {Level.ERROR}
    assert {f.what.split()[0] for f in found} == {"`sender.address`", "`sender.list_id`", "the"}


def test_placeholders_are_not_sent_except_from_this_machine_to_itself(publication: Make) -> None:
    settings, made = draft(publication)
    assert unsendable(settings, made.editions) == []
    kit.edit(settings, "newsletter.toml", "http://127.0.0.1:8000", "https://letter.kupov-clinic.de")
    settings = config.load(settings.root)
    found = unsendable(settings, compose(settings, kit.DECEMBER).editions)
    assert {(f.code, f.level) for f in found} == {("NL459", Level.ERROR)}


def test_a_real_sender_sends_no_link_that_opens_on_this_machine_alone(publication: Make) -> None:
    settings, made = draft(publication)
    kit.edit(settings, "newsletter.toml", "letter@letter.example.org", "letter@kupov-clinic.de")
    settings = config.load(settings.root)
    warned = [f for f in gates(settings, made, kit.NOW) if "`publication.url`" in f.what]
    found = unsendable(settings, made.editions)
    assert [(f.code, f.level) for f in warned] == [("NL459", Level.WARNING)]
    assert [(f.code, f.level) for f in found] == [("NL459", Level.ERROR)]
    assert "http://127.0.0.1:8000, which opens on this machine alone" in found[0].what


def test_a_mail_frozen_for_another_address_is_not_sent(publication: Make) -> None:
    settings, made = draft(publication)
    kit.edit(settings, "newsletter.toml", "http://127.0.0.1:8000", "http://127.0.0.1:9000")
    found = unsendable(config.load(settings.root), made.editions)
    assert {(f.code, f.level) for f in found} == {("NL487", Level.ERROR)}
    assert "http://127.0.0.1:9000" in found[0].what


def test_colours_and_declarations_are_read_as_browsers_do() -> None:
    assert (colour("#FfF"), colour("rgb(1,2,3)"), colour("1px solid #a1b2c3")) == (
        "#ffffff",
        None,
        "#a1b2c3",
    )
    assert declarations("Color: red; ; x; color:blue") == {"color": "blue"}
    (_, inner) = elements('<div style="color:#111111;background:#222222"><p>x</p></div>')
    assert (inner.color, inner.ground) == ("#111111", "#222222")


def test_overdue_counts_from_today_when_the_issue_is_late(publication: Make) -> None:
    soon = "{last: 2024-01-01, next: 2026-12-03, by: [{name: A. Clinician, role: clinical}]}"
    settings, made = draft(
        publication, {"content/articles/papers.en.md": kit.article("Papers", review=soon)}
    )
    late = kit.NOW + dt.timedelta(days=7)
    assert "NL458" not in [f.code for f in gates(settings, made, kit.NOW)]
    assert "NL458" in [f.code for f in gates(settings, made, late)]
