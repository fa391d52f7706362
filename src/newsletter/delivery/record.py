"""The public record of an issue: what may be known of a send, and nobody in it.

One JSON file for each period in [store] record. It goes back through the one
door to the words wing, where the archive and the promise page are made of it.
Numbers from 1 to 4 stand as "<5": a small cell could be somebody.
"""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.ledger import Sum, sums
from newsletter.files import write_atomic
from newsletter.store.tables import editions, issues

SMALL = 5


def cell(number: int) -> int | str:
    """A count as it may be published."""
    return f"<{SMALL}" if 0 < number < SMALL else number


def record(tx: Connection, period: str) -> dict[str, object] | None:
    """The record of `period`; None when it was never opened."""
    account = sums(tx, period)
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


def publish(tx: Connection, period: str, folder: Path) -> Path | None:
    """Write the record where it differs from what stands there; the file, None when never opened."""
    content = record(tx, period)
    if content is None:
        return None
    data = (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
    path = folder / f"{period}.json"
    folder.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)
    return path
