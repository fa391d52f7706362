"""What somebody needs who has to judge a mail in doubt: when it began, and whose it was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for table in ("deliveries", "notices"):
        op.add_column(
            table,
            sa.Column(
                "begun_at",
                sa.BigInteger(),
                nullable=True,
                comment="when the last try began, before MAIL FROM",
            ),
        )
    op.create_table(
        "past_senders",
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column(
            "lease_until",
            sa.BigInteger(),
            nullable=False,
            comment="as it stood when the doubt arose",
        ),
        sa.Column(
            "ended",
            sa.Text(),
            nullable=False,
            comment="alive (it said so itself), died, power lost, put back, out of sight",
        ),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("claim_id", name=op.f("pk_past_senders")),
        comment="Senders that left somebody in doubt: who they were, for whoever has to judge it.",
    )
