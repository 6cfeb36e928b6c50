"""Thresholds, measurements and alerts of monitoring."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TIME = sa.DateTime(timezone=True)
_SEVERITIES = "severity IN ('info', 'warning', 'critical')"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "thresholds",
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("limit", sa.Double, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("updated_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("measure", name="pk_thresholds"),
        sa.CheckConstraint(_SEVERITIES, name="ck_thresholds_severity"),
    )
    op.create_table(
        "measurements",
        sa.Column("at", _TIME, nullable=False),
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("pillar", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("limit", sa.Double, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("measured_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("at", "measure", "subject", name="pk_measurements"),
        sa.CheckConstraint("state IN ('ok', 'breached', 'unknown', 'off')", name="ck_measurements_state"),
    )
    op.create_index("ix_measurements_measure", "measurements", ["measure", "subject", "at"])
    _create_alerts()


def downgrade() -> None:
    """Drop the tables: limits are those of the code again, and what was measured is forgotten."""
    for table in ("alerts", "measurements", "thresholds"):
        op.drop_table(table)


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.Text, nullable=False),
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("pillar", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("limit", sa.Double, nullable=False),
        sa.Column("evidence", sa.JSON, nullable=False),
        sa.Column("seen", sa.Integer, nullable=False),
        sa.Column("first_seen", _TIME, nullable=False),
        sa.Column("last_seen", _TIME, nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("muted_until", _TIME),
        sa.Column("muted_by", sa.Text),
        sa.Column("resolved_at", _TIME),
        sa.Column("resolved_by", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("alert_id", name="pk_alerts"),
        sa.CheckConstraint("state IN ('open', 'resolved')", name="ck_alerts_state"),
        sa.CheckConstraint(_SEVERITIES, name="ck_alerts_severity"),
    )
    still_open = sa.text("state = 'open'")
    op.create_index(
        "uq_alerts_open",
        "alerts",
        ["measure", "subject"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index("ix_alerts_measure", "alerts", ["measure", "subject", "last_seen"])
    op.create_index("ix_alerts_opened_at", "alerts", ["opened_at"])
