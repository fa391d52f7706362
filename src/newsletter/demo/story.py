"""The story of one month, told with the product's own commands.

run (site, forms, notices) + inbox  ─►  six readers sign up over HTTP
  ─►  subscribers import  ─►  issue draft  ─►  approve  ─►  send
  ─►  one click out  ─►  send again: refused  ─►  status
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from newsletter import config
from newsletter.demo import reader
from newsletter.demo.scratch import Scratch, make, steady
from newsletter.errors import Finding, NewsletterError
from newsletter.flows.approve import approve
from newsletter.flows.draft import draft
from newsletter.inbox import Inbox
from newsletter.issue import period
from newsletter.wiring import House

SIGN_UPS = (("en", "ada"), ("en", "grace"), ("ru", "anna"), ("ru", "ivan"), ("de", "emmy"), ("de", "fritz"))  # fmt: skip
IMPORTED = 200
PATIENCE_SECONDS = 20.0

Say = Callable[[str], None]


class WentWrong(NewsletterError):
    """The demo saw something that must not be; the product is broken, not the input."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Stage:
    """Where it all happens, and how to run a command there."""

    scratch: Scratch
    site: str
    inbox: Inbox
    say: Say

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "NEWSLETTER_KEY_FILE": str(self.scratch.key_file)}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "newsletter", "--root", str(self.scratch.root), *words]

    def newsletter(self, *words: str) -> None:
        """Run one command as a person would, its words on this terminal."""
        self.say(f"$ newsletter {' '.join(words)}")
        done = subprocess.run(self.command(*words), env=self.environment, check=False)  # noqa: S603 - our own command line
        _insist(done.returncode == 0, f"`newsletter {words[0]}` ended with {done.returncode}")


def tell(
    source: Path, folder: Path, now: dt.datetime, say: Say, stay: Callable[[Stage], None]
) -> None:
    """Live through the month in `folder`; `stay` holds the doors open at the end.

    `source` is the publication to copy; one without newsletter.toml gets the starter.

    Raises:
        WentWrong: a promise was seen broken.
    """
    site = f"http://127.0.0.1:{_free_port()}"
    with Inbox() as inbox:
        zone = steady(source, now)
        today = now.astimezone(zone).date()
        scratch = make(source, folder, today, site, inbox.smtp_port, zone)
        stage = Stage(scratch, site, inbox, say)
        stage.newsletter("key", "new", str(scratch.key_file))
        # A session of its own: Ctrl-C is for the demo, which then ends the service in good order.
        # Quiet: what it says of its month would stand in the middle of another sentence.
        say("$ newsletter run --quiet &")
        service = subprocess.Popen(  # noqa: S603 - our own command line
            stage.command("run", "--quiet"), env=stage.environment, start_new_session=True
        )
        try:
            _await(lambda: _answers(site), f"{site} does not answer", service)
            say(f"  site and forms: {site}/")
            readers = _sign_up(stage)
            _import(stage)
            _issue(stage, now)
            _send(stage, readers)
            stay(stage)
        finally:
            service.terminate()
            service.wait(PATIENCE_SECONDS)


def _sign_up(stage: Stage) -> list[tuple[str, str]]:
    """Six readers use the form, open the mail and press the button; (language, address) of each."""
    stage.say("\nSix readers sign up with the form on the site, in three languages")
    spoken = _settings(stage).publication.languages
    readers = [
        (tag, f"{name}@readers.example.org")
        for tag, name in ((tag if tag in spoken else spoken[0], name) for tag, name in SIGN_UPS)
    ]
    for tag, address in readers:
        home = stage.site + ("/" if tag == spoken[0] else f"/{tag}/")
        status, _ = reader.submit(home, "/subscribe", address=address, agree="yes")
        _insist(status == 200, f"the form answered {status}")
    stage.inbox.wait_for(len(readers), PATIENCE_SECONDS)
    for mail in stage.inbox.messages:
        link = reader.link_in(mail.text or "", "/confirm/")
        status, _ = reader.submit(link, "/confirm/")
        _insist(status == 200, f"confirming answered {status}")
    stage.say(
        f"  {len(readers)} forms sent, {len(readers)} confirmation mails, {len(readers)} buttons pressed"
    )
    stage.inbox.clear()
    return readers


