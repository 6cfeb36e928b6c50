"""Experiments and what was observed of their customers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "experiments",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hypothesis", sa.Text, nullable=False),
        sa.Column("metric", sa.Text, nullable=False),
        sa.Column("variants", sa.JSON, nullable=False),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("stopped_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("name", name="pk_experiments"),
        sa.CheckConstraint("metric IN ('conversion', 'revenue')", name="ck_experiments_metric"),
        sa.CheckConstraint("status IN ('draft', 'running', 'stopped')", name="ck_experiments_status"),
    )
    op.create_table(
        "observations",
        sa.Column("experiment", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("variant", sa.Text),
        sa.Column("value", sa.Double),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("experiment", "customer_id", "kind", "at", name="pk_observations"),
        sa.ForeignKeyConstraint(["experiment"], ["experiments.name"], name="fk_observations_experiment"),
        sa.CheckConstraint("kind IN ('exposure', 'outcome')", name="ck_observations_kind"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop the tables, observations first."""
    op.drop_table("observations")
    op.drop_table("experiments")
