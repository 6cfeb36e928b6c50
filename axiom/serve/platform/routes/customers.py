"""One customer: profile, lineage of the scores, recorded predictions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from axiom.errors import NotFoundError
from axiom.serve.platform.admission import With
from axiom.serve.platform.profiles import profile_of
from axiom.serve.platform.routes.models import Lineage
from axiom.serve.platform.routes.scores import Score
from axiom.serve.platform.wire import CustomerId, Listed, Paged, Shown, cut

router = APIRouter(tags=["customers"])


class Activity(Shown):
    """What the lake holds of a customer in one entity."""

    rows: int
    first_at: datetime | None
    last_at: datetime | None
    total_amount: float | None
    by_type: dict[str, int]


class Customer(Shown):
    """A customer: attributes as they were known last, activity, current score."""

    customer_id: str
    attributes: dict[str, Any]
    transactions: Activity
    events: Activity
    score: Score | None


class Prediction(Shown):
    """A prediction that was recorded; only a sample is."""

    request_id: str | None
    at: datetime
    kind: Literal["churn", "clv"]
    source: str | None
    model: str | None
    role: str | None
    value: float | None
    raw: float | None
    p05: float | None
    p50: float | None
    p95: float | None
    as_of: datetime | None
    cached: bool | None
    latency_ms: float | None
    key_id: str | None


@router.get("/api/customers/{customer_id:path}")
def show(customer_id: CustomerId, known: With) -> Customer:
    """One customer."""
    profile = profile_of(known.workspace.lake, customer_id)
    try:
        with known.db.reading() as tx:
            score = Score.model_validate(tx.scores.get(customer_id))
    except NotFoundError:
        score = None
    if profile is None and score is None:
        raise NotFoundError(f"there is no customer {customer_id[:100]!r}", hint="ids are compared letter by letter")
    none = {"attributes": {}, "transactions": _nothing(), "events": _nothing()}
    return Customer.model_validate({"customer_id": customer_id, "score": score, **(profile or none)})


@router.get("/api/lineage/customers/{customer_id:path}")
def lineage(customer_id: CustomerId, known: With) -> Lineage:
    """Which batches, snapshots, datasets and versions fed the current score of a customer."""
    from axiom.pipelines.lineage import lineage_of_customer

    return Lineage.model_validate(lineage_of_customer(known.workspace, customer_id).to_dict())


@router.get("/api/predictions/{customer_id:path}")
def predictions(
    customer_id: CustomerId, known: With, part: Paged, days: Annotated[int, Query(ge=1, le=366)] = 30
) -> Listed[Prediction]:
    """Recorded online predictions of a customer, newest first; only a sample is recorded."""
    from axiom.scoring.inference import read_inference

    until = datetime.now(UTC)
    found = read_inference(known.workspace.lake.storage, until - timedelta(days=days), until, customer_id)
    return Listed[Prediction].model_validate(cut(found.sort_by([("at", "descending")]).to_pylist(), part))


def _nothing() -> dict[str, Any]:
    return {"rows": 0, "first_at": None, "last_at": None, "total_amount": None, "by_type": {}}