def _import(stage: Stage) -> None:
    stage.say(f"\nA list of {IMPORTED} more, with evidence of consent in every row")
    file = stage.scratch.root.parent / "readers.csv"
    spoken = _settings(stage).publication.languages
    with House(_settings(stage), environ=stage.environment) as house:
        wordings = {tag: house.agreed.today(tag).text for tag in spoken}
    with file.open("w", newline="", encoding="utf-8") as opened:
        rows = csv.writer(opened)
        rows.writerow(["address", "language", "consent_text", "consented_at", "source"])
        for number in range(IMPORTED):
            tag = spoken[number % len(spoken)]
            rows.writerow(
                [
                    f"reader{number:03}@list.example.org",
                    tag,
                    wordings[tag],
                    "2026-10-02T09:30:00Z",
                    "paper form",
                ]
            )
    stage.newsletter("subscribers", "import", str(file))


def _issue(stage: Stage, now: dt.datetime) -> None:
    scratch, settings = stage.scratch, _settings(stage)
    stage.say("\nThe month's letter, its articles and the picked news become an issue")
    who = next(iter(settings.approvers))
    if scratch.earlier:
        approve(settings, period.read(scratch.earlier), who, now, allow_pending_review=True)
        stage.say(
            f"  ({scratch.earlier} was approved last month, so its articles do not come again)"
        )
    drafted = draft(settings, period.read(scratch.period), now)
    for each in drafted.editions:
        size = f"{each.stories} articles, {each.news} news, {each.html_bytes / 1000:.0f} kB"
        stage.say(f"  {each.language}  “{each.subject}” · {size}")
    stage.say("  the gates say:")
    for code, findings in groupby(sorted(drafted.findings, key=_code), key=_code):
        told = list(findings)
        more = f" (and {len(told) - 1} like it)" if len(told) > 1 else ""
        stage.say(f"    {code} {told[0].what}{more}")
    # Nobody invents a clinician's review: the texts say that theirs is
    # pending, and only the demo lets such an issue pass.
    done = approve(settings, period.read(scratch.period), who, now, allow_pending_review=True)
    stage.say(f"  approved by {who}: {done.manifest}")


def _send(stage: Stage, readers: list[tuple[str, str]]) -> None:
    month = stage.scratch.period
    stage.say("\nOne mail to each reader")
    stage.newsletter("send", month)
    expected = len(readers) + IMPORTED
    mails = stage.inbox.wait_for(expected, PATIENCE_SECONDS)
    copies = Counter(mail.recipients for mail in mails)
    _insist(len(mails) == expected, f"{len(mails)} mails for {expected} readers")
    _insist(set(copies.values()) == {1}, "somebody got two")
    languages = {mail.recipients[0]: mail.language for mail in mails}
    _insist(all(languages[address] == tag for tag, address in readers), "a wrong language")
    stage.say(f"  {expected} readers, {len(mails)} mails, one each, each in its language")

    stage.say("\nOne reader leaves with one click, as a mail program does it (RFC 8058)")
    leaver = next(mail for mail in mails if mail.recipients == (readers[0][1],))
    status, _ = reader.post(leaver.one_click or "", {"List-Unsubscribe": "One-Click"})
    _insist(status == 200, f"one click answered {status}")
    stage.say(f"  POST answered {status}; nothing else was asked")
    stage.newsletter("subscribers", "stats")

    stage.say("\nSomebody tries to send it a second time")
    stage.newsletter("send", month)
    _insist(len(stage.inbox.messages) == expected, "a second copy was sent")
    stage.say("\nThe sum")
    stage.newsletter("status", month)


def _code(finding: Finding) -> str:
    return finding.code


def _settings(stage: Stage) -> config.Settings:
    return config.load(stage.scratch.root)


def _insist(holds: bool, otherwise: str) -> None:
    if not holds:
        raise WentWrong(otherwise)


def _answers(site: str) -> bool:
    try:
        return bool(reader.get(f"{site}/"))
    except OSError:
        return False


def _await(holds: Callable[[], bool], otherwise: str, service: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > end or service.poll() is not None:
            raise WentWrong(otherwise)
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
