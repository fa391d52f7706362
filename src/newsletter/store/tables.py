"""The people wing on one page: every table and column there is.

Who writes what: `subscribers` owns keyring, subscribers, consents, wordings
and suppressions; `delivery` owns editions, issues, deliveries, notices,
attempts and feedback_events; `schedule` reads issues. An address stands in one column of one
table (`subscribers.address`), encrypted; everything else holds random ids and
keyed hashes. Times are UTC.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class Moment(sa.TypeDecorator[dt.datetime]):
    """An aware UTC moment, kept as whole milliseconds since 1970: compares and sorts the same everywhere."""

    impl = sa.BigInteger
    cache_ok = True

    @staticmethod
    def milliseconds(value: dt.datetime) -> int:
        if value.tzinfo is None:
            raise ValueError("a moment without a zone is no moment")
        return round(value.timestamp() * 1000)

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else self.milliseconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> dt.datetime | None:
        return None if value is None else dt.datetime.fromtimestamp(value / 1000, dt.UTC)


DELIVERY_STATES = (
    "queued", "claimed", "sending", "accepted", "deferred", "rejected",
    "excluded", "in_doubt", "bounced", "complained",
)  # fmt: skip
"""The states of delivery/states.py; a test holds them, the CHECK and the docs against each other."""

WAITING = sa.text("state IN ('queued', 'deferred')")
"""Rows that may be claimed, in the words of the partial index that holds them: a query says it so, or scans."""
HELD = sa.text("state IN ('claimed', 'sending')")
"""Rows that a sender holds; another partial index."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, values: tuple[str, ...], name: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(
        f"{column} IN ({', '.join(repr(value) for value in values)})", name=name
    )


facts = sa.Table(
    "facts", metadata,
    sa.Column("name", sa.Text, primary_key=True, comment="store_id, key_check, ..."),
    sa.Column("value", sa.LargeBinary, nullable=False),
    comment="What this store says of itself.",
)  # fmt: skip

keyring = sa.Table(
    "keyring", metadata,
    sa.Column("purpose", sa.Text, primary_key=True, comment="field, index, suppression, token, message_id, evidence"),
    sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("wrapped", sa.LargeBinary, nullable=False, comment="the random sub-key, AES-256-GCM under the root key; AAD purpose and generation"),
    sa.Column("made_at", Moment, nullable=False),
    comment="Random sub-keys, wrapped by the root key, which is never here.",
)  # fmt: skip

subscribers = sa.Table(
    "subscribers", metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="128 random bits, lower-case hex"),
    sa.Column("link_id", sa.LargeBinary(8), nullable=False, comment="64 random bits: the name of this row in a mail's token"),
    sa.Column("address", sa.LargeBinary, nullable=False, comment="generation, nonce, AES-256-GCM; AAD table, column, id"),
    sa.Column("address_index", sa.LargeBinary(32), nullable=False, comment="HMAC-SHA-256 under the index key: the way to find a row, and the reason nobody is here twice"),
    sa.Column("suppression_key", sa.LargeBinary(32), nullable=False, index=True, comment="HMAC-SHA-256 under the suppression key: excluding is a join"),
    sa.Column("evidence_key", sa.LargeBinary(32), nullable=False, comment="HMAC-SHA-256 under the evidence key: finds the consents, also after this row is gone"),
    sa.Column("language", sa.Text, nullable=False, comment="BCP 47"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("consent_epoch", sa.Integer, nullable=False, server_default="0", comment="grows with every leave and opt-in; fences a claimed mail off"),
    sa.Column("requested_at", Moment, nullable=False),
    sa.Column("confirmed_at", Moment),
    sa.Column("left_at", Moment),
    _one_of("state", ("pending", "confirmed", "unsubscribed"), "state"),
    sa.Index("ix_subscribers_state_language", "state", "language"),
    # Unique indexes and not constraints: the first import of a long list makes them at its end.
    sa.Index("uq_subscribers_link_id", "link_id", unique=True),
    sa.Index("uq_subscribers_address_index", "address_index", unique=True),
    comment="People. Erased is gone.",
)  # fmt: skip

wordings = sa.Table(
    "wordings", metadata,
    sa.Column("hash", sa.Text, primary_key=True, comment="SHA-256 of the text, hex"),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False, comment="the wording file's name, or where an imported one is from"),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("first_seen_at", Moment, nullable=False),
    comment="Every consent wording that anybody was shown, word for word.",
)  # fmt: skip

