"""`newsletter run`: the site, the forms, the notices and the month, until Ctrl-C.

build ─► web server (own thread) ─┬─► notices, within a second of a sign-up (own thread)
                                  └─► the month's tick (this thread)
"""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.account import describe
from newsletter.cli.desk import Desk, desk_of, examples, now, talk
from newsletter.cli.lazy import group
from newsletter.cli.trouble import from_exception
from newsletter.errors import CouldNotRun, Finding, NewsletterError, Where

if TYPE_CHECKING:
    from newsletter.config import Settings
    from newsletter.wiring import House

app = group("serve", "Serve the site and send the month's issue.")

LOOK_SECONDS = 0.3
"""How often new notices are looked for: a reader waits for theirs with the page still open."""
MONTH_SECONDS = 20
"""How often it is asked whether an issue is due, and what is open goes on."""
SITE_SECONDS = 30
"""How late an article that waited for its moment may appear."""
RETENTION_SECONDS = 3600
"""What is kept no longer goes within the hour."""
NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)
REST_SECONDS = 30.0
"""How long a relay that does not answer, or refuses us, is left alone."""


@app.command(epilog=examples("newsletter run", "newsletter run --no-web"))
def run(
    ctx: typer.Context,
    no_web: Annotated[
        bool, typer.Option("--no-web", help="only send; the site and forms are served elsewhere")
    ] = False,
) -> None:
    """Serve the site and the forms, mail what the forms ask for, and send the month's issue when it is due.

    Stays until Ctrl-C or SIGTERM; what is under way is finished first.
    """
    from newsletter.cli.signals import stopping

    desk = desk_of(ctx)
    settings = desk.settings()
    insist_on_a_road(settings)
    with stopping() as asked, desk.house() as house:
        house.parts  # noqa: B018 - key, database and relay are looked at before the port opens
        change = rebuild(desk, house)  # before the port opens: a first site, or everything wrong
        if no_web:
            keep(desk, house, asked, change)
            return
        from newsletter.web.server import serve

        server = serve(house.web_app(), settings.web.bind, settings.web.trusted_proxies)
        try:
            desk.say(
                f"site and forms: http://{settings.web.bind.rpartition(':')[0]}:{server.port}/  (Ctrl-C ends it)"
            )
            keep(desk, house, asked, change)
        finally:
            server.stop()
    desk.say("stopped")


def insist_on_a_road(settings: Settings) -> None:
    """Refuse to serve forms whose mails would reach nobody."""
    if settings.delivery.transport == "outbox":
        raise CouldNotRun(
            Finding(
                "NL126",
                "the outbox transport writes mails into a folder; nobody would get theirs",
                Where("newsletter.toml"),
                help='set [delivery] transport = "smtp"',
            )
        )


def rebuild(desk: Desk, house: House) -> dt.datetime:
    """Make the site anew; when a date will next change it. Where that fails the last good site stays.

    Raises:
        NewsletterError, OSError: there is no earlier site to serve.
    """
    from newsletter import site
    from newsletter.wiring import PATIENCE_SECONDS

    try:
        report = site.build(house.settings, now(), house.public, patience=PATIENCE_SECONDS)
        return report.next_change or NEVER
    except (NewsletterError, OSError) as error:
        if not (house.public / "index.html").is_file():
            raise
        desk.complain_of_the_site(error)
        return now() + dt.timedelta(seconds=REST_SECONDS)


def keep(desk: Desk, house: House, asked: threading.Event, next_change: dt.datetime) -> None:
    """Post notices in one thread and do the month's duties in this one, until `asked`."""
    from newsletter.schedule import local

    post = threading.Thread(target=_post_notices, args=(house, asked), name="notices")
    post.start()
    try:
        duties = Duties(desk, house, asked, next_change)
        local.run(
            [
                local.Duty("month", MONTH_SECONDS, duties.month),
                local.Duty("site", SITE_SECONDS, duties.site),
                local.Duty("retention", RETENTION_SECONDS, duties.retention),
            ],
            asked,
            duties.trouble,
        )
    finally:
        asked.set()
        post.join()


class Duties:
    """What is done again and again. Each says something only when it is news."""

    def __init__(
        self, desk: Desk, house: House, asked: threading.Event, next_change: dt.datetime
    ) -> None:
        self._desk = desk
        self._house = house
        self._asked = asked
        self._said: dict[str, str] = {}
        self._next_change = next_change

    def month(self) -> None:
        """Send what is due."""
        from newsletter.flows import tick
        from newsletter.flows.send import Sent

        found, sent = tick.tick(self._house.parts, self._asked)
        if sent is None:
            self._news("month", found.sentence)
        elif isinstance(sent, Sent):
            zone = self._house.settings.publication.time_zone
            self._news("month", describe(sent.account, zone))
        else:
            self._news("month", f"{sent.sentence}; {sent.help}")

    def site(self) -> None:
        """Make the site anew when a date makes it another one: an article was waiting for it."""
        if now() >= self._next_change:
            self._next_change = rebuild(self._desk, self._house)

    def retention(self) -> None:
        """Delete what is kept no longer."""
        from newsletter.subscribers.retention import tidy

        done = tidy(self._house.store, self._house.terms, now())
        gone = done.unconfirmed + done.left + done.evidence
        if gone:
            self._desk.say(f"retention: {gone:,} that are kept no longer were deleted")

    def trouble(self, duty: str, error: Exception) -> None:
        """Tell what keeps a duty from being done, once, in the shape of every finding."""
        trouble = from_exception(error)
        text = "; ".join(f"{each.code} {each.what}" for each in trouble.findings)
        if self._said.get(f"{duty} trouble") != text:
            self._said[f"{duty} trouble"] = text
            self._desk.complain(trouble.findings, f"The {duty} is looked at again by itself.")

    def _news(self, duty: str, text: str) -> None:
        self._said.pop(f"{duty} trouble", None)
        if self._said.get(duty) != text:
            self._said[duty] = text
            self._desk.say(text)


def _post_notices(house: House, asked: threading.Event) -> None:
    """Send notices as they come. A relay in trouble is told once and left alone for a while."""
    from newsletter.delivery import ledger, loop

    press, told = house.press(), ""

    def post() -> str:
        """Send what is due; what keeps it, "" for nothing."""
        with house.store.read() as tx:
            due = ledger.waiting(tx, ledger.NOTICES, now())
        if not due:
            return told
        return loop.send(
            house.store,
            press,
            house.transport,
            [ledger.NOTICES],
            pace=house.pace,
            clock=now,
            stop=asked,
        ).why

    while not asked.wait(LOOK_SECONDS):
        try:
            trouble = post()
        except Exception as error:  # noqa: BLE001 - a locked database is free again later
            findings = from_exception(error).findings
            trouble = "; ".join(f"{each.code} {each.what}" for each in findings)
        if trouble and trouble != told:
            talk(f"notices wait: {trouble}")
        told = trouble
