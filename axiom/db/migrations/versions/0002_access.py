"""API keys, users, sessions, audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TIME = sa.DateTime(timezone=True)
_TABLES = ("api_keys", "users", "login_failures", "sessions", "refresh_tokens", "audit", "audit_head")
_BEFORE_THE_FIRST = "0" * 64


def upgrade() -> None:
    """Create the tables of access, with an empty audit trail."""
    _keys()
    _users()
    _sessions()
    _audit()


def downgrade() -> None:
    """Drop them; whatever they hold is lost."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, _TIME, nullable=nullable)


def _keys() -> None:
    op.create_table(
        "api_keys",
        _text("key_id"),
        _text("name"),
        _text("digest"),
        sa.Column("previous_digest", sa.Text),
        _time("previous_until", nullable=True),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("rate", sa.Double),
        sa.Column("burst", sa.Double),
        _time("created_at"),
        _text("created_by"),
        _time("expires_at", nullable=True),
        _time("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
    )


def _users() -> None:
    op.create_table(
        "users",
        _text("user_id"),
        _text("name"),
        _text("role"),
        _text("password_hash"),
        sa.Column("revision", sa.Integer, nullable=False),
        _time("created_at"),
        _time("updated_at"),
        _time("disabled_at", nullable=True),
        sa.PrimaryKeyConstraint("user_id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
    )
    op.create_table(
        "login_failures",
        _text("name"),
        sa.Column("failures", sa.Integer, nullable=False),
        _time("last_at"),
        _time("locked_until", nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_login_failures"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        _text("session_id"),
        _text("user_id"),
        _text("client"),
        _time("created_at"),
        _time("expires_at"),
        _time("ended_at", nullable=True),
        sa.Column("ended_because", sa.Text),
        sa.PrimaryKeyConstraint("session_id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_sessions_user_id"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "refresh_tokens",
        _text("digest"),
        _text("session_id"),
        _time("issued_at"),
        _time("used_at", nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name="fk_refresh_tokens_session_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger, nullable=False, autoincrement=False),
        _time("at"),
        _text("actor"),
        _text("action"),
        _text("object"),
        sa.Column("detail", sa.JSON, nullable=False),
        _text("prev_hash"),
        _text("hash"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_object", "audit", ["object", "id"])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
        _text("hash"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
        sa.CheckConstraint("id = 1", name="ck_audit_head_id"),
    )
    op.bulk_insert(head, [{"id": 1, "entries": 0, "hash": _BEFORE_THE_FIRST}])
