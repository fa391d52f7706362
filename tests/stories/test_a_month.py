"""Two months of a letter, from Markdown to inboxes and out again, the process dying between any two steps.

Nothing is stood in for: the forms over HTTP, the vault, SQLite, SMTP to an
inbox, the tick. Only the clock is ours.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.conftest import TOML

from newsletter import config
from newsletter.delivery import ledger, loop
from newsletter.demo import reader
from newsletter.flows import tick, trial
from newsletter.flows.approve import approve
from newsletter.flows.open import open_issue
from newsletter.flows.send import Sent
from newsletter.inbox import Inbox
from newsletter.inbox.mail import Mail
from newsletter.issue.edition import TOKEN_SLOT
from newsletter.issue.period import Period
from newsletter.schedule.month import Verdict
from newsletter.subscribers.rootkey import RootKey
from newsletter.web.server import Server
from newsletter.wiring import House

KEY = RootKey(bytes(range(32)))
EARLY = dt.datetime(2026, 12, 1, 6, 30, tzinfo=dt.UTC)
DECEMBER = dt.datetime(2026, 12, 1, 8, 0, tzinfo=dt.UTC)
"""The first moment at which December's issue is due: 09:00 in Berlin."""
JANUARY = dt.datetime(2027, 1, 1, 8, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)

ARTICLE = """\
---
title: "{title}"
summary: "What it means, in two sentences. This is the second."
published: {day}
topics: [cells]
authors: [{{name: An Editor, role: writer}}]
---

Some words about **it**.
"""
LETTER = '---\nsubject: "{subject}"\npreheader: "What cells do."\n---\n\nDear reader,\n\nhere is {subject}.\n'
WORDING = "I agree to get this letter. I know that this may say something about my health."
FILES: dict[str, str | bytes] = {
    "content/topics.toml": '[cells]\nen = "Cells"\nru = "Клетки"\nde = "Zellen"\n',
    "content/articles/cells.en.md": ARTICLE.format(title="Cells", day="2026-10-01"),
    "content/articles/cells.de.md": ARTICLE.format(title="Zellen", day="2026-10-01"),
    "content/articles/scans.en.md": ARTICLE.format(title="Scans", day="2026-12-15"),
    **{
        f"content/issues/{period}/letter.{tag}.md": LETTER.format(subject=f"{subject} {tag}")
        for period, subject in (("2026-12", "December"), ("2027-01", "January"))
        for tag in ("en", "ru", "de")
    },
    **{f"content/consent/{tag}/1.md": f"{WORDING} ({tag})\n" for tag in ("en", "ru", "de")},
}


@dataclass
class World:
    """One publication on the disk, the clock, the inbox; the process comes and goes."""

    settings: config.Settings
    inbox: Inbox
    port: int
    now: dt.datetime = EARLY
    house: House = field(init=False)
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.house = House(self.settings, key=KEY, clock=lambda: self.now)
        self.house.rebuild()
        self.server = Server(self.house.web_app(), "127.0.0.1", self.port).start()

    def end(self) -> None:
        self.server.stop()
        self.house.close()

    def dies(self) -> None:
        """The process is gone; what is on the disk is all there is."""
        self.end()
        self.begin()

    def post(self) -> None:
        """Drain the notices, as `run` does within a second."""
        house = self.house
        lanes = [ledger.NOTICES]
        loop.send(
            house.store, house.press(), house.transport, lanes, pace=house.pace, clock=house.clock
        )

    def takes(self) -> list[Mail]:
        """What came into the inbox since the last look."""
        mails = list(self.inbox.messages)
        self.inbox.clear()
        return mails

    def asks(self, address: str, tag: str) -> str:
        """Fill in the form on the site in `tag`; the link of the mail that comes."""
        home = f"{self.settings.site_url}/" + ("" if tag == "en" else f"{tag}/")
        assert reader.submit(home, "/subscribe", address=address, agree="yes")[0] == 200
        self.dies()
        self.post()
        (mail,) = self.takes()
        assert mail.recipients == (address,)
        return reader.link_in(mail.text or "", "/confirm/")

    def joins(self, address: str, tag: str) -> None:
        link = self.asks(address, tag)
        self.dies()
        assert reader.submit(link, "/confirm/")[0] == 200

    def ticks(self) -> tuple[Verdict, Sent | None]:
        self.dies()
        found, sent = tick.tick(self.house.parts)
        assert sent is None or isinstance(sent, Sent), sent
        return found.verdict, sent


