"""The table of kept replies. Migration 0005 creates it."""

from __future__ import annotations

import sqlalchemy as sa

from axiom.db.tables import UtcDateTime, metadata

replies = sa.Table(
    "replies",
    metadata,
    sa.Column("actor", sa.Text, primary_key=True, nullable=False),
    sa.Column("key", sa.Text, primary_key=True, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("body", sa.JSON(none_as_null=True)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("ix_replies_created_at", "created_at"),
)
