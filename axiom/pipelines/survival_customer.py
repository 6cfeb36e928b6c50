"""Stage: what a survival model says of one customer at several horizons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import MisuseError
from axiom.pipelines.customer import customer_row
from axiom.pipelines.subjects import Subject, churn_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from axiom.pipelines.workspace import Workspace


@dataclass(frozen=True)
class Ahead:
    """One horizon: the probability of churn within it, and that of no event (S(elapsed + horizon)/S(elapsed))."""

    horizon: float
    p_churn: float
    survival: float


@dataclass(frozen=True)
class CustomerAhead:
    """What a survival model says of one customer.

    Attributes:
        customer: id.
        model: `name@version`.
        as_of: the cut-off, where the clock starts.
        unit: of all times.
        outcome: what the event is: `churn`, or `return`, whose absence is churn.
        elapsed: how long there has been no event since the cut-off; all numbers are conditional on it.
        median: time from then by which the event has come with probability one half; None beyond the follow-up.
        ahead: one a horizon, ascending.
    """

    customer: str
    model: str
    as_of: datetime
    unit: str
    outcome: str
    elapsed: float
    median: float | None
    ahead: tuple[Ahead, ...]


def customer_ahead(
    ws: Workspace,
    customer: str,
    horizons: Sequence[float],
    *,
    model: tuple[str, str] = ("survival", "latest"),
    as_of: datetime | None = None,
    elapsed: float = 0.0,
) -> CustomerAhead:
    """P(churn) of one customer within each horizon, given that nothing has happened for `elapsed` since the cut-off.

    Args:
        ws: the workspace.
        customer: id.
        horizons: times ahead, > 0, in the model's unit.
        model: (name, number or stage or `latest`).
        as_of: the cut-off; default: the last day of the data.
        elapsed: >= 0.

    Raises:
        NotFoundError: no such version, or nobody of this id was known at the cut-off.
        MisuseError: the version is no survival model, a horizon or `elapsed` cannot be, or reaches past the follow-up.
    """
    from axiom.training.survival_model import SurvivalModel

    found = ws.registry.get(*model)
    subject = Subject(found, ws.registry.load_files(found))
    survival = churn_model(subject) if found.kind == "churn" else None
    if not isinstance(survival, SurvivalModel):
        raise MisuseError(f"{found.ref} is no survival model", hint="train one: axiom train survival")
    if not horizons or min(horizons) <= 0 or not 0 <= elapsed < np.inf:
        raise MisuseError("horizons must be positive and the time elapsed not negative", hint="--horizons 30,90,180")
    row = customer_row(ws, customer, as_of=as_of, definitions=subject.feature_set)
    subject.check_features(row.version)
    X = row.row.select(list(survival.features))
    ahead = []
    for horizon in sorted(set(horizons)):
        still = float(survival.conditional_survival(X, horizon, elapsed)[0])
        if np.isnan(still):
            raise MisuseError(
                f"horizon {horizon:g} after {elapsed:g} {survival.unit} lies beyond the follow-up of the customer's "
                f"stratum ({survival.last_time.max():g} {survival.unit} at most)",
                hint="use a shorter one, or train on a longer history",
            )
        ahead.append(Ahead(horizon, still if survival.outcome == "return" else 1.0 - still, still))
    median = float(survival.time_to_event(X, elapsed=elapsed)[0])
    return CustomerAhead(
        customer=customer,
        model=found.ref,
        as_of=row.as_of,
        unit=survival.unit,
        outcome=survival.outcome,
        elapsed=elapsed,
        median=median if np.isfinite(median) else None,
        ahead=tuple(ahead),
    )