@pytest.fixture
def world(publication: Callable[..., config.Settings]) -> Iterator[World]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Inbox() as inbox:
        toml = TOML.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace(
            'subject = "health"', 'subject = "general"'
        )
        relay = f'\n[delivery.smtp]\nport = {inbox.smtp_port}\nsecurity = "none"\n'
        settings = publication(
            FILES, f'{toml}\n[month]\nnotify = "desk@letter.example.org"\n{relay}'
        )
        made = World(settings, inbox, port)
        yield made
        made.end()


def test_two_months_from_markdown_to_inboxes_and_out_again(
    world: World,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    ada, boris, clara, dora = (f"canary-{name}@readers.example.org" for name in "abcd")
    for address, tag in ((ada, "en"), (boris, "ru"), (clara, "de")):
        world.joins(address, tag)
    unconfirmed = world.asks(dora, "en")
    reader.get(unconfirmed)  # a scanner follows links; that is nobody's consent

    assert world.ticks() == (Verdict.NOT_YET, None), "it is not due yet"
    world.now = DECEMBER
    assert world.ticks() == (Verdict.UNAPPROVED, None), "nobody approved it"
    assert world.ticks() == (Verdict.UNAPPROVED, None)
    world.post()
    (word,) = world.takes()
    assert word.recipients == ("desk@letter.example.org",), "told once, to the publisher alone"

    approve(world.settings, Period(2026, 12), "Editor", world.now)
    assert "noindex" in _archive(world, "2026-12"), "built and reachable, not listed yet"
    verdict, sent = world.ticks()
    assert verdict is Verdict.DUE
    assert sent is not None
    assert sent.account.accepted == sent.account.audience == 3
    taken = world.takes()
    december = {mail.recipients[0]: mail for mail in taken}
    assert Counter(mail.recipients[0] for mail in taken) == dict.fromkeys((ada, boris, clara), 1)
    assert [december[a].language for a in (ada, boris, clara)] == ["en", "ru", "de"]
    assert "noindex" not in _archive(world, "2026-12"), "listed once it was sent"

    world.now += MINUTE
    assert world.ticks() == (Verdict.SENT, None)
    again = open_issue(world.house.parts, Period(2026, 12), world.now)
    assert isinstance(again, ledger.AlreadySent)
    assert world.takes() == []

    for dead in (trial.DEAD_TOKEN, TOKEN_SLOT):  # of a test mail, of a downloaded one
        assert world.house.vault.read_mail_token(dead) is None
        assert reader.post(f"{world.settings.public_url}/leave/{dead}", {})[0] == 200
    one_click = december[ada].one_click
    assert one_click
    assert reader.post(one_click, {"List-Unsubscribe": "One-Click"})[0] == 200
    world.dies()
    assert reader.post(one_click, {"List-Unsubscribe": "One-Click"})[0] == 200, "twice is as once"
    world.joins(dora, "en")

    world.now = JANUARY
    approve(world.settings, Period(2027, 1), "Editor", world.now)
    _, sent = world.ticks()
    assert sent is not None
    assert sorted(mail.recipients[0] for mail in world.takes()) == sorted([boris, clara, dora])
    record = json.loads((world.settings.root / "content/record/2027-01.json").read_text())
    assert record["totals"]["audience"] in (3, "<5")

    world.end()
    spoken = capfd.readouterr()
    seen = spoken.out + spoken.err + caplog.text
    assert "uvicorn.access" not in {record.name for record in caplog.records}
    assert one_click.rpartition("/")[2] not in seen, "a token in a log is a key under the mat"
    for address in (ada, boris, clara, dora):
        assert address not in seen
        assert not _files_with(tmp_path, address)
    world.begin()


def _archive(world: World, period: str) -> str:
    world.house.rebuild()
    return reader.get(f"{world.settings.site_url}/issues/{period}/")


def _files_with(folder: Path, address: str) -> list[Path]:
    """Files below `folder` that hold the address in clear or in a common disguise."""
    local = address.partition("@")[0].encode()
    forms = (address.encode(), local, address.encode("utf-16-le"), base64.b64encode(local)[:-4])
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    ]
