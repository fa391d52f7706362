"""Indexes that a row leaves once it is sent, and how many mails a sender has begun."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

WAITING = sa.text("state IN ('queued', 'deferred')")
HELD = sa.text("state IN ('claimed', 'sending')")


def upgrade() -> None:
    op.add_column(
        "senders",
        sa.Column(
            "begun",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="tries; its tally must not know of more",
        ),
    )
    op.drop_index("ix_deliveries_period_state_due_at", "deliveries")
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["period", "due_at"],
        unique=False,
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    op.create_index(
        "ix_deliveries_held",
        "deliveries",
        ["claim_id"],
        unique=False,
        sqlite_where=HELD,
        postgresql_where=HELD,
    )
