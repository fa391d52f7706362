"""How fast an issue is made: python -m bench.issue [ARTICLES]

    compile     one edition of 20 stories, warm: Jinja2, MJML, words put in; median
                beside it npm's mjml on the same MJML, where node is installed and
                NEWSLETTER_BENCH_MJML names a folder with mjml below node_modules
    assemble    the month's draft over a large archive (10,000 articles): the first time,
                when all of it is parsed, and again, when none of it is

Limits: compile at most 20 ms; the second draft must cost less than a tenth of the first.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from bench import corpus
from newsletter import config
from newsletter.config import Settings
from newsletter.flows import kept
from newsletter.issue import layout, mail_html
from newsletter.issue.compose import Draft, compose
from newsletter.issue.mail_html import Frame, MailPicture
from newsletter.issue.manifest import FrozenArticle, FrozenEdition, Manifest
from newsletter.issue.period import Period

COMPILE_LIMIT_MS = 20.0
STORIES = 20
PERIOD = Period(2026, 12)
TOML = """\
[publication]
title = "Bench letter"
url = "http://127.0.0.1:8000"
[sender]
name = "Bench letter"
address = "letter@letter.example.org"
postal_address = "Example street 1"
list_id = "letter.letter.example.org"
[approvers.Editor]
"""
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 240"><circle cx="99" cy="99" r="60"/></svg>'


def publication(folder: Path, articles: int, carried: int = 0) -> Settings:
    """`articles` of about 1,000 words each; an earlier issue carried the first `carried`."""
    (folder / "content/articles").mkdir(parents=True)
    (folder / "content/images").mkdir()
    (folder / "content/images/cell.svg").write_text(DRAWING)
    (folder / "newsletter.toml").write_text(TOML)
    topics = "".join(f'[{topic}]\nen = "{topic}"\n' for topic in corpus.TOPICS)
    (folder / "content/topics.toml").write_text(topics)
    for number in range(articles):
        title, summary, day, own = corpus.facts(number)
        (folder / f"content/articles/article-{number}.en.md").write_text(
            f"---\ntitle: {title}\nsummary: {summary}\npublished: {day}\ntopics: [{', '.join(own)}]\n"
            "authors: [{name: An Editor}]\n"
            f"picture: {{path: images/cell.svg, alt: A cell.}}\n---\n\n{corpus.body(number)}\n"
        )
    letter = folder / f"content/issues/{PERIOD}/letter.en.md"
    letter.parent.mkdir(parents=True)
    if carried:
        earlier = PERIOD.previous()
        ids = tuple(FrozenArticle(f"article-{number}", ()) for number in range(carried))
        due = earlier.due(1, "09:00", ZoneInfo("UTC"))
        frozen = Manifest(
            earlier, 1, due, (FrozenEdition("en", "", "", *["0" * 64] * 3),), (), ids, (), ()
        ).text()
        (folder / f"content/issues/{earlier}").mkdir()
        (folder / f"content/issues/{earlier}/edition.toml").write_text(frozen)
    letter.write_text(
        f"---\nsubject: The month\npreheader: What happened this month, in one line.\n---\n\n"
        f"Dear reader,\n\n{corpus.words(corpus.random.Random(1), 120)}\n"
    )
    return config.load(folder)


def median_ms(work: Callable[[], object], times: int = 60) -> float:
    """Processor time, so that a busy machine does not count."""
    for _ in range(5):
        work()
    spent = []
    for _ in range(times):
        began = time.process_time()
        work()
        spent.append((time.process_time() - began) * 1000)
    return statistics.median(spent)


def compile_edition(draft: Draft, settings: Settings) -> float:
    frame = Frame(lambda target: target, lambda name: MailPicture("", 1, 1), lambda kind: kind)
    view = draft.views[0]
    return median_ms(lambda: layout.edition(view, settings.site_url, frame, settings.root))


def npm(draft: Draft, settings: Settings) -> float | None:
    """Milliseconds of processor time that npm's mjml takes for the same skeleton, warm, median.

    None where node or mjml is not installed, or mjml fails; the last is said.
    """
    node, folder = shutil.which("node"), os.environ.get("NEWSLETTER_BENCH_MJML")
    if node is None or not folder:
        return None
    slots = layout.Slots()
    environment = layout.environment_of(settings.root)
    source = layout.skeleton(
        environment,
        draft.views[0],
        mail_html.mail(draft.views[0].letter, Frame(str, lambda name: MailPicture("", 1, 1), str)),
        slots,
    )
    script = (
        "const m=require('mjml');const f=m.default||m;const s=require('fs').readFileSync(0,'utf8');"
        "const now=()=>{const u=process.cpuUsage();return(u.user+u.system)/1000};"
        "(async()=>{for(let i=0;i<20;i++)await f(s);const t=[];for(let i=0;i<60;i++){const b=now();"
        "const r=await f(s);t.push(now()-b);if(r.errors.length||r.html.length<1000)throw r.errors}"
        "t.sort((a,b)=>a-b);console.log(t[30])})()"
    )
    done = subprocess.run(
        [node, "-e", script], input=source, capture_output=True, text=True, check=False, cwd=folder
    )
    if done.returncode:
        print(f"           npm mjml failed: {done.stderr.strip().splitlines()[-1]}")
        return None
    return float(done.stdout)


def main(articles: int) -> int:
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        settings = publication(Path(scratch) / "small", STORIES)
        draft = compose(settings, PERIOD)
        assert len(draft.views[0].stories) == STORIES
        ms = compile_edition(draft, settings)
        failed |= ms > COMPILE_LIMIT_MS
        size = len(draft.editions[0].html.encode())
        print(
            f"compile    {STORIES} stories, {size:,} bytes: {ms:.2f} ms warm (limit {COMPILE_LIMIT_MS:.0f})"
        )
        other = npm(draft, settings)
        print(
            f"           npm mjml, the layout alone: {other:.2f} ms, {other / ms:.1f} times ours"
            if other
            else "           npm mjml: not looked at (NEWSLETTER_BENCH_MJML)"
        )
        large = publication(Path(scratch) / "large", articles, carried=articles - STORIES)
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            kept.composed(large, PERIOD)
            seconds.append(time.perf_counter() - began)
        first, again = seconds[0], min(seconds[1:])
        failed |= again > first / 10 and again > 2
        print(
            f"assemble   {articles:,} articles: {first:.1f} s the first time, {again:.2f} s again"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
