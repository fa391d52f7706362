"""`newsletter run`: the site, the forms, the notices and the month, until Ctrl-C.

build ─► web server (own thread) ─┬─► notices, within a second of a sign-up (own thread)
                                  └─► the month's tick (this thread)

Whatever is in the way (a relay that is off, a full disk, a locked database, a
wrong clock) is told in one line, once; everything is tried again by itself, and
when the way is free that is told too.
"""

from __future__ import annotations

import datetime as dt
import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.desk import Desk, desk_of, examples, now, talk
from newsletter.cli.lazy import group
from newsletter.cli.trouble import from_exception
from newsletter.errors import CouldNotRun, Finding, NewsletterError, Where

if TYPE_CHECKING:
    from newsletter.config import Settings
    from newsletter.delivery.ledger import Sum
    from newsletter.delivery.press import Press
    from newsletter.wiring import House

app = group("serve", "Serve the site and send the month's issue.")

LOOK_SECONDS = 0.3
"""How often new notices are looked for: a reader waits for theirs with the page still open."""
MONTH_SECONDS = 20
"""How often it is asked whether an issue is due, and what is open goes on."""
SITE_SECONDS = 30
"""How late an article that waited for its moment may appear."""
MAILBOX_SECONDS = 5.0
"""How long the end waits for a mailbox that is silent. Cut there, a mail is read again: that does no harm."""
RECORD_SECONDS = 600
"""How late a report that came over the web stands in the public record; counting a million readers takes a moment."""
RETENTION_SECONDS = 3600
"""What is kept no longer goes within the hour."""
NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)
REST_SECONDS = 30.0
"""How long a relay that does not answer, or refuses us, is left alone."""
STILL = Finding(
    "NL715",
    "nothing moves: the database, a disk or a name server does not answer",
    help="it goes on by itself when it does",
)


@app.command(
    epilog=examples("newsletter run", "newsletter run --no-web", "newsletter run --site-only")
)
def run(
    ctx: typer.Context,
    no_web: Annotated[
        bool, typer.Option("--no-web", help="only send; the site and forms are served elsewhere")
    ] = False,
    site_only: Annotated[
        bool, typer.Option("--site-only", help="a look at the site: no forms, no mail, no key")
    ] = False,
) -> None:
    """Serve the site and the forms, mail what the forms ask for, and send the month's issue when it is due.

    Stays until Ctrl-C or SIGTERM; what is under way is finished first, within 30
    seconds. A changed text makes the site anew; a changed newsletter.toml wants a
    new start.
    """
    from newsletter.cli.signals import stopping

    desk = desk_of(ctx)
    if site_only:
        _show(desk)
        return
    with stopping(desk.say) as asked, desk.house() as house:
        settings = house.settings
        insist_on_a_road(settings)
        house.parts  # noqa: B018 - key, database and relay are looked at before the port opens
        duties = Duties(desk, house, asked)
        duties.build()  # before the port opens: a first site, or everything wrong
        if no_web:
            keep(duties, asked)
            desk.say("stopped")
            return
        from newsletter.web.server import serve

        server = serve(house.web_app(), settings.web.bind, settings.web.trusted_proxies)
        try:
            desk.say(f"site and forms: {_at(settings, server.port)}  (Ctrl-C ends it)")
            keep(duties, asked)
        finally:
            server.stop()
    desk.say("stopped")


def _show(desk: Desk) -> None:
    """Serve the built site, made anew when a text changes, until Ctrl-C; nobody is known to it."""
    from newsletter.cli.signals import stopping
    from newsletter.schedule import local
    from newsletter.web.server import serve

    with stopping(desk.say) as asked, desk.house() as house:
        settings = house.settings
        duties = Duties(desk, house, asked)
        duties.build()
        server = serve(house.site_app(), settings.web.bind, settings.web.trusted_proxies)
        try:
            desk.say(f"the site alone: {_at(settings, server.port)}  (Ctrl-C ends it)")
            desk.say("its forms are closed: for them `newsletter run` needs a key")
            local.run([local.Duty("site", SITE_SECONDS, duties.site)], asked, duties.trouble)
        finally:
            server.stop()
    desk.say("stopped")


def _at(settings: Settings, port: int) -> str:
    return f"http://{settings.web.bind.rpartition(':')[0]}:{port}/"


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


