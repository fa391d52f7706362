"""Who would get an issue that is opened now: numbers, nobody's name."""

from __future__ import annotations

import sqlalchemy as sa

from newsletter.store import Store
from newsletter.store.tables import subscribers, suppressions


def audience(store: Store) -> dict[str, int]:
    """Confirmed readers that nothing suppresses, by language. Opening counts them anew."""
    table = subscribers.c
    suppressed = sa.exists().where(suppressions.c.key == table.suppression_key)
    query = (
        sa.select(table.language, sa.func.count())
        .where(table.state == "confirmed", ~suppressed)
        .group_by(table.language)
        .order_by(table.language)
    )
    with store.read() as tx:
        return {row[0]: row[1] for row in tx.execute(query)}
