"""Is everything there in every language? What is not is told, never hidden.

Of the publication: its standing pages, its texts, the words that readers agree
to, the names of its topics, and the program's own words. Asked of the files'
names alone, so that a text with an error keeps nothing back. Of an issue: its
stories and its news.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from newsletter.config import FILE_NAME, Settings
from newsletter.content import texts, topics
from newsletter.errors import Finding, Level, Where
from newsletter.issue.assemble import Issue, Selection
from newsletter.language import SPOKEN, spoken

NEEDED = ("privacy",)
"""Pages that a publication has in each of its languages (GDPR Art. 12 and 13)."""


def unready(settings: Settings) -> list[Finding]:
    """What a language of the publication lacks.

    NL142 the words to agree to, NL218 a page, a topic's name or any article,
    NL219 the program's own words: warnings. NL636 the page that must name who
    is under [processors].
    """
    return [*_pages(settings), *_wordings(settings), *_topics(settings), *_words(settings)]


def _pages(settings: Settings) -> Iterator[Finding]:
    known = texts.named(settings.root, "pages")
    languages = settings.publication.languages
    wanted = sorted({id_ for id_, tag in known if tag in languages} | set(NEEDED))
    for tag in languages:
        for id_ in wanted:
            if (id_, tag) in known:
                continue
            path = f"content/pages/{id_}.{tag}.md"
            if id_ == "privacy" and settings.processors:
                yield Finding(
                    "NL636",
                    f"there is no privacy page in {tag} to name who is under [processors]",
                    Where(FILE_NAME),
                    help=f"write {path}; the names are put at its end by themselves",
                )
            else:
                yield _lacks(f"there is no page `{id_}` in {tag}", path, f"write {path}")
    articles = texts.named(settings.root, "articles")
    for tag in languages:
        if articles and not any(tag == other for _, other in articles):
            what = f"there is no article in {tag}: its pages list nothing"
            id_ = min(articles)[0]
            path = f"content/articles/{id_}.{tag}.md"
            yield _lacks(what, "content/articles", f"translate one, for example as {path}")


def _wordings(settings: Settings) -> Iterator[Finding]:
    """NL142 for each language in which nobody can sign up, because no words to agree to are there."""
    for tag in settings.publication.languages:
        if not any(settings.path(f"content/consent/{tag}").glob("*.md")):
            yield Finding(
                "NL142",
                f"there is no consent wording in {tag}: its sign-up form stays closed",
                Where(f"content/consent/{tag}"),
                help=f"write the sentence that people agree to into content/consent/{tag}/1.md",
                level=Level.WARNING,
            )


def _topics(settings: Settings) -> Iterator[Finding]:
    languages = settings.publication.languages
    known, _ = topics.read(settings.root, languages)
    nameless: dict[str, list[str]] = defaultdict(list)
    for topic, names in known.items():
        for tag in languages[1:]:  # the first one's is an error of the file itself
            if tag not in names:
                nameless[tag].append(topic)
    for tag, found in nameless.items():
        yield _lacks(
            f"{len(found)} topic{'' if len(found) == 1 else 's'} ({', '.join(found)})"
            f" without a name in {tag}: its pages show the one in {languages[0]}",
            topics.FILE,
            f'write {tag} = "..." below [{found[0]}]',
        )


def _words(settings: Settings) -> Iterator[Finding]:
    for tag in settings.publication.languages:
        if spoken(tag) is None:
            yield Finding(
                "NL219",
                f"the program itself has no words in {tag}: forms, buttons and the mail's frame are in English",
                Where(FILE_NAME),
                help=f"it speaks {', '.join(SPOKEN)}; leave {tag} out of `languages`,"
                " or translate the program first (`newsletter explain NL219`)",
                level=Level.WARNING,
            )


def _lacks(what: str, path: str, help_text: str) -> Finding:
    return Finding("NL218", what, Where(path), help=help_text, level=Level.WARNING)


def incomplete(issue: Issue) -> list[Finding]:
    """NL476 (a warning) for each language that lacks a translation of a story or of the news' notes."""
    found = []
    for selection in issue.selections:
        missing = [article.id for article in selection.elsewhere]
        if missing:
            what = f"{len(missing)} of {len(missing) + len(selection.stories)} stories have no {selection.language} version: {', '.join(missing)}"
            found.append(
                _told(
                    selection,
                    what,
                    f"write content/articles/{missing[0]}.{selection.language}.md; until then readers get a link marked with its language",
                )
            )
        if selection.news and selection.news_language != selection.language:
            what = f"the news of the {selection.language} letter stand in {selection.news_language}"
            found.append(
                _told(
                    selection,
                    what,
                    "pick them with a note in this language: `newsletter news pick ID --note ...`",
                )
            )
        if not selection.stories and not selection.news:
            what = (
                f"the {selection.language} letter holds nothing in its own language but the letter"
            )
            found.append(_told(selection, what, "translate at least one story"))
    return found


def _told(selection: Selection, what: str, help_text: str) -> Finding:
    return Finding(
        "NL476", what, Where(selection.letter.source.path), help=help_text, level=Level.WARNING
    )
