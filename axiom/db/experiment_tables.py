"""The tables of experiments. Migration 0007 creates them."""

from __future__ import annotations

import sqlalchemy as sa

from axiom.db.tables import UtcDateTime, metadata

METRICS = ("conversion", "revenue")
EXPERIMENT_STATES = ("draft", "running", "stopped")
OBSERVED = ("exposure", "outcome")


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def _time(name: str, *, primary_key: bool = False) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime, primary_key=primary_key, nullable=False)


def _one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


experiments = sa.Table(
    "experiments",
    metadata,
    _text("name", primary_key=True),
    _text("hypothesis"),
    _text("metric"),
    sa.Column("variants", sa.JSON, nullable=False),
    _text("salt"),
    _text("status"),
    sa.Column("revision", sa.Integer, nullable=False),
    _time("created_at"),
    _text("created_by"),
    _time("updated_at"),
    sa.Column("started_at", UtcDateTime),
    sa.Column("stopped_at", UtcDateTime),
    _one_of("metric", METRICS),
    _one_of("status", EXPERIMENT_STATES),
)

# Append only. The key makes a batch that is sent again add nothing.
observations = sa.Table(
    "observations",
    metadata,
    sa.Column(
        "experiment", sa.Text, sa.ForeignKey("experiments.name", name="fk_observations_experiment"), primary_key=True
    ),
    _text("customer_id", primary_key=True),
    _text("kind", primary_key=True),
    _time("at", primary_key=True),
    sa.Column("variant", sa.Text),
    sa.Column("value", sa.Double),
    _time("recorded_at"),
    _one_of("kind", OBSERVED),
    sqlite_with_rowid=False,  # the key is the row
)
