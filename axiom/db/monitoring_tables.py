"""The tables of monitoring: thresholds, measurements, alerts. Migration 0006 creates them."""

from __future__ import annotations

import sqlalchemy as sa

from axiom.db.tables import UtcDateTime, metadata

SEVERITIES = ("info", "warning", "critical")
ALERT_STATES = ("open", "resolved")
READING_STATES = ("ok", "breached", "unknown", "off")


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def _optional_text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text)


def _time(name: str, *, primary_key: bool = False) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime, primary_key=primary_key, nullable=False)


def _optional_time(name: str) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime)


def _one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


# Only what somebody changed: the defaults are in the code.
thresholds = sa.Table(
    "thresholds",
    metadata,
    _text("measure", primary_key=True),
    sa.Column("limit", sa.Double, nullable=False),
    _text("severity"),
    _text("owner"),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    _time("updated_at"),
    _text("updated_by"),
    _one_of("severity", SEVERITIES),
)

measurements = sa.Table(
    "measurements",
    metadata,
    _time("at", primary_key=True),
    _text("measure", primary_key=True),
    _text("subject", primary_key=True),
    _text("pillar"),
    _text("state"),
    sa.Column("value", sa.Double),
    sa.Column("limit", sa.Double, nullable=False),
    _optional_text("reason"),
    sa.Column("evidence", sa.JSON, nullable=False),
    _time("measured_at"),
    _one_of("state", READING_STATES),
    sa.Index("ix_measurements_measure", "measure", "subject", "at"),
)

alerts = sa.Table(
    "alerts",
    metadata,
    _text("alert_id", primary_key=True),
    _text("measure"),
    _text("subject"),
    _text("pillar"),
    _text("state"),
    _text("severity"),
    _text("owner"),
    _text("action"),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("limit", sa.Double, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    sa.Column("seen", sa.Integer, nullable=False),
    _time("first_seen"),
    _time("last_seen"),
    _time("opened_at"),
    _optional_time("muted_until"),
    _optional_text("muted_by"),
    _optional_time("resolved_at"),
    _optional_text("resolved_by"),
    _optional_text("reason"),
    sa.Column("revision", sa.Integer, nullable=False),
    _one_of("state", ALERT_STATES),
    _one_of("severity", SEVERITIES),
    sa.Index(
        "uq_alerts_open",
        "measure",
        "subject",
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    ),
    sa.Index("ix_alerts_measure", "measure", "subject", "last_seen"),
    sa.Index("ix_alerts_opened_at", "opened_at"),
)
