"""An edition as plain text: the same words in the same order, made for reading."""

from __future__ import annotations

from newsletter.issue.mail_html import Frame
from newsletter.issue.plain_text import Notes, PlainText, paragraph, underlined
from newsletter.issue.view import LinkView, NewsView, StoryView, View

RULE = "-" * 72


def letter_text(view: View, frame: Frame) -> str:
    """The text part; ends with one line feed.

    Addresses stand as numbered notes below the section that names them.
    """
    notes = Notes()
    prose = PlainText(notes, frame.link, frame.label)
    around = view.frame
    parts = [
        view.dateline,
        _beside(notes.mark(around.web, around.web_url), notes.mark(around.leave, around.leave_url)),
        notes.tell(),
        RULE,
        paragraph(view.publication),
        underlined(view.subject, "="),
        prose.prose(view.letter),
        notes.tell(),
    ]
    if view.inside:
        listed = (paragraph(title, "- ", "  ") for title in view.inside)
        parts += [underlined(view.inside_title), "\n".join(listed)]
    for story in view.stories:
        parts += _story(story, notes)
    for section in view.sections:
        parts += [underlined(section.title), *(_link(link, notes) for link in section.links)]
        parts.append(notes.tell())
    if view.news:
        parts += [underlined(view.news_title), *(_news(item, notes) for item in view.news)]
        parts.append(notes.tell())
    parts += [
        RULE,
        paragraph(around.why),
        "\n".join(paragraph(promise, "- ", "  ") for promise in around.promises),
        _beside(
            notes.mark(around.leave_long, around.leave_url),
            notes.mark(around.language_label, around.language_url),
        ),
        notes.tell(),
        paragraph(around.caution),
        f"{paragraph(around.sender)}\n{paragraph(around.postal)}",
    ]
    return "\n\n".join(part for part in parts if part.strip()) + "\n"


def _beside(one: str, other: str) -> str:
    return paragraph(f"{one} · {other}")


def _story(story: StoryView, notes: Notes) -> list[str]:
    return [
        underlined(story.title),
        paragraph(story.summary),
        paragraph(story.notice),
        paragraph(notes.mark(story.button, story.url)),
        notes.tell(),
    ]


def _link(link: LinkView, notes: Notes) -> str:
    title = notes.mark(link.title, link.url) + (f" · {link.mark}" if link.mark else "")
    lines = [paragraph(title, "- ", "  ")]
    if link.note:
        lines.append(paragraph(link.note, "  ", "  "))
    return "\n".join(lines)


def _news(item: NewsView, notes: Notes) -> str:
    lines = [paragraph(notes.mark(item.title, item.url), "- ", "  ")]
    lines += [paragraph(item.meta, "  ", "  "), paragraph(item.note, "  ", "  ")]
    return "\n".join(lines)
