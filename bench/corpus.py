"""One generated corpus, written down for each of four site generators.

About 1,000 words an article: 5 headings, 5 lists, 5 links, 5 footnotes, a
table, bold and code; 2 of 40 topics. The same body for everybody; only the
front matter and the settings differ, because each tool has its own.
"""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

TOPICS = [f"topic-{number}" for number in range(40)]
_SYLLABLES = [
    "ka",
    "lo",
    "mi",
    "ter",
    "san",
    "ved",
    "or",
    "tin",
    "gal",
    "per",
    "sol",
    "na",
    "ri",
    "dum",
    "fe",
    "chor",
    "il",
    "ba",
]


def words(dice: random.Random, count: int) -> str:
    return " ".join("".join(dice.choices(_SYLLABLES, k=dice.randint(1, 4))) for _ in range(count))


def _sentence(dice: random.Random) -> str:
    text = words(dice, dice.randint(8, 18))
    match dice.randrange(8):
        case 0:
            text += f" **{words(dice, 2)}** {words(dice, 3)}"
        case 1:
            text += f" *{words(dice, 2)}* {words(dice, 2)}"
        case 2:
            text += f" `{words(dice, 1)}` {words(dice, 2)}"
        case _:
            pass
    return f"{text[0].upper()}{text[1:]}."


def body(number: int) -> str:
    """The Markdown of article `number`; always the same."""
    dice = random.Random(number)
    parts: list[str] = []
    for section in range(5):
        parts.append(f"## {words(dice, 4).capitalize()} {section}\n")
        parts += [" ".join(_sentence(dice) for _ in range(3)) + "\n" for _ in range(3)]
        parts.append(
            f"{_sentence(dice)} See [{words(dice, 2)}](https://example.org/{number}/{section}) for {words(dice, 3)}.[^{section}]\n"
        )
        mark = "1." if section % 2 else "-"
        parts.append("\n".join(f"{mark} {_sentence(dice)}" for _ in range(4)) + "\n")
    rows = "\n".join(
        f"| {words(dice, 2)} | {words(dice, 3)} | {dice.randint(1, 99)} |" for _ in range(6)
    )
    parts.append(f"| What | How | Days |\n|---|---|--:|\n{rows}\n")
    parts += [f"[^{section}]: {_sentence(dice)}\n" for section in range(5)]
    return "\n".join(parts)


def facts(number: int) -> tuple[str, str, dt.date, list[str]]:
    """(title, summary, day, topics) of article `number`."""
    dice = random.Random(-number - 1)
    title = f"{words(dice, 5).capitalize()} {number}"
    day = dt.date(2000, 1, 1) + dt.timedelta(days=number % 9000)
    return title, f"{words(dice, 14).capitalize()}.", day, dice.sample(TOPICS, 2)


def ours(folder: Path, count: int) -> None:
    (folder / "content/articles").mkdir(parents=True)
    (folder / "newsletter.toml").write_text(
        '[publication]\ntitle = "Bench"\nurl = "http://127.0.0.1:8000"\nlanguages = ["en"]\n\n'
        '[sender]\nname = "Bench"\naddress = "a@letter.example.org"\npostal_address = "A street"\nlist_id = "a.example.org"\n',
        "utf-8",
    )
    for number in range(count):
        title, summary, day, topics = facts(number)
        front = (
            f"title: {title}\nsummary: {summary}\npublished: {day}\ntopics: [{', '.join(topics)}]\n"
        )
        (folder / f"content/articles/article-{number}.en.md").write_text(
            f"---\n{front}---\n{body(number)}", "utf-8"
        )


