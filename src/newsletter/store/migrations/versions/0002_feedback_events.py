"""What comes back about a mail: bounces, complaints, leaves by mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:

    op.create_table(
        "feedback_events",
        sa.Column(
            "key",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="SHA-256 of what makes the event one: a replay finds it here",
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="dsn, arf, sendgrid, log, ..."),
        sa.Column(
            "delivery_id",
            sa.Text(),
            nullable=True,
            comment="a delivery's or a notice's id; NULL when only the reader was named",
        ),
        sa.Column("code", sa.Integer(), nullable=True, comment="RFC 5321 reply code"),
        sa.Column("enhanced", sa.Text(), nullable=True, comment="RFC 3463 status"),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when it reached us"),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "applied_at",
            sa.BigInteger(),
            nullable=True,
            comment="NULL while its delivery is still on its way",
        ),
        sa.Column("effect", sa.Text(), nullable=True, comment="what came of it"),
        sa.CheckConstraint(
            "kind IN ('delivered', 'deferred', 'bounced', 'blocked', 'complained', 'left')",
            name=op.f("ck_feedback_events_kind"),
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_feedback_events")),
        comment="What came back: stored first, applied when the delivery has settled. No address, no words of a mail.",
    )
    op.create_index(
        op.f("ix_feedback_events_delivery_id"), "feedback_events", ["delivery_id"], unique=False
    )
    op.create_index(
        op.f("ix_feedback_events_applied_at"), "feedback_events", ["applied_at"], unique=False
    )
