"""How sure a Cox model is of its coefficients, and whether its hazards are proportional, when customers repeat."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths.survival import CoxPH, proportionality_test
from axiom.maths.survival.partial_likelihood import RiskSets

if TYPE_CHECKING:
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.maths.survival import ProportionalityTest
    from axiom.training.survival_table import SurvivalTable


def clustered_covariance(
    cox: CoxPH, Z: FloatArray, duration: FloatArray, event: BoolArray, codes: IntArray, clusters: IntArray
) -> FloatArray:
    """Sandwich covariance V·(Σ_c u_c u_cᵀ)·V of the coefficients, shape (k, k), rows of a cluster counted together.

    u_c is the sum of the score residuals of a cluster's rows,

        e_i·(z_i − z̄(t_i)) − exp(z_i·β)·Σ_{t_k <= t_i} (z_i − z̄(t_k))·dH(t_k)

    with z̄ the mean over the risk set and dH Breslow's increments (Lin & Wei 1989, JASA 84, 1074-1078).

    Args:
        cox: fitted on these rows.
        Z: covariates, shape (n, k).
        duration: shape (n,).
        event: shape (n,).
        codes: stratum of each row, shape (n,).
        clusters: cluster of each row from 0 up, shape (n,).
    """
    centred = Z - cox.mean_
    scores = np.zeros(Z.shape)
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        z, t, e = centred[rows], duration[rows], event[rows]
        sets = RiskSets.build(z, t, e, np.ones(len(rows)))
        if sets is None:
            continue
        times, step = sets.times[::-1], sets.baseline_hazard(cox.coefficients_)[::-1]
        mean = sets.mean_covariates(cox.coefficients_)[::-1]
        hazard = np.concatenate(([0.0], np.cumsum(step)))
        drift = np.vstack([np.zeros(z.shape[1]), np.cumsum(step[:, None] * mean, axis=0)])
        passed = np.searchsorted(times, t, side="right")
        u = -np.exp(z @ cox.coefficients_)[:, None] * (z * hazard[passed][:, None] - drift[passed])
        u[e] += z[e] - mean[passed[e] - 1]
        scores[rows] = u
    groups = int(clusters.max()) + 1
    summed = np.stack([np.bincount(clusters, weights=column, minlength=groups) for column in scores.T], axis=1)
    return np.asarray(cox.covariance_ @ (summed.T @ summed) @ cox.covariance_)


def tested_proportionality(
    table: SurvivalTable,
    cox: CoxPH,
    Z: FloatArray,
    codes: IntArray,
    ridge: float,
    customers: IntArray,
    seed: int,
) -> tuple[ProportionalityTest | None, list[str]]:
    """The test on one row a customer, for rows of one customer are no independent evidence, and what it has to say.

    Args:
        table: training rows.
        cox: fitted on them.
        Z: its covariates, shape (n, k).
        codes: stratum of each row, shape (n,).
        ridge: penalty of the fit.
        customers: customer of each row from 0 up, shape (n,).
        seed: draws the row of each customer.
    """
    order = np.random.default_rng(seed).permutation(len(table))
    rows = np.sort(order[np.unique(customers[order], return_index=True)[1]])
    if not table.event[rows].any():
        return None, ["proportionality could not be tested: no event is left with one row a customer"]
    t, e, codes, Z = table.duration[rows], table.event[rows], codes[rows], Z[rows]
    try:
        if len(rows) < len(table):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # the fit to all rows has told them
                cox = CoxPH(max(ridge, 1e-6)).fit(Z, t, e, strata=codes, names=cox.names_)
        tested = proportionality_test(cox, Z, t, e, strata=codes)
    except ValueError as error:
        return None, [f"proportionality could not be tested: {error}"]
    return tested, _violations(tested)


def _violations(tested: ProportionalityTest) -> list[str]:
    """A warning where hazards are not proportional, with the covariates that are behind it (Bonferroni)."""
    limit = 0.05 / len(tested.names)
    bad = [name for name, p in zip(tested.names, tested.p_value.tolist(), strict=True) if p < limit]
    if not bad and tested.global_p_value >= 0.05:
        return []
    listed = f": the effect of {', '.join(bad[:8])}{', …' if len(bad) > 8 else ''} changes with time" if bad else ""
    p = f"p = {tested.global_p_value:.2g}" if tested.global_p_value >= 1e-6 else "p < 1e-6"
    told = f"hazards are not proportional (global {p}){listed}"
    way_out = "stratify by such a feature, or judge the model by its calibration"
    return [f"{told}; a hazard ratio is then an average over time: {way_out}"]
