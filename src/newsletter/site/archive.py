"""Past letters: the list of those that were sent, and the page of each that is frozen."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.content import urls
from newsletter.site import frame, letters
from newsletter.site.facts import Facts
from newsletter.site.letters import Sent
from newsletter.site.sheet import Sheet, Values


def sheets(facts: Facts, tag: str) -> Iterator[Sheet]:
    """The list, then every frozen letter: built as soon as it is approved, listed once it is sent."""
    listed = [sent for sent in facts.letters if sent.listed and tag in sent.editions]
    yield frame.sheet(
        facts,
        urls.archive_path(tag, facts.languages),
        "issues.html",
        tag,
        {
            "title": facts.say("Past letters", tag),
            "issues": [row(facts, sent, tag) for sent in listed],
        },
        others=facts.everywhere(urls.archive_path),
    )
    for sent in facts.letters:
        if tag in sent.editions:
            yield _letter(facts, sent, tag, listed)


def row(facts: Facts, sent: Sent, tag: str) -> Values:
    """What a list shows of a letter."""
    edition = sent.editions[tag]
    return {
        "href": facts.at(urls.issue_path(sent.period, tag, facts.languages)),
        "title": edition.subject,
        "summary": edition.preheader,
        "number": sent.number,
        "month": facts.month(sent.period, tag),
        "period": sent.period,
    }


def _letter(facts: Facts, sent: Sent, tag: str, listed: list[Sent]) -> Sheet:
    place = listed.index(sent) if sent in listed else -1
    older = listed[place + 1] if 0 <= place < len(listed) - 1 else None
    newer = listed[place - 1] if place > 0 else None
    section = urls.archive_path(tag, facts.languages)
    values = {
        **row(facts, sent, tag),
        "crumbs": [{"href": facts.at(section), "text": facts.say("Past letters", tag)}],
        "before": row(facts, older, tag) if older else None,
        "following": row(facts, newer, tag) if newer else None,
        "hidden": not sent.listed,
        **_evidence(facts, sent, tag),
    }
    correction = sent.corrections.get(tag)
    return frame.sheet(
        facts,
        urls.issue_path(sent.period, tag, facts.languages),
        "issue.html",
        tag,
        values,
        others={
            other: urls.issue_path(sent.period, other, facts.languages)
            for other in facts.languages
            if other in sent.editions
        },
        section=section,
        html=sent.editions[tag].body,
        beside=correction.reading if correction else None,
        changed=correction.day if correction else None,
        listed=sent.listed,
    )


def _evidence(facts: Facts, sent: Sent, tag: str) -> Values:
    """When a letter was sent, who approved it, what changed since, and the files to check it with."""
    correction = sent.corrections.get(tag)

    def file(name: str) -> Values:
        return {
            "href": facts.at(urls.issue_file(sent.period, name)),
            "name": f"{sent.period}.{name}",
        }

    return {
        "sent": facts.day(sent.sent_at, tag) if sent.sent_at else None,
        "manifest": sent.manifest,
        "approved_by": list(sent.approved_by),
        "corrected": facts.date(correction.day, tag) if correction else None,
        "mail": file(letters.mail_name(tag, "html")),
        "text": file(letters.mail_name(tag, "txt")),
        "approval": file(letters.MANIFEST),
    }
