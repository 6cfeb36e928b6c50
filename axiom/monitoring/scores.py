"""Readings of scores: against those of the time of training, and against the score set before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axiom.maths.drift import (
    Bins,
    homogeneity_p_value,
    ks_p_value,
    ks_statistic,
    population_stability_index,
)
from axiom.monitoring.features import FEWEST
from axiom.monitoring.judging import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from axiom.maths.arrays import FloatArray

SINCE_TRAINING = ("score_ks", "score_psi")
SINCE_BEFORE = ("score_step_ks", "score_step_psi")


def score_readings(
    measures: tuple[str, str],
    model: str,
    baseline: FloatArray,
    current: FloatArray,
    evidence: Mapping[str, Any],
    *,
    independent: float = 1.0,
) -> Iterator[Reading]:
    """Kolmogorov-Smirnov distance and population stability index of two sets of scores.

    Args:
        measures: names of the two.
        model: whose scores.
        baseline: scores of the time before, finite, shape (n,).
        current: scores of now, finite, shape (m,).
        evidence: what else is worth keeping.
        independent: share of the baseline's rows that count as independent, in (0, 1].
    """
    few = min(baseline.size, current.size)
    if few < FEWEST:
        yield from not_measured(measures, model, f"{few} scores; at least {FEWEST} are needed")
        return
    told = {**evidence, "rows": int(current.size), "baseline_rows": int(baseline.size)}
    distance = ks_statistic(baseline, current)
    by_chance = ks_p_value(distance, baseline.size * independent, current.size)
    yield Reading(measures[0], model, distance, p_value=by_chance, evidence=told)
    bins = Bins.fit(baseline)
    before, after = bins.count(baseline), bins.count(current)
    p = homogeneity_p_value(before, after, independent=independent)
    yield Reading(measures[1], model, population_stability_index(before, after), p_value=p, evidence=told)


def not_measured(measures: tuple[str, ...], subject: str, reason: str) -> Iterator[Reading]:
    """The same reason for several measures."""
    for measure in measures:
        yield Reading(measure, subject, reason=reason)
