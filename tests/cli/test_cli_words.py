"""init, new, check and news, on a publication as a newcomer has it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli.new import slug

Newsletter = Callable[..., Any]


def test_init_asks_nothing_and_says_what_to_do_next(newsletter: Newsletter, tmp_path: Path) -> None:
    ran = newsletter("init", "my-letter")

    assert ran.code == 0
    assert ran.out == "my-letter\n"
    assert "1. cd my-letter" in ran.err
    assert (tmp_path / "my-letter" / "newsletter.toml").is_file()


def test_init_into_a_full_folder_touches_nothing(newsletter: Newsletter, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", "utf-8")

    ran = newsletter("init", "full")

    assert ran.code == 2
    assert "error[NL180]" in ran.err
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


def test_a_fresh_publication_has_nothing_to_complain_about(
    letter: Path, newsletter: Newsletter
) -> None:
    ran = newsletter("check")

    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "nothing is wrong · 1 article published\n"


def test_a_new_article_is_whole_and_published(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("new", "article", 'Why "we" write: a letter')

    assert ran.out == "content/articles/why-we-write-a-letter.en.md\n"
    assert newsletter("check").code == 0
    assert "2 articles published" in newsletter("check").err


def test_a_new_article_never_replaces_one(letter: Path, newsletter: Newsletter) -> None:
    newsletter("new", "article", "Coffee")
    path = letter / "content/articles/coffee.en.md"
    path.write_text("mine", "utf-8")

    ran = newsletter("new", "article", "Coffee!")

    assert ran.code == 2
    assert "error[NL132]" in ran.err
    assert path.read_text("utf-8") == "mine"


def test_a_build_can_be_verified_and_says_what_it_cost(
    letter: Path, newsletter: Newsletter
) -> None:
    newsletter("build")

    ran = newsletter("build", "--verify", "--stats")

    assert ran.code == 0
    assert ran.out == "public\n"
    assert "0 files written" in ran.err
    assert "every byte is what is made anew" in ran.err
    assert " s  " in ran.err


def test_an_article_in_a_language_nobody_reads_is_refused(
    letter: Path, newsletter: Newsletter
) -> None:
    ran = newsletter("new", "article", "Кофе", "--language", "ru")

    assert ran.code == 2
    assert "error[NL133]" in ran.err


def test_a_title_that_makes_no_file_name_asks_for_one(letter: Path, newsletter: Newsletter) -> None:
    assert "error[NL134]" in newsletter("new", "article", "咖啡").err
    assert newsletter("new", "article", "咖啡", "--id", "coffee").code == 0


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Что такое PD-L1?", "chto-takoe-pd-l1"),
        ("Größe zählt", "groesse-zaehlt"),
        ("Café & Crème", "cafe-creme"),
        ("объём", "obieem"),
        ("!!!", ""),
        ("a" * 80, "a" * 60),
    ],
)
def test_a_title_becomes_a_plain_file_name(title: str, name: str) -> None:
    assert slug(title) == name


def test_a_new_issue_is_the_next_without_a_letter(letter: Path, newsletter: Newsletter) -> None:
    first = newsletter("new", "issue").out
    second = newsletter("new", "issue").out

    assert first != second
    assert (letter / first.strip()).is_file()
    assert newsletter("check").code == 0


def test_a_month_that_is_none_is_refused(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("new", "issue", "December")

    assert ran.code == 2
    assert "error[NL450]" in ran.err


def test_findings_of_every_file_are_shown_at_once(letter: Path, newsletter: Newsletter) -> None:
    newsletter("new", "article", "One")
    newsletter("new", "article", "Two")
    for name in ("one", "two"):
        file = letter / f"content/articles/{name}.en.md"
        file.write_text(file.read_text("utf-8").replace("published:", "pubished:"), "utf-8")

    ran = newsletter("check")

    assert ran.code == 1
    assert "content/articles/one.en.md:4:1" in ran.out
    assert "content/articles/two.en.md:4:1" in ran.out
    assert ran.out.count("did you mean `published`?") == 2


def test_check_looks_at_letters_feeds_and_frozen_bytes(
    letter: Path, newsletter: Newsletter
) -> None:
    newsletter("issue", "approve", "--by", "Editor")
    frozen = next(letter.glob("content/issues/*/en.txt"))
    frozen.write_text(frozen.read_text("utf-8") + "P.S.", "utf-8")
    path = letter / newsletter("new", "issue").out.strip()
    path.write_text(path.read_text("utf-8").replace("subject:", "subjct:"), "utf-8")
    feeds = letter / "content" / "feeds.toml"
    feeds.write_text(feeds.read_text("utf-8").replace("title =", "titel ="), "utf-8")

    ran = newsletter("check")

    assert ran.code == 1
    for code, where in (("NL462", frozen), ("NL201", path), ("NL401", feeds)):
        assert code in ran.out
        assert str(where.relative_to(letter)) in ran.out


def test_check_reads_the_body_of_a_letter_that_is_not_frozen(
    letter: Path, newsletter: Newsletter
) -> None:
    (path,) = letter.glob("content/issues/*/letter.en.md")
    path.write_text(
        path.read_text("utf-8").replace("subject:", "subjct:")
        + "\n[x](article:nothing)\n\n![A bud](images/nothing.svg)\n\n<div>x</div>\n",
        "utf-8",
    )

    ran = newsletter("check", "--format", "json")

    codes = [each["code"] for each in json.loads(ran.out)["findings"]]
    assert codes == ["NL202", "NL201", "NL224", "NL222", "NL226"]


def languages(letter: Path, *tags: str) -> None:
    file = letter / "newsletter.toml"
    listed = "languages = [" + ", ".join(f'"{tag}"' for tag in tags) + "]"
    file.write_text(file.read_text("utf-8").replace('languages = ["en"]', listed), "utf-8")


def told(newsletter: Newsletter) -> dict[tuple[str, str], str]:
    """(code, path) of each finding of check, with its level."""
    found = json.loads(newsletter("check", "--format", "json").out)["findings"]
    return {(each["code"], each["path"]): each["level"] for each in found}


def test_check_says_what_a_new_language_lacks(letter: Path, newsletter: Newsletter) -> None:
    languages(letter, "en", "de")
    (period,) = (path.name for path in (letter / "content/issues").iterdir())

    assert told(newsletter) == {
        ("NL142", "content/consent/de"): "warning",
        ("NL218", "content/articles"): "warning",
        ("NL218", "content/pages/about.de.md"): "warning",
        ("NL218", "content/pages/privacy.de.md"): "warning",
        ("NL218", "content/pages/subscribe.de.md"): "warning",
        ("NL218", "content/topics.toml"): "warning",
        ("NL232", f"content/issues/{period}/letter.de.md"): "error",
    }


def test_a_language_that_has_everything_lacks_nothing(letter: Path, newsletter: Newsletter) -> None:
    languages(letter, "en", "de")
    for file in [*letter.glob("content/*/*.en.md"), *letter.glob("content/issues/*/*.en.md")]:
        other = file.with_name(file.name.replace(".en.", ".de."))
        other.write_text(file.read_text("utf-8").replace(".en.md", ".de.md"), "utf-8")
    (letter / "content/consent/de").mkdir()
    (letter / "content/consent/de/1.md").write_text("Ja, bitte.\n", "utf-8")
    topics = letter / "content/topics.toml"
    topics.write_text(topics.read_text("utf-8").replace("en = ", 'de = "Ein Thema"\nen = '))

    assert told(newsletter) == {}


def test_what_a_language_lacks_is_told_beside_what_is_wrong(
    letter: Path, newsletter: Newsletter
) -> None:
    languages(letter, "en", "fr")
    (letter / "content/pages/privacy.en.md").write_text("---\ntitel: x\n---\n", "utf-8")

    found = told(newsletter)

    assert found["NL201", "content/pages/privacy.en.md"] == "error"
    assert found["NL218", "content/pages/privacy.fr.md"] == "warning"
    assert found["NL219", "newsletter.toml"] == "warning"


def test_a_publication_needs_a_privacy_page(letter: Path, newsletter: Newsletter) -> None:
    (letter / "content/pages/privacy.en.md").unlink()

    assert told(newsletter)["NL218", "content/pages/privacy.en.md"] == "warning"


def test_a_new_language_gets_its_letter_beside_the_others(
    letter: Path, newsletter: Newsletter
) -> None:
    languages(letter, "en", "de-AT")
    (period,) = (path.name for path in (letter / "content/issues").iterdir())

    ran = newsletter("new", "issue", period)
    again = newsletter("new", "issue", period)

    assert ran.out == f"content/issues/{period}/letter.de-AT.md\n"
    assert "Guten Tag" in (letter / ran.out.strip()).read_text("utf-8")
    assert again.code == 2
    assert again.err.count("error[NL132]") == 2


def test_a_letter_that_nobody_would_get_is_told(letter: Path, newsletter: Newsletter) -> None:
    (path,) = letter.glob("content/issues/*/letter.en.md")
    path.with_name("letter.de.md").write_bytes(path.read_bytes())

    where = path.with_name("letter.de.md").relative_to(letter).as_posix()
    assert told(newsletter) == {("NL212", where): "error"}


def test_check_of_one_file_shows_that_file_alone(letter: Path, newsletter: Newsletter) -> None:
    newsletter("new", "article", "One")
    file = letter / "content/articles/one.en.md"
    file.write_text("no front matter", "utf-8")

    assert newsletter("check", "content/articles/one.en.md").code == 1
    assert newsletter("check", "content/pages").code == 0
    assert "error[NL135]" in newsletter("check", "content/artcles").err


def test_check_speaks_json_on_stdout(letter: Path, newsletter: Newsletter) -> None:
    (letter / "content/articles/bad.en.md").write_text("---\ntitle: [\n---\n", "utf-8")

    ran = newsletter("check", "--format", "json")

    assert ran.code == 1
    found = json.loads(ran.out)
    assert found["findings"][0]["path"] == "content/articles/bad.en.md"


def test_a_picked_item_stands_in_the_letter(letter: Path, newsletter: Newsletter) -> None:
    items = json.loads(newsletter("news", "list", "--json").out)["items"]

    ran = newsletter("news", "pick", items[1]["id"], "--note", "It is near.")

    assert ran.code == 0
    assert items[1]["url"] in (letter / ran.out.strip()).read_text("utf-8")


def test_an_item_nobody_proposes_is_refused(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("news", "pick", "nothing-00000000", "--note", "x")

    assert ran.code == 2
    assert "error[NL130]" in ran.err


def test_an_item_without_an_open_letter_is_refused(letter: Path, newsletter: Newsletter) -> None:
    items = json.loads(newsletter("news", "list", "--json").out)["items"]
    for path in letter.glob("content/issues/*/letter.*"):
        path.unlink()

    assert "error[NL131]" in newsletter("news", "pick", items[0]["id"], "--note", "x").err


def test_an_approved_letter_is_opened_again_by_the_command_that_is_named(
    letter: Path, newsletter: Newsletter
) -> None:
    """What an editor does who found a mistake after the approval."""
    newsletter("issue", "approve", "--by", "Editor")

    ran = newsletter("issue", "draft")

    assert ran.code == 2
    assert "the newest, is approved" in ran.err
    command = re.search(r"`newsletter (issue withdraw \S+)`", ran.err)
    assert command
    assert newsletter(*command[1].split()).code == 0
    assert newsletter("issue", "draft").code == 0


def test_commands_work_from_a_folder_below(
    letter: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    (letter / "content/articles/bad.en.md").write_text("x", "utf-8")
    monkeypatch.chdir(letter / "content")

    assert "--> articles/bad.en.md" in newsletter("check").out


def test_without_a_publication_the_way_in_is_shown(newsletter: Newsletter) -> None:
    ran = newsletter("check")

    assert ran.code == 2
    assert "error[NL101]" in ran.err
    assert "newsletter init my-letter" in ran.err


def test_quiet_is_silent_on_success(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("check", "--quiet")

    assert (ran.code, ran.out, ran.err) == (0, "", "")


@pytest.mark.parametrize("title", ["A letter " * 60, "A \u202eletter", "A \x07 letter", "A \udcff"])
def test_no_article_is_begun_that_check_would_refuse(
    letter: Path, newsletter: Newsletter, title: str
) -> None:
    before = sorted(letter.rglob("content/articles/*"))
    ran = newsletter("new", "article", title, "--id", "begun")

    assert ran.code == 1
    assert "error[NL213]" in ran.err or "error[NL208]" in ran.err
    assert "Nothing was written." in ran.err
    assert sorted(letter.rglob("content/articles/*")) == before
