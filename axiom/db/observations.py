"""What was observed of the customers of an experiment: who saw which variant, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from axiom.db.experiment_tables import observations
from axiom.db.statements import insert

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from axiom.db.audit import Audit

_SEEN = ("experiment", "customer_id", "kind", "at")


@dataclass(frozen=True)
class Observation:
    """One thing that was observed of one customer.

    Attributes:
        customer_id: id.
        kind: `exposure` (saw a variant) or `outcome` (did what the experiment is about).
        at: when it happened.
        variant: which one was seen; None of an outcome.
        value: of an outcome that is worth something; None of everything else.
    """

    customer_id: str
    kind: Literal["exposure", "outcome"]
    at: datetime
    variant: str | None = None
    value: float | None = None


@dataclass(frozen=True)
class VariantCounts:
    """What was observed of the customers who saw one variant and no other.

    Attributes:
        variant: its name.
        customers: who saw it.
        converted: those of them with an outcome at or after their first exposure.
        outcomes: such outcomes.
        value: sum of their values; 0 where they have none.
    """

    variant: str
    customers: int = 0
    converted: int = 0
    outcomes: int = 0
    value: float = 0.0


@dataclass(frozen=True)
class Observations:
    """Repository of observations. They are appended, never changed."""

    connection: Connection
    clock: Callable[[], datetime]
    audit: Audit

    def add(self, experiment: str, rows: Sequence[Observation], *, actor: str) -> int:
        """Append what is not there yet; how many rows that were.

        A row is the same as another one when experiment, customer, kind and time are: the first one counts. So a batch
        may be sent again. One that adds nothing leaves no entry in the audit trail.
        """
        now = self.clock()
        statement = insert(self.connection, observations).on_conflict_do_nothing(index_elements=_SEEN)
        values = [{"experiment": experiment, "recorded_at": now, **vars(row)} for row in rows]
        added = self.connection.execute(statement, values, execution_options={"preserve_rowcount": True}).rowcount
        if added:
            self.audit.record(actor, "experiment.observe", f"experiment:{experiment}", {"rows": added})
        return added

    def counts(self, experiment: str) -> tuple[dict[str, VariantCounts], int]:
        """What was observed of each variant that somebody saw, and how many customers saw more than one.

        Those belong to none. An outcome counts for the variant that the customer had seen by then, in whatever order
        the two were reported.
        """
        seen = self._seen(experiment)
        found = {
            row.variant: VariantCounts(row.variant, row.customers, row.converted, row.outcomes, float(row.value or 0.0))
            for row in self.connection.execute(_counted(seen, experiment))
        }
        mixed = sa.select(sa.func.count()).select_from(seen).where(seen.c.variant != seen.c.other)
        return found, self.connection.execute(mixed).scalar_one()

    def _seen(self, experiment: str) -> sa.CTE:
        """The first exposure of each customer; `variant` and `other` differ where there was more than one variant."""
        exposed = sa.select(
            observations.c.customer_id,
            sa.func.min(observations.c.at).label("first_at"),
            sa.func.min(observations.c.variant).label("variant"),
            sa.func.max(observations.c.variant).label("other"),
        ).where(observations.c.experiment == experiment, observations.c.kind == "exposure")
        return exposed.group_by(observations.c.customer_id).cte("seen")


def _counted(seen: sa.CTE, experiment: str) -> sa.Select[Any]:
    outcome = observations.alias("outcome")
    after = sa.and_(
        outcome.c.experiment == experiment,
        outcome.c.customer_id == seen.c.customer_id,
        outcome.c.kind == "outcome",
        outcome.c.at >= seen.c.first_at,
    )
    return (
        sa.select(
            seen.c.variant,
            sa.func.count(sa.distinct(seen.c.customer_id)).label("customers"),
            sa.func.count(sa.distinct(outcome.c.customer_id)).label("converted"),
            sa.func.count(outcome.c.at).label("outcomes"),
            sa.func.sum(outcome.c.value).label("value"),
        )
        .select_from(seen.outerjoin(outcome, after))
        .where(seen.c.variant == seen.c.other)
        .group_by(seen.c.variant)
    )
