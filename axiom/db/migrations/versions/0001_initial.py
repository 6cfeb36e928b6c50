"""Sources, ingest batches, runs, models, scores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create every table of the first release."""
    _sources_and_batches()
    _runs()
    _models()
    _scores()


def downgrade() -> None:
    """Drop them; whatever they hold is lost."""
    for table in ("scores", "score_sets", "model_events", "models", "model_names", "runs", "ingest_batches", "sources"):
        op.drop_table(table)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, _TIME, nullable=nullable)


def _sources_and_batches() -> None:
    op.create_table(
        "sources",
        _text("name"),
        _text("kind"),
        _text("entity"),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("policies", sa.JSON, nullable=False),
        sa.Column("credential", sa.Text),
        _time("created_at"),
        _time("updated_at"),
        sa.PrimaryKeyConstraint("name", name="pk_sources"),
        sa.CheckConstraint("kind IN ('file', 'sql')", name="ck_sources_kind"),
    )
    op.create_table(
        "ingest_batches",
        _text("batch_id"),
        _text("source"),
        _text("entity"),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("rows_in", "accepted", "duplicates", "dropped", "refused")
        ),
        _text("status"),
        _time("started_at"),
        _time("finished_at", nullable=True),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name="pk_ingest_batches"),
        sa.CheckConstraint("status IN ('running', 'succeeded', 'failed')", name="ck_ingest_batches_status"),
    )
    op.create_index("ix_ingest_batches_source", "ingest_batches", ["source", "started_at"])


def _runs() -> None:
    op.create_table(
        "runs",
        _text("run_id"),
        _text("stage"),
        _text("key"),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        _text("status"),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("result", sa.JSON),
        sa.Column("error", sa.Text),
        _time("started_at"),
        _time("heartbeat_at"),
        _time("finished_at", nullable=True),
        sa.Column("pid", sa.BigInteger, nullable=False),
        _text("host"),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
        sa.UniqueConstraint("stage", "key", name="uq_runs_stage_key"),
        sa.CheckConstraint("status IN ('running', 'succeeded', 'failed', 'cancelled')", name="ck_runs_status"),
    )
    op.create_index("ix_runs_started_at", "runs", ["started_at"])


def _models() -> None:
    op.create_table(
        "model_names",
        _text("name"),
        _text("kind"),
        sa.Column("last_version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_model_names"),
        sa.CheckConstraint("kind IN ('churn', 'clv')", name="ck_model_names_kind"),
    )
    op.create_table(
        "models",
        _text("name"),
        sa.Column("version", sa.Integer, nullable=False),
        _text("kind"),
        _text("stage"),
        sa.Column("card", sa.JSON, nullable=False),
        _text("artefact_path"),
        _text("artefact_sha256"),
        _time("created_at"),
        sa.PrimaryKeyConstraint("name", "version", name="pk_models"),
        sa.ForeignKeyConstraint(["name"], ["model_names.name"], name="fk_models_name"),
        sa.CheckConstraint("kind IN ('churn', 'clv')", name="ck_models_kind"),
        sa.CheckConstraint(
            "stage IN ('candidate', 'shadow', 'canary', 'champion', 'archived')", name="ck_models_stage"
        ),
    )
    champions = sa.text("stage = 'champion'")
    op.create_index(
        "uq_models_champion", "models", ["name"], unique=True, sqlite_where=champions, postgresql_where=champions
    )
    op.create_table(
        "model_events",
        sa.Column("id", sa.Integer, nullable=False),
        _text("name"),
        sa.Column("version", sa.Integer, nullable=False),
        _time("at"),
        _text("actor"),
        _text("action"),
        sa.Column("from_stage", sa.Text),
        _text("to_stage"),
        _text("reason"),
        sa.PrimaryKeyConstraint("id", name="pk_model_events"),
        sa.ForeignKeyConstraint(["name", "version"], ["models.name", "models.version"], name="fk_model_events_model"),
        sa.CheckConstraint("action IN ('register', 'promote', 'displace', 'rollback')", name="ck_model_events_action"),
    )
    op.create_index("ix_model_events_name", "model_events", ["name", "id"])


def _scores() -> None:
    op.create_table(
        "score_sets",
        _text("id"),
        _time("as_of"),
        sa.Column("rows", sa.BigInteger, nullable=False),
        _text("dataset_path"),
        sa.Column("models", sa.JSON, nullable=False),
        _time("published_at"),
        sa.PrimaryKeyConstraint("id", name="pk_score_sets"),
    )
    op.create_index("ix_score_sets_published_at", "score_sets", ["published_at"])
    op.create_table(
        "scores",
        _text("customer_id"),
        _time("as_of"),
        sa.Column("churn_model", sa.Text),
        sa.Column("clv_model", sa.Text),
        *(
            sa.Column(name, sa.Double)
            for name in (
                *("p_churn", "p_alive", "expected_purchases"),
                *("clv_mean", "clv_p05", "clv_p50", "clv_p95", "expected_loss"),
            )
        ),
        _time("scored_at"),
        _text("score_set_id"),
        sa.PrimaryKeyConstraint("customer_id", name="pk_scores"),
        sqlite_with_rowid=False,
    )