consents = sa.Table(
    "consents", metadata,
    sa.Column("seq", sa.Integer().with_variant(sa.BigInteger, "postgresql"), primary_key=True, autoincrement=True),
    sa.Column("salted_digest", sa.LargeBinary(32), nullable=False, comment="SHA-256 of salt and payload"),
    sa.Column("chain", sa.LargeBinary(32), nullable=False, comment="SHA-256 of the row before and this digest"),
    comment="Append-only evidence: the chain still verifies when a payload is erased.",
)  # fmt: skip

consent_payloads = sa.Table(
    "consent_payloads", metadata,
    sa.Column("seq", sa.ForeignKey("consents.seq"), primary_key=True, autoincrement=False),
    sa.Column("evidence_key", sa.LargeBinary(32), nullable=False, index=True, comment="HMAC-SHA-256 of the address under a key used for nothing else"),
    sa.Column("recorded_at", Moment, nullable=False, comment="for the retention job; the evidence's own times are in the payload"),
    sa.Column("salt", sa.LargeBinary(16), nullable=False),
    sa.Column("payload", sa.Text, nullable=False, comment="canonical JSON: event, wording, language, method, times to the minute; no address, no IP"),
    comment="What can be deleted.",
)  # fmt: skip

suppressions = sa.Table(
    "suppressions", metadata,
    sa.Column("key", sa.LargeBinary(32), primary_key=True, comment="HMAC-SHA-256 of the address under the suppression key"),
    sa.Column("reason", sa.Text, primary_key=True),
    sa.Column("since", Moment, nullable=False),
    _one_of("reason", ("left", "erased", "bounced", "complained"), "reason"),
    comment="Do not mail. Survives erasure without keeping the address.",
)  # fmt: skip

