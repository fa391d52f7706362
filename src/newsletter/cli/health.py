"""What `newsletter doctor` looks at: one line for each thing a send depends on.

Each look says what is in force, and collects findings instead of ending at the
first. No address is opened, no secret printed, nothing changed.
"""

from __future__ import annotations

import datetime as dt
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from newsletter.cli.trouble import from_exception
from newsletter.errors import CouldNotRun, Finding, Findings, Level

if TYPE_CHECKING:
    from newsletter.wiring import House


@dataclass(frozen=True, slots=True)
class Seen:
    """`what` was looked at, what it `says`, and what is wrong with it."""

    what: str
    says: str
    findings: tuple[Finding, ...] = ()


def look(house: House, *, relay: bool) -> Iterator[Seen]:
    """Everything, in the order in which one depends on the other. `relay`: whether it is asked."""
    looks: list[tuple[str, Callable[[House], Seen]]] = [
        ("program", _program),
        ("configuration", _configuration),
        ("clock", _clock),
        ("texts", _texts),
        ("site", _site),
        ("database", _database),
        ("readers", _people),
        ("ledger", _ledger),
        ("witness", _witness),
        ("relay", _relay if relay else _relay_named),
        ("feedback", _feedback),
        ("month", _month),
    ]
    for what, act in looks:
        try:
            yield act(house)
        except Exception as error:  # noqa: BLE001 - one look of many; the others are worth having
            wrong = from_exception(error).findings
            yield Seen(what, _first(wrong), wrong)


def adopt(house: House) -> int:
    """The operator's word that this store is the one to go on with; how many are in doubt now."""
    from newsletter.schedule import witness

    return witness.adopt(house.store, house.witness, house.clock())


def _first(findings: tuple[Finding, ...]) -> str:
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{findings[0].what}{more}"


def _program(house: House) -> Seen:
    from newsletter import __version__

    return Seen("program", f"newsletter {__version__}, Python {platform.python_version()}")


def _configuration(house: House) -> Seen:
    from newsletter.config import FILE_NAME

    languages = ", ".join(house.settings.publication.languages)
    found: list[Finding] = []
    if house.settings.delivery.sendgrid.webhook_key is not None:
        from newsletter.delivery.feedback import sendgrid

        found = sendgrid.objections(house.settings)
    return Seen("configuration", f"{house.settings.root / FILE_NAME} ({languages})", tuple(found))


def _clock(house: House) -> Seen:
    zone = house.settings.publication.time_zone
    return Seen("clock", f"{house.clock().astimezone(zone):%Y-%m-%d %H:%M} in {zone.key}")


def _texts(house: House) -> Seen:
    from newsletter import content
    from newsletter.checks import languages
    from newsletter.cli.words import tally

    lacking = tuple(languages.unready(house.settings))
    try:
        catalogue = content.load(house.settings, house.clock())
    except Findings as wrong:
        return Seen("texts", _first(wrong.findings), (*wrong.findings, *lacking))
    return Seen("texts", tally(catalogue), (*catalogue.warnings, *lacking))


def _site(house: House) -> Seen:
    page = house.public / "index.html"
    if not page.is_file():
        return Seen("site", "not built yet; `newsletter build` makes it")
    zone = house.settings.publication.time_zone
    built = dt.datetime.fromtimestamp(house.public.stat().st_mtime, zone)
    return Seen(
        "site", f"{house.public}, of {built:%Y-%m-%d %H:%M}; readers see {house.settings.site_url}"
    )


def _nobody(house: House) -> bool:
    return not house.is_begun


def _database(house: House) -> Seen:
    from newsletter.store import health

    if _nobody(house):
        _insist_on_no_past(house)
        return Seen("database", f"{_where(house)}: made with the first reader")
    return Seen("database", _where(house), tuple(health.check(house.store, house.database)))


def _where(house: House) -> str:
    """The file, or the server and the database's name there; the address may hold a password."""
    if house.database:
        return str(house.database)
    from sqlalchemy import make_url

    url = make_url(house.settings.store.url)
    server = url.query.get("host") or url.host or "its socket"
    port = f":{url.port}" if url.port else ""
    return f"PostgreSQL, {url.database} at {server}{port}"


def _insist_on_no_past(house: House) -> None:
    """Raises CouldNotRun: NL702, the witness remembers an issue, so that a database was here."""
    seen = house.witness.read()
    if seen is not None and seen.last is not None:
        raise CouldNotRun(
            Finding(
                "NL702",
                f"{_where(house)} is gone, and {seen.last} was sent from it",
                help="bring it back, or restore a backup; see [store] url",
            )
        )