def rebuild(
    desk: Desk, house: House, complain: Callable[[Exception], None] | None = None
) -> dt.datetime:
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
        (complain or desk.complain_of_the_site)(error)
        return now() + dt.timedelta(seconds=REST_SECONDS)


def keep(duties: Duties, asked: threading.Event) -> None:
    """Post notices in one thread and do the month's duties in this one, until `asked`."""
    from newsletter.schedule import local

    post = threading.Thread(target=duties.post, name="notices", daemon=True)
    listen = threading.Thread(target=duties.listen, name="feedback", daemon=True)
    watch = threading.Thread(target=duties.watch, name="watch", daemon=True)
    for thread in (post, listen, watch):
        thread.start()
    try:
        local.run(
            [
                local.Duty("month", MONTH_SECONDS, duties.month),
                local.Duty("site", SITE_SECONDS, duties.site),
                local.Duty("record", RECORD_SECONDS, duties.record),
                local.Duty("retention", RETENTION_SECONDS, duties.retention),
            ],
            asked,
            duties.trouble,
        )
    finally:
        asked.set()
        post.join()
        listen.join(MAILBOX_SECONDS)


class Duties:
    """What is done again and again. Each says something only when it is news."""

    def __init__(self, desk: Desk, house: House, asked: threading.Event) -> None:
        from newsletter.cli.changes import Texts
        from newsletter.cli.watch import Watch
        from newsletter.delivery.outcome import boot_seconds
        from newsletter.schedule.steps import Steps

        self._desk = desk
        self._house = house
        self._asked = asked
        self._next_change = NEVER
        self._broken = ""
        self._texts = Texts(house.settings.root)
        self._steps = Steps(house.clock, boot_seconds)
        self._watch = Watch()
        self._said: dict[str, str] = {}
        self._waits: dict[str, str] = {}

    def month(self) -> None:
        """Send what is due, and go on with what is open."""
        from newsletter.delivery.loop import Stop
        from newsletter.flows import tick
        from newsletter.flows.send import Sent
        from newsletter.schedule.month import Verdict

        self._steps.insist()
        with self._watch.over("month"), self._desk.progress("json") as progress:

            def told(done: int, total: int, label: str) -> None:
                self._watch.moved("month")
                progress(done, total, label)

            found, sent = tick.tick(self._house.parts, self._asked, told)
        if isinstance(sent, Sent):
            if sent.report and sent.report.stop is Stop.PAUSED:
                self._wait("month", f"{brief(sent.account)} · {sent.report.said}", sent.report.said)
                return
            self._free("month")
            self._news("month", brief(sent.account))
        elif found.verdict is Verdict.CLOCK:
            self._wait("month", f"NL710 {found.sentence}", "NL710")
        elif sent is None:
            self._free("month")
            self._news("month", found.sentence)
        else:
            self._wait("month", f"{sent.code} {sent.sentence}; {sent.help}")

    def site(self) -> None:
        """Make the site anew when a text has changed, or a date makes it another one."""
        if self._texts.changed() or self._house.clock() >= self._next_change:
            self.build()
        if self._texts.settings_changed():
            self._news("settings", "newsletter.toml has changed; start `run` anew to use it")

    def build(self) -> None:
        """Make the site anew; what keeps it from being made is told once.

        Raises:
            NewsletterError, OSError: there is no earlier site to serve.
        """
        broken, self._broken = self._broken, ""

        def complain(error: Exception) -> None:
            self._broken = str(from_exception(error).findings)
            if self._broken != broken:
                self._desk.complain_of_the_site(error)

        self._next_change = rebuild(self._desk, self._house, complain)
        if broken and not self._broken:
            self._desk.say("site: made anew, everything in it is well again")

    def listen(self) -> None:
        """Take in what comes back by mail, until the end: in a thread of its own, so that no mailbox delays an issue."""
        from newsletter.schedule import local

        seconds = self._house.settings.feedback.every_minutes * 60
        local.run([local.Duty("feedback", seconds, self.feedback)], self._asked, self.trouble)

    def feedback(self) -> None:
        """Act on bounces, complaints and leaves by mail; tell what somebody should look at."""
        from newsletter.cli.feedback import remarks, sentence
        from newsletter.flows.collect import collect
        from newsletter.flows.places import places

        house = self._house
        sources = places(house.settings, now().date())
        done = collect(house.settings, house.office, sources, now(), self._asked.is_set)
        self._free("feedback")
        if done.total or done.effects:
            self._desk.say(f"feedback: {sentence(done)}")
            self._desk.complain(remarks(done))

    def record(self) -> None:
        """Bring the public record up to what came back since."""
        from newsletter.flows.telling import tell

        house, parts = self._house, self._house.parts
        tell(house.settings, house.store, house.clock(), parts.complain)
        self._free("record")

    def retention(self) -> None:
        """Delete what is kept no longer."""
        from newsletter.subscribers.retention import tidy

        self._steps.insist()
        done = tidy(self._house.store, self._house.terms, now())
        gone = done.unconfirmed + done.left + done.evidence
        self._free("retention")
        if gone:
            self._desk.say(f"retention: {gone:,} that are kept no longer were deleted")

    def post(self) -> None:
        """Send notices as they come, until asked to stop. A relay in trouble is left alone for a while."""
        self._house.tempo.keep_free(1)  # a reader waits for a notice while an issue is sent
        press = self._house.press()
        rest = LOOK_SECONDS
        while not self._asked.wait(rest):
            try:
                with self._watch.over("notices"):
                    why = _post_notices(self._house, press, self._asked)
            except Exception as error:  # noqa: BLE001 - a locked database is free again later
                self.trouble("notices", error)
                rest = REST_SECONDS / 10
                continue
            if why is None:
                rest = LOOK_SECONDS
            elif why:
                self._wait("notices", why)
                rest = REST_SECONDS / 10
            else:
                self._free("notices")
                rest = LOOK_SECONDS

    def watch(self) -> None:
        """Tell of a duty that stands still, until the end."""
        from newsletter.cli.watch import LOOK_SECONDS

        while not self._asked.wait(LOOK_SECONDS):
            for duty in self._watch.still():
                self.trouble(duty, CouldNotRun(STILL))

    def trouble(self, duty: str, error: Exception) -> None:
        """Tell in one line what keeps a duty from being done."""
        if self._desk.debug:
            traceback.print_exception(error)
        findings = from_exception(error).findings
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        first = findings[0]
        help_ = f"; {first.help}" if first.help else ""
        # One disk refuses one file after another.
        same = f"{first.code} {error.strerror}" if isinstance(error, OSError) else ""
        self._wait(duty, f"{first.code} {first.what}{more}{help_}", same)

    def _wait(self, duty: str, why: str, same: str = "") -> None:
        """Tell why a duty waits, once; `same` tells whether it is still the same reason."""
        if self._waits.get(duty) != (same or why):
            self._waits[duty] = same or why
            verb = "wait" if duty.endswith("s") else "waits"
            talk(f"{duty} {verb}: {why}")

    def _free(self, duty: str) -> None:
        if self._waits.pop(duty, None):
            self._said.pop(duty, None)
            self._desk.say(f"{duty}: the way is free again")

    def _news(self, duty: str, text: str) -> None:
        if self._said.get(duty) != text:
            self._said[duty] = text
            self._desk.say(text)


def brief(account: Sum) -> str:
    """ "2026-12: 998 of 1,000 accepted, 1 rejected, 1 in doubt" - one line for a journal."""
    others = {
        "rejected": account.rejected,
        "excluded": account.excluded,
        "in doubt": account.in_doubt,
        "waiting": account.pending,
    }
    rest = "".join(f", {count:,} {name}" for name, count in others.items() if count)
    ended = " · closed" if account.closed_at else ""
    return f"{account.period}: {account.accepted:,} of {account.audience:,} accepted{rest}{ended}"


def _post_notices(house: House, press: Press, asked: threading.Event) -> str | None:
    """Send the notices that are due; what keeps them, "" for nothing, None when none was due."""
    from newsletter.delivery import ledger, loop

    with house.store.read() as tx:
        if not ledger.waiting(tx, ledger.NOTICES, house.clock()):
            return None
    # A copy, or what was put back, would send a second time what the true one sent.
    with ledger.helm.held(house.store):
        house.witness.follow(house.store)
        report = loop.send(
            house.store,
            press,
            house.transport,
            [ledger.NOTICES],
            pace=house.pace,
            clock=house.clock,
            stop=asked,
            tempo=house.tempo,
        )
    return report.said
