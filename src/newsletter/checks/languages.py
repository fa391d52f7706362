"""Is the issue whole in every language? What is not is told, never hidden."""

from __future__ import annotations

from newsletter.errors import Finding, Level, Where
from newsletter.issue.assemble import Issue, Selection


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
