"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:

    op.create_table(
        "attempts",
        sa.Column(
            "id",
            sa.Integer().with_variant(sa.BigInteger(), "postgresql"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "delivery_id", sa.Text(), nullable=False, comment="a delivery's or a notice's id"
        ),
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True, comment="RFC 5321 reply code"),
        sa.Column("enhanced", sa.Text(), nullable=True, comment="RFC 3463 status"),
        sa.Column(
            "reply",
            sa.Text(),
            nullable=True,
            comment="those of the server's words that name nobody",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        comment="What each try came to.",
    )
    op.create_index(op.f("ix_attempts_delivery_id"), "attempts", ["delivery_id"], unique=False)
    op.create_table(
        "challenges",
        sa.Column(
            "id",
            sa.LargeBinary(length=16),
            nullable=False,
            comment="a solved sign-up challenge, refused the second time",
        ),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenges")),
        comment="Replay guard of the sign-up form.",
    )
    op.create_index(op.f("ix_challenges_expires_at"), "challenges", ["expires_at"], unique=False)
    op.create_table(
        "consents",
        sa.Column(
            "seq",
            sa.Integer().with_variant(sa.BigInteger(), "postgresql"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "salted_digest",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="SHA-256 of salt and payload",
        ),
        sa.Column(
            "chain",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="SHA-256 of the row before and this digest",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_consents")),
        comment="Append-only evidence: the chain still verifies when a payload is erased.",
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.Text(), nullable=False, comment="store_id, key_check, ..."),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_facts")),
        comment="What this store says of itself.",
    )
    op.create_table(
        "issues",
        sa.Column(
            "period", sa.Text(), nullable=False, comment="2026-12: one issue a month is this key"
        ),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "manifest", sa.Text(), nullable=False, comment="SHA-256 of the approved edition.toml"
        ),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "dated", sa.BigInteger(), nullable=False, comment="the Date header of every copy"
        ),
        sa.Column(
            "closes_at",
            sa.BigInteger(),
            nullable=False,
            comment="after this, who is still waiting is rejected as expired",
        ),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("audience", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "length(period) = 7 AND substr(period, 5, 1) = '-'", name=op.f("ck_issues_period")
        ),
        sa.CheckConstraint("state IN ('open', 'halted', 'closed')", name=op.f("ck_issues_state")),
        sa.PrimaryKeyConstraint("period", name=op.f("pk_issues")),
        sa.UniqueConstraint("number", name=op.f("uq_issues_number")),
        comment="Opened issues. A row is never deleted and never opened twice.",
    )
    op.create_table(
        "keyring",
        sa.Column(
            "purpose",
            sa.Text(),
            nullable=False,
            comment="field, index, suppression, token, message_id, evidence",
        ),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "wrapped",
            sa.LargeBinary(),
            nullable=False,
            comment="the random sub-key, AES-256-GCM under the root key; AAD purpose and generation",
        ),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("purpose", "generation", name=op.f("pk_keyring")),
        comment="Random sub-keys, wrapped by the root key, which is never here.",
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="confirm, data, word"),
        sa.Column("subscriber_id", sa.Text(), nullable=False),
        sa.Column(
            "confirmation_id",
            sa.LargeBinary(length=8),
            nullable=True,
            comment="whose link the mail carries",
        ),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why excluded, rejected or in doubt"),
        sa.Column("message_id", sa.Text(), nullable=False, comment="pinned: the same on every try"),
        sa.Column("consent_epoch", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment="not before"),
        sa.Column(
            "claim_id",
            sa.Text(),
            nullable=True,
            comment="which sender holds it; None when nobody does",
        ),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("closes_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'claimed', 'sending', 'accepted', 'deferred', 'rejected', 'excluded', 'in_doubt', 'bounced', 'complained')",
            name=op.f("ck_notices_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("message_id", name=op.f("uq_notices_message_id")),
        comment="Mails that are no issue, in the same states and the same loop.",
    )
    op.create_index("ix_notices_state_due_at", "notices", ["state", "due_at"], unique=False)
    op.create_index(op.f("ix_notices_subscriber_id"), "notices", ["subscriber_id"], unique=False)
    op.create_table(
        "senders",
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("boot_id", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column(
            "process_started",
            sa.Text(),
            nullable=False,
            comment="start time of the process, so that a reused pid is told apart",
        ),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("claim_id", name=op.f("pk_senders")),
        comment="Who is sending now; a row is gone when its sender ended well.",
    )
    op.create_table(
        "subscribers",
        sa.Column("id", sa.Text(), nullable=False, comment="128 random bits, lower-case hex"),
        sa.Column(
            "link_id",
            sa.LargeBinary(length=8),
            nullable=False,
            comment="64 random bits: the name of this row in a mail's token",
        ),
        sa.Column(
            "address",
            sa.LargeBinary(),
            nullable=False,
            comment="generation, nonce, AES-256-GCM; AAD table, column, id",
        ),
        sa.Column(
            "address_index",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="HMAC-SHA-256 under the index key: the way to find a row, and the reason nobody is here twice",
        ),
        sa.Column(
            "suppression_key",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="HMAC-SHA-256 under the suppression key: excluding is a join",
        ),
        sa.Column(
            "evidence_key",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="HMAC-SHA-256 under the evidence key: finds the consents, also after this row is gone",
        ),
        sa.Column("language", sa.Text(), nullable=False, comment="BCP 47"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "consent_epoch",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="grows with every leave and opt-in; fences a claimed mail off",
        ),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'confirmed', 'unsubscribed')", name=op.f("ck_subscribers_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscribers")),
        comment="People. Erased is gone.",
    )
    op.create_index(
        "ix_subscribers_state_language", "subscribers", ["state", "language"], unique=False
    )
    op.create_index(
        op.f("ix_subscribers_suppression_key"), "subscribers", ["suppression_key"], unique=False
    )
    op.create_index("uq_subscribers_address_index", "subscribers", ["address_index"], unique=True)
    op.create_index("uq_subscribers_link_id", "subscribers", ["link_id"], unique=True)
    op.create_table(
        "suppressions",
        sa.Column(
            "key",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="HMAC-SHA-256 of the address under the suppression key",
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "reason IN ('left', 'erased', 'bounced', 'complained')",
            name=op.f("ck_suppressions_reason"),
        ),
        sa.PrimaryKeyConstraint("key", "reason", name=op.f("pk_suppressions")),
        comment="Do not mail. Survives erasure without keeping the address.",
    )
    op.create_table(
        "wordings",
        sa.Column("hash", sa.Text(), nullable=False, comment="SHA-256 of the text, hex"),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column(
            "version",
            sa.Text(),
            nullable=False,
            comment="the wording file's name, or where an imported one is from",
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_wordings")),
        comment="Every consent wording that anybody was shown, word for word.",
    )
    op.create_table(
        "confirmations",
        sa.Column(
            "id",
            sa.LargeBinary(length=8),
            nullable=False,
            comment="the token's name; the token itself is kept nowhere",
        ),
        sa.Column("subscriber_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False, comment="confirm, data"),
        sa.Column(
            "wording_hash",
            sa.Text(),
            nullable=True,
            comment="the wording that was shown when this was asked",
        ),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscribers.id"],
            name=op.f("fk_confirmations_subscriber_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_confirmations")),
        comment="Links sent by a notice that act once: confirm, my data.",
    )
    op.create_index(
        op.f("ix_confirmations_subscriber_id"), "confirmations", ["subscriber_id"], unique=False
    )
    op.create_table(
        "consent_payloads",
        sa.Column(
            "seq",
            sa.Integer().with_variant(sa.BigInteger(), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "evidence_key",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="HMAC-SHA-256 of the address under a key used for nothing else",
        ),
        sa.Column(
            "recorded_at",
            sa.BigInteger(),
            nullable=False,
            comment="for the retention job; the evidence's own times are in the payload",
        ),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=False),
        sa.Column(
            "payload",
            sa.Text(),
            nullable=False,
            comment="canonical JSON: event, wording, language, method, times to the minute; no address, no IP",
        ),
        sa.ForeignKeyConstraint(["seq"], ["consents.seq"], name=op.f("fk_consent_payloads_seq")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_consent_payloads")),
        comment="What can be deleted.",
    )
    op.create_index(
        op.f("ix_consent_payloads_evidence_key"), "consent_payloads", ["evidence_key"], unique=False
    )
    op.create_table(
        "deliveries",
        sa.Column(
            "id", sa.Text(), nullable=False, comment="128 random bits, hex: the only name in logs"
        ),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column(
            "subscriber_id",
            sa.Text(),
            nullable=False,
            comment="no foreign key: the row outlives the person",
        ),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why excluded, rejected or in doubt"),
        sa.Column("message_id", sa.Text(), nullable=False, comment="pinned: the same on every try"),
        sa.Column("consent_epoch", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment="not before"),
        sa.Column(
            "claim_id",
            sa.Text(),
            nullable=True,
            comment="which sender holds it; None when nobody does",
        ),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'claimed', 'sending', 'accepted', 'deferred', 'rejected', 'excluded', 'in_doubt', 'bounced', 'complained')",
            name=op.f("ck_deliveries_state"),
        ),
        sa.ForeignKeyConstraint(["period"], ["issues.period"], name=op.f("fk_deliveries_period")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("message_id", name=op.f("uq_deliveries_message_id")),
        sa.UniqueConstraint("period", "subscriber_id", name="uq_deliveries_period_subscriber_id"),
        comment="The ledger: this issue, this person.",
    )
    op.create_index(
        "ix_deliveries_period_state_due_at",
        "deliveries",
        ["period", "state", "due_at"],
        unique=False,
    )
    op.create_index("ix_deliveries_subscriber_id", "deliveries", ["subscriber_id"], unique=False)
    op.create_table(
        "editions",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html_sha256", sa.Text(), nullable=False),
        sa.Column("text_sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["period"], ["issues.period"], name=op.f("fk_editions_period")),
        sa.PrimaryKeyConstraint("period", "language", name=op.f("pk_editions")),
        comment="The approved bytes, copied when the issue was opened; content/ is not read again.",
    )
