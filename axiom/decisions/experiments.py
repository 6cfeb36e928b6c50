"""Rules of experiments: what a draft may say, who sees what, which observations can be true."""

from __future__ import annotations

import re
from datetime import timedelta
from math import isfinite
from typing import TYPE_CHECKING

from axiom.errors import BadInputError, ConflictError
from axiom.maths.assignment import side_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from axiom.db.experiments import Experiment, Variant
    from axiom.db.observations import Observation

FEWEST_VARIANTS, MOST_VARIANTS = 2, 20
MOST_OBSERVATIONS = 5_000
"""Rows of one batch."""
CLOCKS = timedelta(minutes=5)
"""So much the clocks of whoever observes may be ahead."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_variants(variants: Sequence[Variant]) -> None:
    """Refuse sides that are no experiment.

    Raises:
        BadInputError: There are too few or too many, two share a name, or a name or weight is no good.
    """
    if not FEWEST_VARIANTS <= len(variants) <= MOST_VARIANTS:
        raise BadInputError(
            f"an experiment has {FEWEST_VARIANTS} to {MOST_VARIANTS} variants, not {len(variants)}",
            hint="the first one is what the others are compared with",
        )
    for variant in variants:
        if not _NAME.fullmatch(variant.name):
            raise BadInputError(
                f"{variant.name[:100]!r} cannot name a variant", hint="1 to 64 letters, digits, '_', '.' and '-'"
            )
        if not 0 < variant.weight < float("inf"):
            raise BadInputError(
                f"variant {variant.name!r} has weight {variant.weight}, which is not positive",
                hint="weights are shares of their sum: 1 and 1 for halves",
            )
    names = [variant.name for variant in variants]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadInputError(f"there are two variants {twice[0]!r}", hint="give each a name of its own")
    if not isfinite(sum(variant.weight for variant in variants)):
        raise BadInputError("the weights add up to more than a number can hold", hint="use smaller ones")


def variant_for(experiment: Experiment, customer_id: str) -> Variant:
    """Which variant a customer sees: always the same, also after the experiment was stopped.

    Raises:
        ConflictError: It is a draft, whose weights may still change.
    """
    if experiment.status == "draft":
        raise ConflictError(f"experiment {experiment.name!r} has not started", hint="start it")
    weights = [variant.weight for variant in experiment.variants]
    return experiment.variants[side_of(customer_id, experiment.salt, weights)]


def check_observations(experiment: Experiment, rows: Sequence[Observation], now: datetime) -> None:
    """Refuse a batch that cannot be true of an experiment, whole.

    An outcome may be reported before the exposure that it follows, and without one: it counts once the customer has
    seen a variant at or before it.

    Args:
        experiment: that was observed.
        rows: what was observed.
        now: UTC.

    Raises:
        ConflictError: The experiment does not run.
        BadInputError: A row names a variant that does not exist, has a time before the start or in the future, lacks
            what its kind needs, or holds what its kind has not.
    """
    if experiment.status != "running" or experiment.started_at is None:
        state = "has not started" if experiment.status == "draft" else "was stopped"
        raise ConflictError(
            f"experiment {experiment.name!r} {state}, so nothing can be observed", hint="only a running one takes rows"
        )
    names = [variant.name for variant in experiment.variants]
    for number, row in enumerate(rows):
        wrong = _wrong_time(row, experiment.started_at, now)
        wrong = wrong or (_wrong_exposure(row, names) if row.kind == "exposure" else _wrong_outcome(row, experiment))
        if wrong:
            raise BadInputError(f"observation {number} (from 0): {wrong}", hint="nothing of the batch was kept")


def _wrong_time(row: Observation, start: datetime, now: datetime) -> str:
    if row.at < start - CLOCKS:
        return f"it was at {row.at.isoformat()}, before the experiment started at {start.isoformat()}"
    return f"it is at {row.at.isoformat()}, in the future" if row.at > now + CLOCKS else ""


def _wrong_exposure(row: Observation, names: Sequence[str]) -> str:
    if row.variant is None:
        return "an exposure has to name its variant"
    if row.variant not in names:
        return f"there is no variant {row.variant[:100]!r}, only {', '.join(names)}"
    return "an exposure has no value" if row.value is not None else ""


def _wrong_outcome(row: Observation, experiment: Experiment) -> str:
    if row.variant is not None:
        return "an outcome names no variant: it counts for the one that the customer has seen"
    if experiment.metric == "conversion":
        return "an outcome of a conversion has no value" if row.value is not None else ""
    if row.value is None:
        return "an outcome of revenue needs a value"
    return "" if isfinite(row.value) else "its value is no number"
