"""The tables of access: keys, users, sessions, the audit trail. Migration 0002 creates them."""

from __future__ import annotations

import sqlalchemy as sa

from axiom.db.tables import UtcDateTime, metadata


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime, nullable=False)


def _optional_time(name: str) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime)


api_keys = sa.Table(
    "api_keys",
    metadata,
    _text("key_id", primary_key=True),
    _text("name"),
    _text("digest"),
    sa.Column("previous_digest", sa.Text),
    _optional_time("previous_until"),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("rate", sa.Double),
    sa.Column("burst", sa.Double),
    _time("created_at"),
    _text("created_by"),
    _optional_time("expires_at"),
    _optional_time("revoked_at"),
)

users = sa.Table(
    "users",
    metadata,
    _text("user_id", primary_key=True),
    _text("name"),
    _text("role"),
    _text("password_hash"),
    sa.Column("revision", sa.Integer, nullable=False),
    _time("created_at"),
    _time("updated_at"),
    _optional_time("disabled_at"),
    sa.UniqueConstraint("name", name="uq_users_name"),
)

# By the name that was typed, whether such a user exists or not: who guesses names learns nothing from being locked out.
login_failures = sa.Table(
    "login_failures",
    metadata,
    _text("name", primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    _time("last_at"),
    _optional_time("locked_until"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    _text("session_id", primary_key=True),
    sa.Column("user_id", sa.Text, sa.ForeignKey("users.user_id"), nullable=False),
    _text("client"),
    _time("created_at"),
    _time("expires_at"),
    _optional_time("ended_at"),
    sa.Column("ended_because", sa.Text),
    sa.Index("ix_sessions_user_id", "user_id"),
)

# Used tokens stay until their session goes: only so is a replay told from a forgery.
refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    _text("digest", primary_key=True),
    sa.Column("session_id", sa.Text, sa.ForeignKey("sessions.session_id", ondelete="CASCADE"), nullable=False),
    _time("issued_at"),
    _optional_time("used_at"),
    sa.Index("ix_refresh_tokens_session_id", "session_id"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    _time("at"),
    _text("actor"),
    _text("action"),
    _text("object"),
    sa.Column("detail", sa.JSON, nullable=False),
    _text("prev_hash"),
    _text("hash"),
    sa.Index("ix_audit_object", "object", "id"),
)

# One row: the end of the chain. Every writer locks it, so the chain never forks, and a cut tail does not match it.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entries", sa.BigInteger, nullable=False),
    _text("hash"),
    sa.CheckConstraint("id = 1", name="id"),
)
