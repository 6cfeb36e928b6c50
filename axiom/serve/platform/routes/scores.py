"""Scores, score sets, customers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from axiom.db.pages import Condition
from axiom.serve.platform.admission import With
from axiom.serve.platform.wire import (
    CustomerId,
    Id,
    Listed,
    Paged,
    Shown,
    asked,
    at_least,
    below,
    equal,
    listed,
)

router = APIRouter(tags=["scores"])
Sort = Literal[
    "customer_id",
    "-customer_id",
    "p_churn",
    "-p_churn",
    "clv_mean",
    "-clv_mean",
    "expected_loss",
    "-expected_loss",
    "p_alive",
    "-p_alive",
]
Least = Annotated[float | None, Query(allow_inf_nan=False)]


class Score(Shown):
    """The current score of a customer; a part that was not scored is null. Money is in the lake's currency."""

    customer_id: str
    as_of: datetime
    churn_model: str | None = Field(description="name@version")
    clv_model: str | None
    p_churn: float | None
    p_alive: float | None
    expected_purchases: float | None
    clv_mean: float | None
    clv_p05: float | None
    clv_p50: float | None
    clv_p95: float | None
    expected_loss: float | None = Field(description="Money at risk.")
    scored_at: datetime
    score_set_id: str


class ScoreSet(Shown):
    """A published batch of scores."""

    id: str
    as_of: datetime
    rows: int
    dataset_path: str = Field(description="Below the lake's root.")
    models: dict[str, Any]
    published_at: datetime


class CustomerInBrief(Shown):
    """A customer in a list."""

    customer_id: str
    p_churn: float | None
    clv_mean: float | None
    expected_loss: float | None
    as_of: datetime


@router.get("/api/scores")
def list_scores(
    known: With,
    part: Paged,
    sort: Annotated[Sort, Query()] = "-expected_loss",
    min_p_churn: Least = None,
    max_p_churn: Least = None,
    min_clv: Least = None,
    min_loss: Least = None,
) -> Listed[Score]:
    """Current scores, most money at risk first."""
    wanted = asked(
        part,
        sort,
        at_least("p_churn", min_p_churn),
        below("p_churn", max_p_churn),
        at_least("clv_mean", min_clv),
        at_least("expected_loss", min_loss),
    )
    with known.db.reading() as tx:
        found = tx.pages.scores(wanted)
    return Listed[Score].model_validate(listed(found))


@router.get("/api/scores/{customer_id:path}")
def show(customer_id: CustomerId, known: With) -> Score:
    """The current score of one customer."""
    with known.db.reading() as tx:
        return Score.model_validate(tx.scores.get(customer_id))


@router.get("/api/score-sets")
def list_score_sets(
    known: With,
    part: Paged,
    sort: Annotated[Literal["published_at", "-published_at", "as_of", "-as_of"], Query()] = "-published_at",
) -> Listed[ScoreSet]:
    """Published score sets; the newest one is current."""
    with known.db.reading() as tx:
        found = tx.pages.score_sets(asked(part, sort))
    return Listed[ScoreSet].model_validate(listed(found))


@router.get("/api/score-sets/{score_set_id}")
def show_score_set(score_set_id: Id, known: With) -> ScoreSet:
    """One score set."""
    with known.db.reading() as tx:
        return ScoreSet.model_validate(tx.scores.get_set(score_set_id))


@router.get("/api/customers", tags=["customers"])
def list_customers(
    known: With,
    part: Paged,
    starts_with: Annotated[str | None, Query(min_length=1, max_length=256, description="Of the id.")] = None,
    score_set_id: Annotated[str | None, Query(max_length=128)] = None,
    sort: Annotated[Sort, Query()] = "customer_id",
) -> Listed[CustomerInBrief]:
    """Customers who have a score."""
    found_by = None if starts_with is None else Condition("customer_id", "starts", starts_with)
    with known.db.reading() as tx:
        found = tx.pages.scores(asked(part, sort, found_by, equal("score_set_id", score_set_id)))
    return Listed[CustomerInBrief].model_validate(listed(found))
