"""The tables of jobs, pipelines, schedules and live events. Migration 0004 creates them."""

from __future__ import annotations

import sqlalchemy as sa

from axiom.db.tables import UtcDateTime, metadata

JOB_STATES = ("queued", "running", "succeeded", "failed", "cancelled")
RUN_STATES = ("running", "succeeded", "blocked", "failed", "cancelled")
STEP_STATES = ("pending", "running", "succeeded", "refused", "failed", "skipped", "cancelled")


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def _optional_text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text)


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime, nullable=False)


def _optional_time(name: str) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime)


def _count(name: str, *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, primary_key=primary_key, autoincrement=False)


def _status(*values: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"status IN ({', '.join(repr(value) for value in values)})", name="status")


jobs = sa.Table(
    "jobs",
    metadata,
    _text("job_id", primary_key=True),
    _text("kind"),
    _text("key"),
    sa.Column("params", sa.JSON, nullable=False),
    _text("status"),
    _count("attempt"),
    _text("submission_id"),
    _text("backend"),
    _text("host"),
    sa.Column("pid", sa.BigInteger),
    sa.Column("progress", sa.Float, nullable=False),
    _optional_text("stage"),
    sa.Column("result", sa.JSON(none_as_null=True)),
    _optional_text("error"),
    _optional_text("error_type"),
    _time("created_at"),
    _text("created_by"),
    _time("queued_at"),
    _optional_time("started_at"),
    _time("heartbeat_at"),
    _optional_time("finished_at"),
    _status(*JOB_STATES),
    sa.UniqueConstraint("key", name="uq_jobs_key"),
    sa.Index("ix_jobs_created_at", "created_at"),
    sa.Index("ix_jobs_status", "status", "heartbeat_at"),
)

# What became of the attempts before the present one, and of the present one once it ended.
job_attempts = sa.Table(
    "job_attempts",
    metadata,
    sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.job_id", name="fk_job_attempts_job_id"), primary_key=True),
    _count("attempt", primary_key=True),
    _text("submission_id"),
    _text("status"),
    _text("host"),
    sa.Column("pid", sa.BigInteger),
    _optional_text("error"),
    _time("queued_at"),
    _optional_time("started_at"),
    _time("finished_at"),
    _status(*JOB_STATES[2:]),
)

pipeline_runs = sa.Table(
    "pipeline_runs",
    metadata,
    _text("run_id", primary_key=True),
    _text("pipeline"),
    _time("logical_time"),
    _text("cause"),
    sa.Column("definition", sa.JSON, nullable=False),
    _text("status"),
    _optional_text("reason"),
    _optional_text("cancel_reason"),
    _optional_text("lease_owner"),
    _optional_time("lease_until"),
    _time("created_at"),
    _optional_time("started_at"),
    _optional_time("finished_at"),
    _status(*RUN_STATES),
    sa.UniqueConstraint("pipeline", "logical_time", name="uq_pipeline_runs_pipeline"),
    sa.Index("ix_pipeline_runs_status", "status"),
)

step_runs = sa.Table(
    "step_runs",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("pipeline_runs.run_id", name="fk_step_runs_run_id"), primary_key=True),
    _text("step", primary_key=True),
    _count("position"),
    _text("kind"),
    _text("status"),
    _count("attempt"),
    _count("spent"),
    _optional_text("job_id"),
    _optional_time("not_before"),
    _optional_time("started_at"),
    _optional_time("finished_at"),
    sa.Column("result", sa.JSON(none_as_null=True)),
    _optional_text("reason"),
    _status(*STEP_STATES),
)

step_attempts = sa.Table(
    "step_attempts",
    metadata,
    _text("run_id", primary_key=True),
    _text("step", primary_key=True),
    _count("attempt", primary_key=True),
    _text("job_id"),
    _text("status"),
    _time("started_at"),
    _optional_time("finished_at"),
    _optional_text("error"),
    sa.ForeignKeyConstraint(
        ["run_id", "step"], ["step_runs.run_id", "step_runs.step"], name="fk_step_attempts_step_run"
    ),
    _status("running", "succeeded", "refused", "failed", "cancelled"),
)

# One row a scheduled pipeline: the last tick that was decided about, whoever decided.
schedules = sa.Table(
    "schedules",
    metadata,
    _text("pipeline", primary_key=True),
    _time("last_tick"),
    _text("decided_by"),
    _time("decided_at"),
)

# Append only. Ids grow in the order of the commits (see `Events`), and are never used twice.
events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _time("at"),
    _text("topic"),
    _text("subject"),
    _text("name"),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Index("ix_events_subject", "topic", "subject", "id"),
    sqlite_autoincrement=True,
)
