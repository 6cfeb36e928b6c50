"""Readings of the champion against outcomes that have become known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.maths.intervals import bootstrap, delong_interval, mean_interval
from axiom.maths.metrics import ScoreTable, squared_errors
from axiom.monitoring.features import FEWEST
from axiom.monitoring.judging import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from axiom.maths.arrays import BoolArray, FloatArray

PERFORMANCE = ("brier_increase", "auc_drop", "cohort_pr_auc")
_DRAWS = 200
_MOST = 20_000  # rows of a cohort that are resampled: the interval of more is narrow anyway


def performance_readings(
    model: str, churned: BoolArray, p: FloatArray, card: Mapping[str, float | None], evidence: Mapping[str, Any]
) -> Iterator[Reading]:
    """Brier score and AUC beside those of the model card.

    Args:
        model: whose.
        churned: what became of the customers, shape (n,), n >= 1.
        p: the probability that they were given, shape (n,).
        card: `brier` and `auc` as the model card has them.
        evidence: what else is worth keeping.
    """
    told = {**evidence, "rows": int(churned.size), "churned": int(churned.sum())}
    then = card.get("brier")
    if churned.size < FEWEST:
        few = f"the outcome of {churned.size:,} customers is known; at least {FEWEST} are needed"
        yield Reading("brier_increase", model, reason=few, evidence=told)
    elif not then:
        yield Reading("brier_increase", model, reason="the model card has no Brier score")
    else:
        now = mean_interval(squared_errors(churned, p))
        scores = {"brier": now.value, "card_brier": then}
        ends = (now.low / then - 1, now.high / then - 1)
        yield Reading("brier_increase", model, now.value / then - 1, interval=ends, evidence={**told, **scores})
    yield _auc_drop(model, churned, p, card.get("auc"), told)


def cohort_readings(
    churned: BoolArray, p: FloatArray, cohort: npt.NDArray[np.object_], evidence: Mapping[str, Any], *, seed: int
) -> Iterator[Reading]:
    """Area under the precision-recall curve of each cohort; shapes (n,)."""
    for name in sorted({str(one) for one in cohort}):
        here = cohort == name
        yield _pr_auc(name, churned[here], p[here], evidence, seed)


def _auc_drop(model: str, churned: BoolArray, p: FloatArray, then: float | None, told: Mapping[str, Any]) -> Reading:
    if then is None:
        return Reading("auc_drop", model, reason="the model card has no AUC")
    if few := _too_few(churned):
        return Reading("auc_drop", model, reason=few, evidence=told)
    now = delong_interval(churned, p)
    evidence = {**told, "auc": now.value, "card_auc": then}
    return Reading("auc_drop", model, then - now.value, interval=(then - now.high, then - now.low), evidence=evidence)


def _pr_auc(cohort: str, churned: BoolArray, p: FloatArray, evidence: Mapping[str, Any], seed: int) -> Reading:
    told = {**evidence, "rows": int(churned.size), "churned": int(churned.sum())}
    if few := _too_few(churned):
        return Reading("cohort_pr_auc", cohort, reason=few, evidence=told)
    if churned.size > _MOST:
        drawn = np.random.default_rng(seed).choice(churned.size, _MOST, replace=False)
        churned, p = churned[drawn], p[drawn]
    table = ScoreTable.from_rows(churned, p)
    found = bootstrap(
        lambda weights: table.reweight(weights).pr_auc(), churned.size, draws=_DRAWS, seed=seed, strata=churned
    )
    return Reading("cohort_pr_auc", cohort, found.value, interval=(found.low, found.high), evidence=told)


def _too_few(churned: BoolArray) -> str:
    """Why rows do not suffice; "" where they do."""
    positive = int(churned.sum())
    if churned.size < FEWEST or min(positive, churned.size - positive) < 2:
        return f"{churned.size:,} customers of whom {positive:,} churned: {FEWEST} are needed, and two of either kind"
    return ""
