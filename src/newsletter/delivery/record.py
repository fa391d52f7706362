"""The public record: what may be known of a send, and nobody in it.

    database -> PERIOD.json     one file for each issue, as it stands now
             -> chain.jsonl     one line for each thing that happened, never changed

Both lie in [store] record and go back through the one door to the words wing,
where the archive and the promise page are made of them. Numbers from 1 to 4
stand as "<5": a small cell could be somebody.

The chain is written after the database has committed. What a crash left out
there is found by comparing the two, so the next `keep` writes it: every event
can be told from the database alone, and none twice, because the chain itself
says what was told.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.ledger import Sum, sums
from newsletter.errors import CouldNotRun, Finding, Findings, Where
from newsletter.files import Held, hold, read_file, write_atomic
from newsletter.issue import chain
from newsletter.issue.chain import Broken, Chain, Event
from newsletter.store import Store
from newsletter.store.tables import editions, issues

SMALL = 5
PATIENCE_SECONDS = 30
"""How long another process may hold the record; it takes milliseconds, a large audience seconds."""


def cell(number: int) -> int | str:
    """A count as it may be published."""
    return f"<{SMALL}" if 0 < number < SMALL else number


def record(tx: Connection, period: str, account: Sum | None = None) -> dict[str, object] | None:
    """The record of `period`; None when it was never opened. `account`: its sum, where it is counted already."""
    account = account or sums(tx, period)
    if account is None:
        return None
    issue = tx.execute(sa.select(issues).where(issues.c.period == period)).one()
    hashes = tx.execute(
        sa.select(editions.c.language, editions.c.html_sha256, editions.c.text_sha256)
        .where(editions.c.period == period)
        .order_by(editions.c.language)
    )
    return {
        "version": 1,
        "period": period,
        "number": issue.number,
        "state": account.state,
        "manifest": issue.manifest,
        "editions": {row[0]: {"html": row[1], "text": row[2]} for row in hashes},
        "opened_at": account.opened_at.isoformat(timespec="seconds"),
        "closed_at": account.closed_at.isoformat(timespec="seconds") if account.closed_at else None,
        "totals": _totals(account),
    }


def _totals(account: Sum) -> dict[str, int | str]:
    numbers = {
        "audience": account.audience,
        "accepted": account.accepted,
        "bounced": account.bounced,
        "complained": account.complained,
        "rejected": account.rejected,
        "excluded": account.excluded,
        "in_doubt": account.in_doubt,
        "pending": account.pending,
    }
    return {name: cell(number) for name, number in numbers.items()}


def totals_of(account: Sum) -> dict[str, chain.Cell]:
    """The totals of a closed issue as the chain tells them."""
    return {name: each for name, each in _totals(account).items() if name in chain.TOTALS}


def publish(tx: Connection, period: str, folder: Path, account: Sum | None = None) -> Path | None:
    """Write the record where it differs from what stands there; the file, None when never opened."""
    content = record(tx, period, account)
    if content is None:
        return None
    data = (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
    path = folder / f"{period}.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)
    return path


def keep(
    store: Store,
    folder: Path,
    now: dt.datetime,
    *,
    latest: int | None = None,
    also: Collection[str] = (),
) -> None:
    """Bring records and chain up to the database.

    Of the closed issues only the `latest` are looked at, None for all, and
    those in `also`: counting a million readers takes a moment.

    Safe to call at any time, from several processes of one host. Nothing is
    written into a chain that does not hold.

    Raises:
        Findings: NL660, the chain does not hold. The records were written.
        CouldNotRun: NL670, another process stands still in it.
    """
    with store.read() as tx:
        if not tx.scalar(sa.select(sa.func.count()).select_from(issues)):
            return
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder), store.read() as tx:
        rows = tx.execute(sa.select(issues).order_by(issues.c.opened_at, issues.c.period)).all()
        path = folder / chain.NAME
        data = chain_bytes(path)
        written = chain.read(data)
        lines: list[bytes] = []
        for nth, row in enumerate(rows):
            looked_at = (
                latest is None
                or row.closed_at is None
                or nth >= len(rows) - latest
                or row.period in also
            )
            # Whoever was never told as closed is counted, however old.
            account = sums(tx, row.period) if looked_at or not written.totals(row.period) else None
            if looked_at:
                publish(tx, row.period, folder, account)
            if not written.broken:
                written = _tell(row, account, written, lines, now)
        if written.broken:
            raise Findings(
                [
                    broken_chain(each, f"{folder.parent.name}/{folder.name}")
                    for each in written.broken
                ],
                _STAYS,
            )
        if lines:
            write_atomic(path, data + b"".join(lines))


_STAYS = "Nothing is written into the chain until it is as it was; sending goes on."


def _tell(
    row: Any, account: Sum | None, told: Chain, lines: list[bytes], now: dt.datetime
) -> Chain:
    """Add to `lines` what the chain does not say yet of one issue; the chain with them.

    `account` None: it is not counted again.
    """

    def say(event: Event, at: dt.datetime, **said: Any) -> None:
        nonlocal told
        lines.append(chain.following(told, event, row.period, at, **said))
        told = chain.read_on(told, lines[-1])

    if not told.of(row.period, Event.OPENED):
        audience = cell(row.audience)
        say(
            Event.OPENED, row.opened_at, manifest=row.manifest, number=row.number, audience=audience
        )
    closed = bool(told.of(row.period, Event.CLOSED))
    if row.state == "halted" and not closed and not told.of(row.period, Event.HALTED):
        say(Event.HALTED, row.closed_at or now)
    if row.closed_at is None or account is None:
        return told
    totals = totals_of(account)
    if not closed:
        say(Event.CLOSED, row.closed_at, totals=totals)
    elif totals != told.totals(row.period):
        say(Event.AMENDED, now, totals=totals)
    return told


def chain_bytes(path: Path) -> bytes:
    """The chain's bytes; none when there is no chain yet."""
    try:
        return read_file(path)
    except FileNotFoundError:
        return b""


def broken_chain(each: Broken, folder: str) -> Finding:
    """A breach of the chain, as a finding."""
    return Finding(
        "NL660",
        each.what,
        Where(f"{folder}/{chain.NAME}", each.line),
        help="bring the file back as it was: `git log -p` on it says who changed it",
    )


def _alone(folder: Path) -> Held:
    """One writer of the folder at a time, on this host.

    Raises:
        CouldNotRun: NL670, another process stands still in it.
    """
    try:
        return hold(folder, PATIENCE_SECONDS)
    except TimeoutError as error:
        raise CouldNotRun(
            Finding(
                "NL670",
                f"another process has held the public record for {PATIENCE_SECONDS} seconds",
                Where(folder.name),
                help="see whether a sender of this publication stands still; end it, then go on",
            )
        ) from error
