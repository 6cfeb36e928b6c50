"""Jobs and their attempts, pipeline runs and their steps, schedules, live events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_TIME = sa.DateTime(timezone=True)
_ENDED = "'succeeded', 'failed', 'cancelled'"


def upgrade() -> None:
    """Create the tables."""
    _create_jobs()
    _create_pipelines()
    op.create_table(
        "schedules",
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("last_tick", _TIME, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("pipeline", name="pk_schedules"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_subject", "events", ["topic", "subject", "id"])


def downgrade() -> None:
    """Drop the tables; what the jobs made stays."""
    for table in ("events", "schedules", "step_attempts", "step_runs", "pipeline_runs", "job_attempts", "jobs"):
        op.drop_table(table)


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("submission_id", sa.Text, nullable=False),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.BigInteger),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("stage", sa.Text),
        sa.Column("result", sa.JSON(none_as_null=True)),
        sa.Column("error", sa.Text),
        sa.Column("error_type", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("queued_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("heartbeat_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
        sa.PrimaryKeyConstraint("job_id", name="pk_jobs"),
        sa.UniqueConstraint("key", name="uq_jobs_key"),
        sa.CheckConstraint(f"status IN ('queued', 'running', {_ENDED})", name="ck_jobs_status"),
    )
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"])
    op.create_index("ix_jobs_status", "jobs", ["status", "heartbeat_at"])
    op.create_table(
        "job_attempts",
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("submission_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("queued_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", name="pk_job_attempts"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name="fk_job_attempts_job_id"),
        sa.CheckConstraint(f"status IN ({_ENDED})", name="ck_job_attempts_status"),
    )


def _create_pipelines() -> None:
    op.create_table(
        "pipeline_runs",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("pipeline", sa.Text, nullable=False),
        sa.Column("logical_time", _TIME, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("definition", sa.JSON, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("cancel_reason", sa.Text),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", _TIME),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
        sa.PrimaryKeyConstraint("run_id", name="pk_pipeline_runs"),
        sa.UniqueConstraint("pipeline", "logical_time", name="uq_pipeline_runs_pipeline"),
        sa.CheckConstraint(f"status IN ('running', 'blocked', {_ENDED})", name="ck_pipeline_runs_status"),
    )
    op.create_index("ix_pipeline_runs_status", "pipeline_runs", ["status"])
    op.create_table(
        "step_runs",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("spent", sa.Integer, nullable=False),
        sa.Column("job_id", sa.Text),
        sa.Column("not_before", _TIME),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
        sa.Column("result", sa.JSON(none_as_null=True)),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "step", name="pk_step_runs"),
        sa.ForeignKeyConstraint(["run_id"], ["pipeline_runs.run_id"], name="fk_step_runs_run_id"),
        sa.CheckConstraint(
            f"status IN ('pending', 'running', 'refused', 'skipped', {_ENDED})", name="ck_step_runs_status"
        ),
    )
    op.create_table(
        "step_attempts",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("run_id", "step", "attempt", name="pk_step_attempts"),
        sa.ForeignKeyConstraint(
            ["run_id", "step"], ["step_runs.run_id", "step_runs.step"], name="fk_step_attempts_step_run"
        ),
        sa.CheckConstraint(f"status IN ('running', 'refused', {_ENDED})", name="ck_step_attempts_status"),
    )
