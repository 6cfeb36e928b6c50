"""Roll-outs: who gets the canary, what decides about it, and its own line in the audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ACTIONS = ("register", "promote", "displace", "rollback")
_CANARIES = sa.text("stage = 'canary'")


def upgrade() -> None:
    """Create `rollouts`; let the audit trail record changes of a roll-out; allow one canary a name."""
    op.create_table(
        "rollouts",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("canary_share", sa.Double, nullable=False),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("trials", sa.JSON, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_rollouts"),
        sa.ForeignKeyConstraint(["name"], ["model_names.name"], name="fk_rollouts_name"),
        sa.CheckConstraint("canary_share >= 0 AND canary_share <= 1", name="ck_rollouts_canary_share"),
    )
    _set_actions((*_ACTIONS, "rollout"))
    _keep_newest_canary()
    op.create_index(
        "uq_models_canary", "models", ["name"], unique=True, sqlite_where=_CANARIES, postgresql_where=_CANARIES
    )


def downgrade() -> None:
    """Drop roll-outs and their lines in the audit trail; stages stay."""
    op.drop_index("uq_models_canary", "models")
    op.execute("DELETE FROM model_events WHERE action = 'rollout'")
    _set_actions(_ACTIONS)
    op.drop_table("rollouts")


def _set_actions(actions: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{action}'" for action in actions)
    # SQLite cannot alter a constraint: the table is copied, and what is not reflected has to be said again.
    with op.batch_alter_table("model_events") as batch:
        batch.drop_constraint("ck_model_events_action", type_="check")
        batch.create_check_constraint("ck_model_events_action", f"action IN ({listed})")


def _keep_newest_canary() -> None:
    """Earlier schemas allowed several; the older ones become candidates again, and the audit trail says why."""
    older = (
        "stage = 'canary' AND version < (SELECT MAX(version) FROM models AS newer "
        "WHERE newer.name = models.name AND newer.stage = 'canary')"
    )
    op.execute(
        "INSERT INTO model_events (name, version, at, actor, action, from_stage, to_stage, reason) "
        "SELECT name, version, CURRENT_TIMESTAMP, 'axiom', 'displace', 'canary', 'candidate', "
        f"'one canary at a time' FROM models WHERE {older}"
    )
    op.execute(f"UPDATE models SET stage = 'candidate' WHERE {older}")
