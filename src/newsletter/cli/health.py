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

from newsletter.errors import CouldNotRun, Finding, Findings, Level, NewsletterError, Where

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
        ("key", _key),
        ("database", _database),
        ("evidence", _evidence),
        ("journal", _journal),
        ("witness", _witness),
        ("relay", _relay if relay else _relay_named),
        ("month", _month),
    ]
    for what, act in looks:
        try:
            yield act(house)
        except (Findings, CouldNotRun) as wrong:
            yield Seen(what, _first(wrong.findings), wrong.findings)
        except NewsletterError as wrong:
            yield Seen(what, str(wrong), (Finding("NL129", str(wrong)),))


def adopt(house: House) -> int:
    """The operator's word that this store is the one to go on with; how many are in doubt now."""
    from newsletter.schedule import witness

    return witness.adopt(house.store, _witness_of(house), house.clock())


def _first(findings: tuple[Finding, ...]) -> str:
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return f"{findings[0].what}{more}"


def _program(house: House) -> Seen:
    from newsletter import __version__

    return Seen("program", f"newsletter {__version__}, Python {platform.python_version()}")


def _configuration(house: House) -> Seen:
    from newsletter.config import FILE_NAME

    languages = ", ".join(house.settings.publication.languages)
    return Seen("configuration", f"{house.settings.root / FILE_NAME} ({languages})")


def _clock(house: House) -> Seen:
    zone = house.settings.publication.time_zone
    return Seen("clock", f"{house.clock().astimezone(zone):%Y-%m-%d %H:%M} in {zone.key}")


def _texts(house: House) -> Seen:
    from newsletter import content
    from newsletter.cli.words import tally

    catalogue = content.load(house.settings, house.clock())
    return Seen("texts", tally(catalogue), catalogue.warnings)


def _site(house: House) -> Seen:
    page = house.public / "index.html"
    if not page.is_file():
        return Seen("site", "not built yet; `newsletter build` makes it")
    zone = house.settings.publication.time_zone
    built = dt.datetime.fromtimestamp(house.public.stat().st_mtime, zone)
    return Seen(
        "site", f"{house.public}, of {built:%Y-%m-%d %H:%M}; readers see {house.settings.site_url}"
    )


def _key(house: House) -> Seen:
    from newsletter.subscribers import keyring

    key = house.key
    if house.database is not None and not house.database.exists():
        return Seen("key", f"{key.path}; nobody is here yet")
    with house.store.read() as tx:
        keyring.opened(tx, key)
    return Seen("key", f"{key.path} opens this database")


def _database(house: House) -> Seen:
    if house.database is None:
        return Seen("database", f"{house.store.dialect}, tables of this version")
    if not house.database.exists():
        return Seen("database", f"{house.database}: not there yet, made with the first reader")
    with house.store.read() as tx:
        said = tx.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if said != "ok":
        raise CouldNotRun(
            Finding(
                "NL145",
                "the database file is damaged",
                Where(str(house.database)),
                help="stop everything, keep the file as it is, and restore the last backup beside it",
            )
        )
    size = house.database.stat().st_size / 1e6
    return Seen("database", f"{house.database}, {size:,.1f} MB, whole, tables of this version")


def _nobody(house: House) -> bool:
    return house.database is not None and not house.database.exists()


def _evidence(house: House) -> Seen:
    from newsletter.subscribers import consent

    if _nobody(house):
        return Seen("evidence", "nobody consented to anything yet")
    with house.store.read() as tx:
        verdict = consent.verify(tx)
    if not verdict.is_whole:
        raise CouldNotRun(
            Finding(
                "NL146",
                f"the chain of consent evidence breaks at record {verdict.broken_at}",
                help="a record was changed or taken out; compare with the last backup",
            )
        )
    return Seen("evidence", f"{verdict.records:,} records, the chain is whole")


def _journal(house: House) -> Seen:
    torn = entries = 0
    for entry in house.journal.entries():
        entries += 1
        torn += entry is None
    warned = (
        Finding(
            "NL147",
            f"{torn} lines of the journal are torn",
            Where(house.settings.store.journal),
            help="power was lost while they were written; their leave was never answered with 200",
            level=Level.WARNING,
        ),
    )
    return Seen("journal", f"{entries:,} leaves and erasures", warned if torn else ())


def _witness(house: House) -> Seen:
    from newsletter.schedule.witness import Standing, judge, look

    if _nobody(house):
        return Seen("witness", "nothing was sent yet")
    witness = _witness_of(house)
    with house.store.read() as tx:
        here = look(tx)
    standing = judge(witness.read(), here)
    if standing not in (Standing.AGREES, Standing.FIRST):
        witness.insist(house.store)  # raises, with the reason and the way out
    if standing is Standing.FIRST:
        return Seen("witness", "nothing was sent yet")
    return Seen("witness", f"agrees: last issue {here.last or 'none'}, step {here.clock}")


def _witness_of(house: House):  # type: ignore[no-untyped-def]
    from newsletter.schedule.witness import Witness

    return Witness(house.settings.path(house.settings.store.witness))


def _relay_named(house: House) -> Seen:
    house.transport  # noqa: B018 - refused when the road is not named or not safe
    return Seen("relay", f"{_road(house)}; not asked")


def _relay(house: House) -> Seen:
    from newsletter.delivery.transports.smtp import SmtpTransport

    transport = house.transport
    if not isinstance(transport, SmtpTransport):
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
                help="see [delivery.smtp]; for a trial on this machine, start `newsletter inbox`",
            )
        )
    return Seen("relay", f"{_road(house)} answers and lets us in")


def _road(house: House) -> str:
    delivery = house.settings.delivery
    if delivery.transport == "outbox":
        return f"the folder {delivery.outbox_path}/"
    smtp = delivery.smtp
    return f"{smtp.host}:{smtp.port} ({smtp.security})"


def _month(house: House) -> Seen:
    from newsletter.cli.account import decision

    return Seen("month", decision(house).sentence)
