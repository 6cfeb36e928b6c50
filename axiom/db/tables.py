"""The tables as SQLAlchemy Core sees them. Migrations create them; a test compares both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = sa.MetaData(naming_convention=NAMING)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """Timezone-aware datetimes in and out, always UTC; SQLite, which knows no zone, keeps the UTC wall clock."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time that does not say its zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise MisuseError(f"{value!r} has no time zone", hint="use datetime.now(UTC) or .replace(tzinfo=UTC)")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Say UTC, whatever zone the server's session speaks."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def _optional_text(name: str) -> sa.Column[str | None]:
    return sa.Column(name, sa.Text)


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON, nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
    return sa.Column(name, UtcDateTime, nullable=nullable)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


sources = sa.Table(
    "sources",
    metadata,
    _text("name", primary_key=True),
    _text("kind"),
    _text("entity"),
    _json("config"),
    _json("policies"),
    _optional_text("credential"),
    _time("created_at"),
    _time("updated_at"),
    _one_of("kind", "file", "sql"),
)

ingest_batches = sa.Table(
    "ingest_batches",
    metadata,
    _text("batch_id", primary_key=True),
    _text("source"),
    _text("entity"),
    _count("rows_in"),
    _count("accepted"),
    _count("duplicates"),
    _count("dropped"),
    _count("refused"),
    _text("status"),
    _time("started_at"),
    _time("finished_at", nullable=True),
    _json("detail"),
    _one_of("status", "running", "succeeded", "failed"),
    sa.Index("ix_ingest_batches_source", "source", "started_at"),
)

runs = sa.Table(
    "runs",
    metadata,
    _text("run_id", primary_key=True),
    _text("stage"),
    _text("key"),
    sa.Column("attempt", sa.Integer, nullable=False),
    _json("params"),
    _text("status"),
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("result", sa.JSON(none_as_null=True)),
    _optional_text("error"),
    _time("started_at"),
    _time("heartbeat_at"),
    _time("finished_at", nullable=True),
    sa.Column("pid", sa.BigInteger, nullable=False),
    _text("host"),
    _one_of("status", "running", "succeeded", "failed", "cancelled"),
    sa.UniqueConstraint("stage", "key", name="uq_runs_stage_key"),
    sa.Index("ix_runs_started_at", "started_at"),
)

# One row per name: hands out version numbers, fixes the kind, and is the lock that stage changes take.
model_names = sa.Table(
    "model_names",
    metadata,
    _text("name", primary_key=True),
    _text("kind"),
    sa.Column("last_version", sa.Integer, nullable=False),
    _one_of("kind", "churn", "clv"),
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("name", sa.Text, sa.ForeignKey("model_names.name"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("stage"),
    _json("card"),
    _text("artefact_path"),
    _text("artefact_sha256"),
    _time("created_at"),
    _one_of("kind", "churn", "clv"),
    _one_of("stage", "candidate", "shadow", "canary", "champion", "archived"),
    sa.Index(
        "uq_models_champion",
        "name",
        unique=True,
        sqlite_where=sa.text("stage = 'champion'"),
        postgresql_where=sa.text("stage = 'champion'"),
    ),
    sa.Index(
        "uq_models_canary",
        "name",
        unique=True,
        sqlite_where=sa.text("stage = 'canary'"),
        postgresql_where=sa.text("stage = 'canary'"),
    ),
)

model_events = sa.Table(
    "model_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("name"),
    sa.Column("version", sa.Integer, nullable=False),
    _time("at"),
    _text("actor"),
    _text("action"),
    _optional_text("from_stage"),
    _text("to_stage"),
    _text("reason"),
    sa.ForeignKeyConstraint(["name", "version"], ["models.name", "models.version"], name="fk_model_events_model"),
    _one_of("action", "register", "promote", "displace", "rollback", "rollout"),
    sa.Index("ix_model_events_name", "name", "id"),
)

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("name", sa.Text, sa.ForeignKey("model_names.name"), primary_key=True),
    sa.Column("canary_share", sa.Double, nullable=False),
    _text("salt"),
    _json("trials"),
    _time("updated_at"),
    _text("updated_by"),
    sa.CheckConstraint("canary_share >= 0 AND canary_share <= 1", name="canary_share"),
)

score_sets = sa.Table(
    "score_sets",
    metadata,
    _text("id", primary_key=True),
    _time("as_of"),
    _count("rows"),
    _text("dataset_path"),
    _json("models"),
    _time("published_at"),
    sa.Index("ix_score_sets_published_at", "published_at"),
)

scores = sa.Table(
    "scores",
    metadata,
    _text("customer_id", primary_key=True),
    _time("as_of"),
    _optional_text("churn_model"),
    _optional_text("clv_model"),
    *(
        sa.Column(name, sa.Double)
        for name in (
            *("p_churn", "p_alive", "expected_purchases"),
            *("clv_mean", "clv_p05", "clv_p50", "clv_p95", "expected_loss"),
        )
    ),
    _time("scored_at"),
    # No foreign key: PostgreSQL would check it row by row, and one transaction writes both tables anyway.
    _text("score_set_id"),
    sqlite_with_rowid=False,  # the key is the row: a third less to write
)