def _people(house: House) -> Seen:
    """The key, the evidence, the journal, a rotation under way: what makes the rows people."""
    from newsletter.subscribers import health

    if _nobody(house):
        return Seen("readers", f"nobody yet; the key is {house.key.path}")
    found = health.check(
        house.store,
        house.environ,
        house.journal,
        house.clock(),
        publication=house.settings.root,
        database=house.database,
    )
    if any(finding.level is Level.ERROR for finding in found):
        return Seen("readers", _first(tuple(found)), tuple(found))
    return Seen("readers", f"{house.key.path} opens them; evidence and journal hold", tuple(found))


def _ledger(house: House) -> Seen:
    """Whether every issue still has every reader it was opened for."""
    from newsletter.cli.account import accounts
    from newsletter.delivery import ledger

    if _nobody(house):
        return Seen("ledger", "nothing was sent yet")
    with house.store.read() as tx:
        found = tuple(ledger.uneven(tx))
    if found:
        return Seen("ledger", _first(found), found)
    doubts = sum(account.in_doubt for account in accounts(house))
    told = f"; {doubts:,} in doubt: `newsletter status`" if doubts else ""
    return Seen("ledger", f"every issue adds up{told}")


def _witness(house: House) -> Seen:
    from newsletter.schedule.witness import Standing, look

    if _nobody(house):
        return Seen("witness", "nothing was sent yet")
    with house.store.read() as tx:
        here, standing = look(tx), house.witness.standing(tx)
    if standing is Standing.FIRST:
        return Seen("witness", "nothing was sent yet")
    house.witness.insist(house.store, house.clock())  # raises, with the reason and the way out
    says = f"agrees: last issue {here.last or 'none'}, step {here.clock}; mirror in {house.mirror}"
    return Seen("witness", says)


def _relay_named(house: House) -> Seen:
    house.transport  # noqa: B018 - refused when the road is not named or not safe
    return Seen("relay", f"{_road(house)}; not asked")


def _relay(house: House) -> Seen:
    transport = house.transport
    if transport.name == "outbox":
        return Seen("relay", f"{_road(house)}: reaches nobody")
    connection = transport.connect()
    trouble = connection.ready()
    connection.close()
    if trouble is not None:
        said = " ".join(str(part) for part in (trouble.code, trouble.reply) if part)
        raise CouldNotRun(
            Finding(
                "NL148",
                f"{_road(house)} is not ready: {trouble.stage} {said}".rstrip(),
                help=f"see [delivery.{transport.name}]; for a trial on this machine, start `newsletter inbox`",
            )
        )
    if transport.name == "sendgrid":
        return Seen("relay", f"{_road(house)} answers; whether it takes the key, a mail will tell")
    return Seen("relay", f"{_road(house)} answers and lets us in")


def _road(house: House) -> str:
    delivery = house.settings.delivery
    if delivery.transport == "outbox":
        return f"the folder {delivery.outbox_path}/"
    if delivery.transport == "sendgrid":
        from newsletter.delivery.transports.sendgrid_terms import base_of

        return f"SendGrid at {base_of(house.settings)}"
    smtp = delivery.smtp
    return f"{smtp.host}:{smtp.port} ({smtp.security})"


def _feedback(house: House) -> Seen:
    """Where bounces and complaints are read; a Maildir is opened, an IMAP server is not asked."""
    from newsletter.delivery.feedback.maildir import Maildir
    from newsletter.flows.places import places

    settings = house.settings
    found = places(settings, house.clock().date())
    said = [
        f"{each.waiting():,} mails wait in the Maildir"
        for each in found
        if isinstance(each, Maildir)
    ]
    if settings.feedback.imap.host is not None:
        said.append(f"the folder {settings.feedback.imap.folder} at {settings.feedback.imap.host}")
    if said:
        return Seen("feedback", "; ".join(said))
    if settings.sender.bounce_domain is not None:
        return Seen(
            "feedback",
            f"what comes to {settings.sender.bounce_domain} is read by a pipe, or by nobody",
        )
    return Seen("feedback", "bounces are not read: a mail that comes back stays accepted")


def _month(house: House) -> Seen:
    from newsletter.cli.account import decision

    return Seen("month", decision(house).sentence)
