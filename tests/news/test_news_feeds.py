"""feeds.toml, and everything the feeds propose together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from tests.conftest import TOML

from newsletter.config import Settings
from newsletter.content import topics
from newsletter.errors import Findings
from newsletter.news import feeds, proposals
from newsletter.news.item import State

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
Make = Callable[..., Settings]


def feed(name: str, kind: str = "journal", path: str | None = None) -> str:
    return f'[[feed]]\nid = "{name}"\ntitle = "Feed {name}"\nkind = "{kind}"\nlanguage = "en"\npath = "{path or f"feeds/{name}.xml"}"\n'


def rss(*items: tuple[str, str, str]) -> str:
    made = "".join(
        f"<item><title>{title}</title><link>{link}</link><pubDate>{date}</pubDate></item>"
        for title, link, date in items
    )
    return f'<rss version="2.0"><channel><title>t</title>{made}</channel></rss>'


DAY = "Sat, 14 Nov 2026 10:00:00 GMT"


def codes(publication: Make, toml: str) -> list[tuple[str, int | None, str]]:
    settings = publication({"content/feeds.toml": toml})
    with pytest.raises(Findings) as caught:
        feeds.load(settings)
    return [(f.code, f.where.line if f.where else None, f.help) for f in caught.value.findings]


def test_no_file_is_no_feeds(publication: Make) -> None:
    assert feeds.load(publication()) == ()


def test_all_mistakes_are_told_at_their_lines(publication: Make) -> None:
    toml = (
        feed("a").replace("title", "titel")
        + feed("a")
        + feed("b", "blog")
        + feed("c", path="../../secret")
    )
    told = codes(publication, toml + feed("C c"))
    assert ("NL401", 3, "did you mean `title`?") in told
    assert sorted((code, line) for code, line, _ in told) == [
        ("NL401", 3), ("NL402", 1), ("NL402", 16), ("NL402", 24), ("NL402", 26),
    ]  # fmt: skip


def test_the_same_id_twice_is_told(publication: Make) -> None:
    assert [(code, line) for code, line, _ in codes(publication, feed("a") + feed("a"))] == [
        ("NL403", 8)
    ]


def test_a_file_that_is_no_toml_is_told(publication: Make) -> None:
    assert codes(publication, "[[feed]\n")[0][:2] == ("NL400", 1)


def test_a_line_that_is_no_toml_is_shown_with_its_column(publication: Make) -> None:
    settings = publication({"content/feeds.toml": feed("a") + 'path = "b"\n'})
    with pytest.raises(Findings) as caught:
        feeds.load(settings)
    (found,) = caught.value.findings
    assert found.where
    assert (str(found.where), found.where.text) == ("content/feeds.toml:7:11", 'path = "b"')


def test_a_file_that_would_break_its_reader_is_told(publication: Make) -> None:
    assert codes(publication, "a = " + "[" * 20_000)[0][0] == "NL400"
    assert codes(publication, "a = '" + "x" * 1_100_000 + "'\n")[0][0] == "NL400"
    settings = publication()
    (settings.root / "content/feeds.toml").unlink()
    (settings.root / "content/feeds.toml").symlink_to("nowhere")
    with pytest.raises(Findings) as caught:
        feeds.load(settings)
    assert caught.value.findings[0].code == "NL400"


@pytest.mark.parametrize("toml", ["feed = [1]\n", "feed = [[]]\n", 'feed = ["a", {id = "b"}]\n'])
def test_a_list_of_what_is_no_table_is_told(publication: Make, toml: str) -> None:
    assert codes(publication, toml) == [("NL402", 1, "write [[feed]], with two brackets")]


def test_a_byte_order_mark_is_no_mistake(publication: Make) -> None:
    settings = publication(
        {"content/feeds.toml": "\ufeff" + feed("a"), "content/topics.toml": "\ufeff[cells]\n"},
        "\ufeff" + TOML,
    )
    assert [each.id for each in feeds.load(settings)] == ["a"]
    assert topics.read(settings.root, ("de",))[0] == {"cells": {}}


def test_a_feed_needs_one_place_and_only_one(publication: Make) -> None:
    both = feed("a") + 'url = "https://a.example/f"\n'
    assert codes(publication, both)[0][0] == "NL402"
    assert (
        codes(publication, feed("a").replace("path = ", 'url = "ftp://a.example/f"\n#'))[0][0]
        == "NL402"
    )


def test_one_bad_feed_never_stops_the_others(publication: Make) -> None:
    settings = publication(
        {
            "content/feeds.toml": feed("good") + feed("gone") + feed("page"),
            "content/feeds/good.xml": rss(
                ("Shorter infusions tested in lung cancer", "https://g.example/1", DAY)
            ),
            "content/feeds/page.xml": "<html>Not a feed</html>",
        }
    )
    found = proposals.items(settings, NOW)
    assert [item.title for item in found.items] == ["Shorter infusions tested in lung cancer"]
    assert [health.state for health in found.health] == [State.OK, State.FAILED, State.FAILED]


def test_old_items_are_left_out_and_counted(publication: Make) -> None:
    settings = publication(
        {
            "content/feeds.toml": feed("a"),
            "content/feeds/a.xml": rss(
                ("Old", "https://a.example/1", "Mon, 01 Jun 2026 10:00:00 GMT"),
                ("New", "https://a.example/2", DAY),
            ),
        }
    )
    found = proposals.items(settings, NOW)
    assert ([item.title for item in found.items], found.old) == (["New"], 1)


def test_the_same_paper_from_two_feeds_is_one_proposal_from_the_better_source(
    publication: Make,
) -> None:
    settings = publication(
        {
            "content/feeds.toml": feed("press", "press release") + feed("journal"),
            "content/feeds/press.xml": rss(
                ("Breakthrough!", "https://press.example/x?doi=10.1000/abc", DAY)
            ),
            "content/feeds/journal.xml": rss(
                ("A randomised trial", "https://doi.org/10.1000/ABC", DAY)
            ),
        }
    )
    (item,) = proposals.items(settings, NOW).items
    assert (item.title, item.also) == ("A randomised trial", ("Feed press",))


def test_groups_join_through_a_third_report(publication: Make) -> None:
    one = ("Report alpha", "https://a.example/?d=10.1000/one", DAY)
    two = ("Report beta", "https://b.example/?d=NCT01234567", DAY)
    both = ("Report gamma", "https://c.example/?d=10.1000/one&amp;n=NCT01234567", DAY)
    settings = publication(
        {"content/feeds.toml": feed("a"), "content/feeds/a.xml": rss(one, two, both)}
    )
    assert len(proposals.items(settings, NOW).items) == 1


def test_what_an_issue_already_told_is_not_proposed_again(publication: Make) -> None:
    settings = publication(
        {
            "content/feeds.toml": feed("a"),
            "content/feeds/a.xml": rss(("Told before", "https://a.example/1?utm_source=x", DAY)),
            "content/issues/2026-11/edition.toml": '[[news]]\nid = "a-1"\nkeys = ["url:a.example/1"]\n',
        }
    )
    found = proposals.items(settings, NOW)
    assert (found.items, found.known) == ((), 1)
