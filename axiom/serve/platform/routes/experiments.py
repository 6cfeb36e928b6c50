"""Experiments: drafts, who sees what, what was observed of it."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from axiom.db.experiments import Variant as VariantRow
from axiom.db.observations import Observation as ObservationRow
from axiom.db.observations import VariantCounts
from axiom.decisions.experiments import (
    FEWEST_VARIANTS,
    MOST_OBSERVATIONS,
    MOST_VARIANTS,
    check_observations,
    check_variants,
    variant_for,
)
from axiom.errors import MisuseError
from axiom.serve.platform.admission import Who, With
from axiom.serve.platform.conditions import IfMatch, IfMatchOrAny
from axiom.serve.platform.once import Creating
from axiom.serve.platform.wire import (
    CustomerId,
    ExperimentName,
    Given,
    Listed,
    Moment,
    Paged,
    Reason,
    Shown,
    asked,
    equal,
    listed,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.db import Transaction
    from axiom.db.experiments import Experiment as Row

router = APIRouter(tags=["experiments"])
Metric = Literal["conversion", "revenue"]
Status = Literal["draft", "running", "stopped"]
Sort = Literal["name", "-name", "created_at", "-created_at", "started_at", "-started_at", "updated_at", "-updated_at"]
Hypothesis = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]


class Side(Given):
    """A variant, and how many customers see it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    weight: float = Field(1.0, gt=0, le=1e9, description="Its share is this over the sum of all weights.")


Sides = Annotated[
    list[Side],
    Field(
        min_length=FEWEST_VARIANTS,
        max_length=MOST_VARIANTS,
        description="The first one is what the others are compared with.",
    ),
]


