"""`newsletter new`: a first file to write on, never over one that is there.

What is written builds and may be sent as it stands: a skeleton full of holes
would one day be mailed with them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.desk import Desk, data, desk_of, examples, now
from newsletter.cli.lazy import group
from newsletter.errors import CouldNotRun, Finding, Findings, Level, Where

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from newsletter.config import Settings
    from newsletter.issue.period import Period

app = group("new", "Begin an article or an issue's letter.")

LATIN = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        "a b v g d e e zh z i i k l m n o p r s t u f kh ts ch sh shch ie y  e iu ia".split(" "),  # noqa: SIM905
        strict=True,
    )
)
"""Russian letters in Latin ones, as on passports (ICAO Doc 9303-3, section 6 B)."""
GERMAN = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"}

LETTERS = {
    "en": (
        "This month’s articles and news",
        "Dear reader,\n\nbelow are the articles of this month. We hope that one of them is of use to you.\n",
    ),
    "ru": (
        "Статьи и новости этого месяца",
        "Здравствуйте!\n\nНиже — статьи этого месяца. Надеемся, что одна из них вам пригодится.\n",
    ),
    "de": (
        "Artikel und Nachrichten dieses Monats",
        "Guten Tag,\n\nunten stehen die Artikel dieses Monats. Wir hoffen, dass einer davon Ihnen nützt.\n",
    ),
}
"""Preheader and text of a letter nobody has written yet; true in every month."""


@app.command(
    epilog=examples(
        'newsletter new article "Why we write this letter"',
        'newsletter new article "Зачем это письмо" --language ru --id why-we-write-this-letter',
    )
)
def article(
    ctx: typer.Context,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="as readers will see it")],
    language: Annotated[
        str | None, typer.Option(metavar="LANG", help="else the publication's first")
    ] = None,
    id_: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="the file's name; the same in every language"),
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="not to be published yet")] = False,
) -> None:
    """Write content/articles/ID.LANG.md with today's date and a first sentence, and say where it is."""
    desk = desk_of(ctx)
    settings = desk.settings()
    tag = language or settings.publication.languages[0]
    if tag not in settings.publication.languages:
        spoken = ", ".join(settings.publication.languages)
        raise CouldNotRun(
            Finding("NL133", f"this publication has no language `{tag}`", help=f"it has: {spoken}")
        )
    name = id_ or slug(title)
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise CouldNotRun(
            Finding(
                "NL134",
                "this title makes no file name" if id_ is None else f"`{name}` is no id",
                help="name one of small letters, digits and single hyphens: --id my-first-article",
            )
        )
    today = now().astimezone(settings.publication.time_zone).date()
    path = f"content/articles/{name}.{tag}.md"
    text = article_text(settings, title, today, draft=draft)
    _insist(settings, text, path, name, tag)
    _write(settings, {path: text})
    data(path)
    _next(desk, f"write in it, then: newsletter build{' --drafts' if draft else ''}")


@app.command(epilog=examples("newsletter new issue", "newsletter new issue 2027-01"))
def issue(
    ctx: typer.Context,
    period: Annotated[
        str | None,
        typer.Argument(metavar="PERIOD", help="as 2026-12; else the next without a letter"),
    ] = None,
) -> None:
    """Write the letter of an issue in every language of the publication, and say where they are.

    Of an issue that has letters, those that are missing: a new language's.
    """
    from newsletter.issue.period import read

    desk = desk_of(ctx)
    settings = desk.settings()
    chosen = read(period) if period else next_period(settings, now())
    wanted = {
        f"content/issues/{chosen}/letter.{tag}.md": letter_text(settings, chosen, tag)
        for tag in settings.publication.languages
    }
    missing = {path: text for path, text in wanted.items() if not settings.path(path).exists()}
    files = missing or wanted  # with none missing, each is said to be there
    _write(settings, files)
    for path in files:
        data(path)
    _next(desk, f"write in it, then: newsletter issue draft {chosen}")


def _insist(settings: Settings, text: str, path: str, name: str, tag: str) -> None:
    """Refuse to write an article that `check` would refuse to read."""
    from newsletter.content import article as articles
    from newsletter.content import source

    parsed, findings = source.decode(path, text.encode("utf-8", "surrogateescape"))
    if parsed is not None:
        zone, health = settings.publication.time_zone, settings.publication.subject == "health"
        findings += articles.read(parsed, name, tag, zone, health=health)[1]
    wrong = [finding for finding in findings if finding.level is Level.ERROR]
    if wrong:
        raise Findings(wrong, "Nothing was written.")


def _next(desk: Desk, words: str) -> None:
    desk.say(f"next: {words}")


def _write(settings: Settings, texts: dict[str, str]) -> None:
    """All of them or none; never over a file that is there."""
    from newsletter.files import write_atomic

    there = [name for name in texts if settings.path(name).exists()]
    if there:
        raise CouldNotRun(
            *(
                Finding(
                    "NL132",
                    "this file is there already",
                    Where(name),
                    help="open it, or choose another name",
                )
                for name in there
            )
        )
    for name, text in texts.items():
        path: Path = settings.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode())


def article_text(settings: Settings, title: str, today: dt.date, *, draft: bool) -> str:
    """A whole article, short and true."""
    lines = [
        "---",
        f"title: {quoted(title)}",
        f"summary: {quoted(title.rstrip('.') + '.')}",
        f"published: {today}",
        "topics: []",
        *(["review: pending"] if settings.publication.subject == "health" else []),
        *(["draft: true"] if draft else []),
        "---",
        "",
        "Write here, in Markdown. The first paragraph is what most people read.",
        "",
    ]
    return "\n".join(lines)


def letter_text(settings: Settings, period: Period, tag: str) -> str:
    """A letter that may be sent as it is."""
    from newsletter.language import Language, spoken

    preheader, body = LETTERS[spoken(tag) or "en"]
    subject = f"{settings.publication.title}: {Language(tag, 'site').month(period.first_day)}"
    return f"---\nsubject: {quoted(subject)}\npreheader: {quoted(preheader)}\n---\n\n{body}"


def next_period(settings: Settings, moment: dt.datetime) -> Period:
    """The first month from now on that has no letter and is not over for sending."""
    import datetime as dt

    from newsletter.issue import period as months

    period = months.at(moment, settings.publication.time_zone)
    late = months.due(settings, period) + dt.timedelta(days=settings.month.catch_up_days)
    if late < moment:
        period = period.following()
    while any(settings.path(f"content/issues/{period}").glob("letter.*.md")):
        period = period.following()
    return period


def quoted(text: str) -> str:
    """A YAML string on one line; JSON's escapes are a part of YAML's."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False)


def slug(title: str) -> str:
    """A title as a file name: "Что такое PD-L1?" is "chto-takoe-pd-l1". Empty when nothing is left."""
    latin = "".join(LATIN.get(letter, GERMAN.get(letter, letter)) for letter in title.lower())
    plain = unicodedata.normalize("NFKD", latin).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return words[:60].rstrip("-")