def hugo(folder: Path, count: int) -> None:
    _write(
        folder,
        {
            "hugo.toml": 'baseURL = "http://127.0.0.1:8000/"\ntitle = "Bench"\n[taxonomies]\ntag = "tags"\n',
            "layouts/baseof.html": '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ .Title }}</title><link rel="stylesheet" href="/style.css"></head><body><nav>{{ range first 10 .Site.RegularPages }}<a href="{{ .RelPermalink }}">{{ .Title }}</a>{{ end }}</nav><main>{{ block "main" . }}{{ end }}</main></body></html>',
            "layouts/single.html": '{{ define "main" }}<h1>{{ .Title }}</h1><p>{{ .Params.summary }}</p>{{ .Content }}<ul>{{ range .GetTerms "tags" }}<li><a href="{{ .RelPermalink }}">{{ .Title }}</a></li>{{ end }}</ul>{{ end }}',
            "layouts/list.html": '{{ define "main" }}<h1>{{ .Title }}</h1><ul>{{ range .Pages }}<li><a href="{{ .RelPermalink }}">{{ .Title }}</a></li>{{ end }}</ul>{{ end }}',
        },
    )
    (folder / "content/articles").mkdir(parents=True)
    for number in range(count):
        title, summary, day, topics = facts(number)
        front = f'---\ntitle: "{title}"\nsummary: "{summary}"\ndate: {day}\ntags: [{", ".join(topics)}]\n---\n'
        (folder / f"content/articles/article-{number}.md").write_text(front + body(number), "utf-8")


def pelican(folder: Path, count: int) -> None:
    _write(
        folder,
        {
            "pelicanconf.py": "SITENAME='Bench'\nSITEURL=''\nPATH='content'\nTIMEZONE='UTC'\nDEFAULT_LANG='en'\nTHEME='theme'\nDEFAULT_PAGINATION=False\nMARKDOWN={'extension_configs':{'markdown.extensions.tables':{},'markdown.extensions.footnotes':{},'markdown.extensions.toc':{},'markdown.extensions.fenced_code':{},'markdown.extensions.sane_lists':{}},'output_format':'html5'}\nFEED_ALL_ATOM='atom.xml'\nCATEGORY_FEED_ATOM=None\nTRANSLATION_FEED_ATOM=None\nAUTHOR_FEED_ATOM=None\nAUTHOR_FEED_RSS=None\nCACHE_CONTENT=True\nLOAD_CONTENT_CACHE=True\nCHECK_MODIFIED_METHOD='md5'\n",
            "theme/templates/base.html": '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{% block title %}{{ SITENAME }}{% endblock %}</title></head><body><main>{% block content %}{% endblock %}</main></body></html>',
            "theme/templates/article.html": '{% extends "base.html" %}{% block content %}<h1>{{ article.title }}</h1>{{ article.content }}<ul>{% for tag in article.tags %}<li><a href="/{{ tag.url }}">{{ tag }}</a></li>{% endfor %}</ul>{% endblock %}',
            "theme/templates/index.html": '{% extends "base.html" %}{% block content %}<ul>{% for article in articles %}<li><a href="/{{ article.url }}">{{ article.title }}</a></li>{% endfor %}</ul>{% endblock %}',
        }
        | {
            f"theme/templates/{name}.html": '{% extends "index.html" %}'
            for name in (
                "tag",
                "category",
                "author",
                "archives",
                "tags",
                "categories",
                "authors",
                "page",
                "period_archives",
            )
        },
    )
    (folder / "theme/static").mkdir()
    (folder / "content").mkdir()
    for number in range(count):
        title, summary, day, topics = facts(number)
        front = f"Title: {title}\nSummary: {summary}\nDate: {day}\nTags: {', '.join(topics)}\nSlug: article-{number}\n\n"
        (folder / f"content/article-{number}.md").write_text(front + body(number), "utf-8")


def mkdocs(folder: Path, count: int) -> None:
    _write(
        folder,
        {
            "mkdocs.yml": "site_name: Bench\nsite_url: http://127.0.0.1:8000/\ntheme:\n  name: null\n  custom_dir: theme\nplugins: []\nmarkdown_extensions: [tables, footnotes, toc, fenced_code, sane_lists]\n",
            "theme/main.html": '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ page.title }}</title></head><body><nav>{% for item in nav %}{% if loop.index < 11 %}<a href="{{ item.url }}">{{ item.title }}</a>{% endif %}{% endfor %}</nav><main>{{ page.content }}</main></body></html>',
            "docs/index.md": "# Bench\n",
        },
    )
    for number in range(count):
        title, _, day, topics = facts(number)
        front = f'---\ntitle: "{title}"\ndate: {day}\ntags: [{", ".join(topics)}]\n---\n'
        (folder / f"docs/article-{number}.md").write_text(front + body(number), "utf-8")


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