class NewExperiment(Given):
    """A draft to be made. Its salt is drawn."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")
    hypothesis: Hypothesis
    metric: Metric = Field(description="Whether outcomes are counted, or their values added up.")
    variants: Sides


class ExperimentChange(Given):
    """What to change of a draft; what is left out stays."""

    hypothesis: Hypothesis | None = None
    metric: Metric | None = None
    variants: Sides | None = None


class Stopping(Given):
    """Why an experiment ends."""

    reason: Reason


class Variant(Shown):
    """A side of an experiment."""

    name: str
    weight: float


class Experiment(Shown):
    """An experiment."""

    name: str
    hypothesis: str
    metric: Metric
    variants: list[Variant]
    status: Status
    revision: int = Field(description="Counts the changes; the ETag.")
    created_at: datetime
    created_by: str
    updated_at: datetime
    started_at: datetime | None
    stopped_at: datetime | None


class Counts(Shown):
    """What was observed of the customers who saw one variant and no other."""

    variant: str
    customers: int = Field(description="Who saw it.")
    converted: int = Field(description="Those with an outcome at or after their first exposure.")
    outcomes: int
    value: float = Field(description="Sum of the outcomes' values.")


class ExperimentInDetail(Experiment):
    """An experiment, and what was observed until now."""

    counts: list[Counts]
    mixed: int = Field(description="Customers who saw more than one variant, and count for none.")


class Observation(Given):
    """One thing that was observed of one customer."""

    customer_id: str = Field(min_length=1, max_length=1024)
    kind: Literal["exposure", "outcome"]
    at: Moment
    variant: str | None = Field(None, max_length=64, description="Of an exposure: which one was seen.")
    value: float | None = Field(None, description="Of an outcome of revenue.")


class NewObservations(Given):
    """A batch. All of it is kept, or nothing."""

    observations: list[Observation] = Field(min_length=1, max_length=MOST_OBSERVATIONS)


class Appended(Shown):
    """What became of a batch."""

    added: int
    already: int = Field(
        description="Rows of the same customer, kind and time, here or in the batch: the first counts."
    )


class Assignment(Shown):
    """The variant that a customer sees, always the same."""

    experiment: str
    customer_id: str
    variant: str
    status: Status


@router.get("/api/experiments")
def list_experiments(
    known: With,
    part: Paged,
    status: Annotated[Status | None, Query()] = None,
    metric: Annotated[Metric | None, Query()] = None,
    sort: Annotated[Sort, Query()] = "-created_at",
) -> Listed[Experiment]:
    """Experiments, newest first."""
    with known.db.reading() as tx:
        found = tx.pages.experiments(asked(part, sort, equal("status", status), equal("metric", metric)))
    return Listed[Experiment].model_validate(listed(found))


@router.post("/api/experiments", status_code=201, response_model=Experiment)
def create(body: NewExperiment, who: Who, known: With, once: Creating) -> Response:
    """Make a draft."""
    sides = _sides(body.variants)

    def make(tx: Transaction) -> Experiment:
        return Experiment.model_validate(
            tx.experiments.add(
                body.name,
                hypothesis=body.hypothesis,
                metric=body.metric,
                variants=sides,
                salt=secrets.token_hex(8),
                actor=who.actor,
            )
        )

    return once.create(
        known.db,
        make,
        headers=lambda made: {"etag": _tag(made["revision"]), "location": f"/api/experiments/{made['name']}"},
    )


@router.get("/api/experiments/{name}")
def show(name: ExperimentName, known: With, response: Response) -> ExperimentInDetail:
    """One experiment, with what was observed of each variant."""
    with known.db.reading() as tx:
        row = tx.experiments.get(name)
        found, mixed = tx.observations.counts(name)
    response.headers["etag"] = _tag(row.revision)
    counts = [found.get(side.name, VariantCounts(side.name)) for side in row.variants]
    return ExperimentInDetail.model_validate({**vars(row), "counts": counts, "mixed": mixed}, from_attributes=True)


@router.patch("/api/experiments/{name}")
def change(
    name: ExperimentName, body: ExperimentChange, who: Who, known: With, seen: IfMatch, response: Response
) -> Experiment:
    """Change a draft."""
    if body.hypothesis is None and body.metric is None and body.variants is None:
        raise MisuseError("nothing to change is named", hint="hypothesis, metric or variants")
    sides = None if body.variants is None else _sides(body.variants)
    with known.db.transaction() as tx:
        seen.check(_tag(tx.experiments.locked(name).revision), f"experiment {name!r}")
        row = tx.experiments.change(
            name, actor=who.actor, hypothesis=body.hypothesis, metric=body.metric, variants=sides
        )
    return _shown(row, response)


@router.delete("/api/experiments/{name}", status_code=204, response_class=Response)
def delete(name: ExperimentName, who: Who, known: With, seen: IfMatchOrAny) -> None:
    """Forget a draft."""
    with known.db.transaction() as tx:
        seen.check(_tag(tx.experiments.locked(name).revision), f"experiment {name!r}")
        tx.experiments.delete(name, actor=who.actor)


@router.post("/api/experiments/{name}/start")
def start(name: ExperimentName, who: Who, known: With, seen: IfMatchOrAny, response: Response) -> Experiment:
    """Let a draft run. From now on it cannot be changed, so that who sees what stays the same."""
    with known.db.transaction() as tx:
        seen.check(_tag(tx.experiments.locked(name).revision), f"experiment {name!r}")
        row = tx.experiments.start(name, actor=who.actor)
    return _shown(row, response)


@router.post("/api/experiments/{name}/stop")
def stop(
    name: ExperimentName, body: Stopping, who: Who, known: With, seen: IfMatchOrAny, response: Response
) -> Experiment:
    """End an experiment, for good. It takes no more observations."""
    with known.db.transaction() as tx:
        seen.check(_tag(tx.experiments.locked(name).revision), f"experiment {name!r}")
        row = tx.experiments.stop(name, actor=who.actor, reason=body.reason)
    return _shown(row, response)


@router.post("/api/experiments/{name}/observations")
def observe(name: ExperimentName, body: NewObservations, who: Who, known: With) -> Appended:
    """Append exposures and outcomes of a running experiment. A batch may be sent again: it adds nothing twice."""
    rows = [ObservationRow(**row.model_dump()) for row in body.observations]
    with known.db.transaction() as tx:
        check_observations(tx.experiments.locked(name), rows, tx.clock())
        added = tx.observations.add(name, rows, actor=who.actor)
    return Appended(added=added, already=len(rows) - added)


@router.get("/api/experiments/{name}/assignment/{customer_id:path}")
def assignment(name: ExperimentName, customer_id: CustomerId, known: With) -> Assignment:
    """Which variant a customer sees. Nothing is stored; report an exposure when it was shown."""
    with known.db.reading() as tx:
        row = tx.experiments.get(name)
    variant = variant_for(row, customer_id).name
    return Assignment(experiment=name, customer_id=customer_id, variant=variant, status=row.status)


def _sides(sides: Sequence[Side]) -> list[VariantRow]:
    found = [VariantRow(side.name, side.weight) for side in sides]
    check_variants(found)
    return found


def _shown(row: Row, response: Response) -> Experiment:
    response.headers["etag"] = _tag(row.revision)
    return Experiment.model_validate(row)


def _tag(revision: int) -> str:
    return f'"{revision}"'
