"""`newsletter run`: the site, the forms, the notices and the month, until Ctrl-C.

build ─► web server (own thread) ─┬─► notices, within a second of a sign-up (own thread)
                                  └─► the month's tick (this thread)
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.desk import Desk, desk_of, examples, now, talk
from newsletter.cli.lazy import group
from newsletter.errors import CouldNotRun, Finding, Findings, Where

if TYPE_CHECKING:
    from newsletter.config import Settings
    from newsletter.wiring import House

app = group("serve", "Serve the site and send the month's issue.")

LOOK_SECONDS = 0.3
"""How often new notices are looked for: a reader waits for theirs with the page still open."""
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
        rebuild(desk, house)
        if no_web:
            keep(desk, house, asked)
            return
        from newsletter.web.server import serve

        with_server = serve(house.web_app(), settings.web.bind, settings.web.trusted_proxies)
        try:
            desk.say(f"site and forms: http://{settings.web.bind}/  (Ctrl-C ends it)")
            keep(desk, house, asked)
        finally:
            with_server.stop()
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


def rebuild(desk: Desk, house: House) -> None:
    """Make the site anew. With a broken text the last good site goes on being served, and it is said.

    Raises:
        Findings: there is no earlier site to serve.
    """
    from newsletter import site

    try:
        site.build(house.settings, now(), house.public)
    except Findings as wrong:
        if not (house.public / "index.html").is_file():
            raise
        desk.complain(wrong.findings, wrong.state)


def keep(desk: Desk, house: House, asked: threading.Event) -> None:
    """Post notices and tick until `asked`."""
    post = threading.Thread(target=_post_notices, args=(house, asked), name="notices")
    post.start()
    try:
        asked.wait()
    finally:
        asked.set()
        post.join()


def _post_notices(house: House, asked: threading.Event) -> None:
    """Send notices as they come. A relay in trouble is told once and left alone for a while."""
    from newsletter.delivery import ledger, loop

    press, trouble = house.press(), ""
    while not asked.wait(LOOK_SECONDS):
        with house.store.read() as tx:
            due = ledger.waiting(tx, ledger.NOTICES, now())
        if not due:
            continue
        report = loop.send(
            house.store,
            press,
            house.transport,
            [ledger.NOTICES],
            pace=house.pace,
            clock=now,
            stop=asked,
        )
        if report.why and report.why != trouble:
            talk(f"notices wait: {report.why}")
        trouble = report.why
        if trouble:
            asked.wait(REST_SECONDS)
