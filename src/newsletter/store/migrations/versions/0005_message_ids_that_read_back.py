"""No index of Message-IDs: our key reads the row's id out of one (`vault.delivery_named`).

Those of before stay in their rows as they were made; a returned mail of theirs
is still named by its return path, its ENVID or its reader's link.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("deliveries") as table:
        table.drop_constraint(op.f("uq_deliveries_message_id"), type_="unique")
