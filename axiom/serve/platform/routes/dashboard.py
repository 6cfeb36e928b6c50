"""The dashboard: a summary, time lines over score sets, distributions of the current scores."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from axiom.errors import NotFoundError
from axiom.serve.platform.admission import With
from axiom.serve.platform.figures import Figures, distribution_of, figures_of
from axiom.serve.platform.wire import Shown

if TYPE_CHECKING:
    from axiom.db.scores import ScoreSet as ScoreSetRow
    from axiom.serve.platform.services import Services

router = APIRouter(tags=["dashboard"])
Metric = Literal["churn_rate", "customers", "clv_total", "clv_mean", "clv_median", "expected_loss"]
Measured = Literal["p_churn", "clv_mean", "expected_loss", "p_alive"]


class ScoreFigures(Shown):
    """A score set in numbers. Money is in the lake's currency."""

    score_set_id: str
    as_of: datetime
    customers: int
    churn_rate: float | None = Field(description="Mean P(churn).")
    clv_total: float | None
    clv_mean: float | None
    clv_median: float | None
    expected_loss: float | None = Field(description="Total money at risk.")


class Summary(Shown):
    """The state of things."""

    currency: str
    scores: ScoreFigures | None = Field(description="Of the newest score set; null before anything was scored.")
    before: ScoreFigures | None = Field(description="Of the one before.")
    champions: dict[str, str] = Field(description="Model name -> name@version.")
    on_trial: list[str]
    sources: int
    batches: int
    last_ingest_at: datetime | None
    users: int
    runs_running: int
    runs_failed: int


class Point(Shown):
    """A value at a time."""

    at: datetime = Field(description="What the scores speak about.")
    value: float | None
    score_set_id: str


class TimeLine(Shown):
    """A metric over score sets, oldest first."""

    metric: str
    points: list[Point]


class Bin(Shown):
    """A bar of a histogram."""

    low: float
    high: float
    customers: int


class Distribution(Shown):
    """How a score is spread over the customers of the newest score set."""

    measure: str
    score_set_id: str
    as_of: datetime
    customers: int
    missing: int
    mean: float | None
    quantiles: dict[str, float]
    bins: list[Bin]


@router.get("/api/dashboard/summary")
def summary(known: With) -> Summary:
    """The state of things in one answer."""
    from axiom.db.pages import Condition, Part

    with known.db.reading() as tx:
        sets = tx.scores.sets(2)
        models = tx.models.list()
        batches = tx.pages.batches(Part(limit=1))
        counts = {
            "sources": tx.pages.sources(Part(limit=1)).total,
            "users": tx.pages.users(Part(limit=1)).total,
            "runs_running": tx.pages.runs(Part(limit=1, where=(Condition("status", "=", "running"),))).total,
            "runs_failed": tx.pages.runs(Part(limit=1, where=(Condition("status", "=", "failed"),))).total,
        }
    figures = [_figures(known, found) for found in sets]
    return Summary(
        currency=known.workspace.lake.currency,
        scores=figures[0] if figures else None,
        before=figures[1] if len(figures) > 1 else None,
        champions={row.name: f"{row.name}@{row.version}" for row in models if row.stage == "champion"},
        on_trial=[f"{row.name}@{row.version}" for row in models if row.stage in ("canary", "shadow")],
        batches=batches.total,
        last_ingest_at=batches.items[0].started_at if batches.items else None,
        **counts,
    )


@router.get("/api/dashboard/timeline")
def timeline(
    known: With,
    metric: Annotated[Metric, Query()] = "churn_rate",
    points: Annotated[int, Query(ge=1, le=366, description="Newest score sets.")] = 30,
) -> TimeLine:
    """A metric over the newest score sets, oldest first. The newest set of each cut-off counts."""
    with known.db.reading() as tx:
        sets = tx.scores.sets(points)
    newest = {found.as_of: found for found in reversed(sets)}
    shown = [
        Point(at=found.as_of, value=getattr(_figures(known, found), metric), score_set_id=found.id)
        for _, found in sorted(newest.items())
    ]
    return TimeLine(metric=metric, points=shown)


@router.get("/api/dashboard/distribution")
def distribution(
    known: With,
    measure: Annotated[Measured, Query()] = "clv_mean",
    bins: Annotated[int, Query(ge=2, le=200)] = 30,
) -> Distribution:
    """How a score is spread over the customers of the newest score set."""
    with known.db.reading() as tx:
        sets = tx.scores.sets(1)
    if not sets:
        raise NotFoundError("nothing was scored yet", hint="run `axiom score`")
    found = distribution_of(known.workspace.lake, sets[0].id, measure, bins)
    facts = {"measure": measure, "score_set_id": sets[0].id, "as_of": sets[0].as_of}
    return Distribution.model_validate({**facts, **found})


def _figures(known: Services, found: ScoreSetRow) -> ScoreFigures:
    empty = Figures(found.rows, None, None, None, None, None)
    try:
        figures = figures_of(known.workspace.lake, found.id)
    except NotFoundError:  # the dataset was cleaned up; what the table says is still known
        figures = empty
    return ScoreFigures.model_validate({"score_set_id": found.id, "as_of": found.as_of, **figures._asdict()})
