"""Newton's method on the (ridge-penalised) partial likelihood, summed over strata."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import linalg

from axiom.maths.survival.partial_likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.maths.survival.partial_likelihood import RiskSets

_MAX_STEPS = 50
_TOLERANCE = 1e-12  # squared length of the next step in standard errors


class Maximum(NamedTuple):
    """β (p,) with its covariance (p, p), the log-likelihoods without penalty, and how the search went."""

    beta: FloatArray
    covariance: FloatArray
    value: float
    null_value: float
    n_iter: int
    converged: bool


def maximise(sets: Sequence[RiskSets], start: Likelihood, penalty: float) -> Maximum:
    """Maximise Σ ℓ(β) − penalty/2·Σβ² from its `start` at β = 0, halving a step until the objective does not fall.

    Convergence means that the Newton decrement gᵀH⁻¹g, the squared length of the next step in standard errors, is at
    most 1e-12. Under perfect separation it shrinks while β runs away: callers look at the standard errors.
    """
    beta, state = np.zeros(start.gradient.size), start
    null_value, converged, n_iter = state.value, False, 0
    while not converged and n_iter < _MAX_STEPS:
        n_iter += 1
        try:
            step = linalg.cho_solve(linalg.cho_factor(state.information), state.gradient)
        except linalg.LinAlgError:  # the information has run out under separation
            break
        converged = bool(state.gradient @ step <= _TOLERANCE)
        if converged:
            break
        found = _climb(sets, beta, step, state.value, penalty)
        if found is None:
            break
        beta, state = found
    value = state.value + penalty / 2 * float(beta @ beta)
    covariance = np.asarray(linalg.pinvh(state.information), dtype=np.float64)
    return Maximum(beta, covariance, value, null_value, n_iter, converged)


def _climb(
    sets: Sequence[RiskSets], beta: FloatArray, step: FloatArray, value: float, penalty: float
) -> tuple[FloatArray, Likelihood] | None:
    """The first of β + step, β + step/2, … that is no worse, up to rounding; None when none is."""
    for _ in range(30):
        candidate = penalised(sets, beta + step, penalty)
        if candidate.value >= value - 1e-10 * (1 + abs(value)):
            return beta + step, candidate
        step = step / 2
    return None


def undetermined(start: Likelihood, n_events: int) -> list[int]:
    """Columns of standardised covariates that are linear in the others, or never vary among those at risk."""
    _, r, pivot = linalg.qr(start.information, pivoting=True)
    return sorted(int(column) for column in pivot[np.abs(np.diag(r)) <= 1e-10 * n_events])


def penalised(sets: Sequence[RiskSets], beta: FloatArray, penalty: float) -> Likelihood:
    """Log-likelihood summed over strata, less penalty/2·Σβ², with its derivatives."""
    parts = [s.likelihood(beta) for s in sets]
    return Likelihood(
        sum(part.value for part in parts) - penalty / 2 * float(beta @ beta),
        sum((part.gradient for part in parts), -penalty * beta),
        sum((part.information for part in parts), penalty * np.eye(beta.size)),
    )