confirmations = sa.Table(
    "confirmations", metadata,
    sa.Column("id", sa.LargeBinary(8), primary_key=True, comment="the token's name; the token itself is kept nowhere"),
    sa.Column("subscriber_id", sa.ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("purpose", sa.Text, nullable=False, comment="confirm, data"),
    sa.Column("wording_hash", sa.Text, comment="the wording that was shown when this was asked"),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("used_at", Moment),
    comment="Links sent by a notice that act once: confirm, my data.",
)  # fmt: skip

issues = sa.Table(
    "issues", metadata,
    sa.Column("period", sa.Text, primary_key=True, comment="2026-12: one issue a month is this key"),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("manifest", sa.Text, nullable=False, comment="SHA-256 of the approved edition.toml"),
    sa.Column("approved_by", sa.Text, nullable=False),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("dated", Moment, nullable=False, comment="the Date header of every copy"),
    sa.Column("closes_at", Moment, nullable=False, comment="after this, who is still waiting is rejected as expired"),
    sa.Column("closed_at", Moment),
    sa.Column("audience", sa.Integer, nullable=False),
    _one_of("state", ("open", "halted", "closed"), "state"),
    sa.CheckConstraint("length(period) = 7 AND substr(period, 5, 1) = '-'", name="period"),
    comment="Opened issues. A row is never deleted and never opened twice.",
)  # fmt: skip

editions = sa.Table(
    "editions", metadata,
    sa.Column("period", sa.ForeignKey("issues.period"), primary_key=True),
    sa.Column("language", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("html", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("html_sha256", sa.Text, nullable=False),
    sa.Column("text_sha256", sa.Text, nullable=False),
    comment="The approved bytes, copied when the issue was opened; content/ is not read again.",
)  # fmt: skip


def _queue_columns(*, named_by_chance: bool = False) -> list[sa.Column[Any]]:
    """What a row needs so that the send loop can carry it: the same for issues and notices.

    `named_by_chance`: the Message-ID is random, so that only an index finds its row.
    """
    return [
        sa.Column("state", sa.Text, nullable=False, server_default="queued"),
        sa.Column("reason", sa.Text, comment="why excluded, rejected or in doubt"),
        sa.Column(
            "message_id",
            sa.Text,
            nullable=False,
            unique=named_by_chance or None,
            comment="pinned: the same on every try",
        ),
        sa.Column("consent_epoch", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", Moment, nullable=False, comment="not before"),
        sa.Column("begun_at", Moment, comment="when the last try began, before MAIL FROM"),
        sa.Column("claim_id", sa.Text, comment="which sender holds it; None when nobody does"),
        sa.Column("settled_at", Moment),
    ]


deliveries = sa.Table(
    "deliveries", metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="128 random bits, hex: the only name in logs"),
    sa.Column("period", sa.ForeignKey("issues.period"), nullable=False),
    sa.Column("subscriber_id", sa.Text, nullable=False, comment="no foreign key: the row outlives the person"),
    sa.Column("language", sa.Text, nullable=False),
    *_queue_columns(),
    sa.UniqueConstraint("period", "subscriber_id", name="uq_deliveries_period_subscriber_id"),
    _one_of("state", DELIVERY_STATES, "state"),
    sa.Index("ix_deliveries_waiting", "period", "due_at", sqlite_where=WAITING, postgresql_where=WAITING),
    sa.Index("ix_deliveries_held", "claim_id", sqlite_where=HELD, postgresql_where=HELD),
    sa.Index("ix_deliveries_subscriber_id", "subscriber_id"),
    comment="The ledger: this issue, this person.",
)  # fmt: skip

notices = sa.Table(
    "notices", metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False, comment="confirm, data, word"),
    sa.Column("subscriber_id", sa.Text, nullable=False, index=True),
    sa.Column("confirmation_id", sa.LargeBinary(8), comment="whose link the mail carries"),
    sa.Column("language", sa.Text, nullable=False),
    *_queue_columns(named_by_chance=True),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("closes_at", Moment, nullable=False),
    _one_of("state", DELIVERY_STATES, "state"),
    sa.Index("ix_notices_state_due_at", "state", "due_at"),
    comment="Mails that are no issue, in the same states and the same loop.",
)  # fmt: skip

senders = sa.Table(
    "senders", metadata,
    sa.Column("claim_id", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("boot_id", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("process_started", sa.Text, nullable=False, comment="start time of the process, so that a reused pid is told apart"),
    sa.Column("lease_until", Moment, nullable=False),
    sa.Column("begun", sa.Integer, nullable=False, server_default="0", comment="tries; its tally must not know of more"),
    comment="Who is sending now; a row is gone when its sender ended well.",
)  # fmt: skip

past_senders = sa.Table(
    "past_senders", metadata,
    sa.Column("claim_id", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("boot_id", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("lease_until", Moment, nullable=False, comment="as it stood when the doubt arose"),
    sa.Column("ended", sa.Text, nullable=False, comment="alive (it said so itself), died, power lost, put back, out of sight"),
    sa.Column("noted_at", Moment, nullable=False),
    comment="Senders that left somebody in doubt: who they were, for whoever has to judge it.",
)  # fmt: skip

attempts = sa.Table(
    "attempts", metadata,
    sa.Column("id", sa.Integer().with_variant(sa.BigInteger, "postgresql"), primary_key=True, autoincrement=True),
    sa.Column("delivery_id", sa.Text, nullable=False, index=True, comment="a delivery's or a notice's id"),
    sa.Column("claim_id", sa.Text, nullable=False),
    sa.Column("ended_at", Moment, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("code", sa.Integer, comment="RFC 5321 reply code"),
    sa.Column("enhanced", sa.Text, comment="RFC 3463 status"),
    sa.Column("reply", sa.Text, comment="those of the server's words that name nobody"),
    comment="What each try came to.",
)  # fmt: skip

challenges = sa.Table(
    "challenges", metadata,
    sa.Column("id", sa.LargeBinary(16), primary_key=True, comment="a solved sign-up challenge, refused the second time"),
    sa.Column("expires_at", Moment, nullable=False, index=True),
    comment="Replay guard of the sign-up form.",
)  # fmt: skip

FEEDBACK_KINDS = ("delivered", "deferred", "bounced", "blocked", "complained", "left")
"""The kinds of delivery/feedback/events.py; a test holds the two and the CHECK against each other."""

feedback_events = sa.Table(
    "feedback_events", metadata,
    sa.Column("key", sa.LargeBinary(32), primary_key=True, comment="SHA-256 of what makes the event one: a replay finds it here"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False, comment="dsn, arf, sendgrid, log, ..."),
    sa.Column("delivery_id", sa.Text, index=True, comment="a delivery's or a notice's id; NULL when only the reader was named"),
    sa.Column("code", sa.Integer, comment="RFC 5321 reply code"),
    sa.Column("enhanced", sa.Text, comment="RFC 3463 status"),
    sa.Column("at", Moment, nullable=False, comment="when it reached us"),
    sa.Column("stored_at", Moment, nullable=False),
    sa.Column("applied_at", Moment, index=True, comment="NULL while its delivery is still on its way"),
    sa.Column("effect", sa.Text, comment="what came of it"),
    _one_of("kind", FEEDBACK_KINDS, "kind"),
    comment="What came back: stored first, applied when the delivery has settled. No address, no words of a mail.",
)  # fmt: skip
