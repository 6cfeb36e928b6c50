"""Damped Newton ascent with a trust radius, for the few-parameter likelihoods of this package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from axiom.maths.arrays import FloatArray

Terms: TypeAlias = tuple[float, FloatArray, FloatArray]
Objective: TypeAlias = Callable[[FloatArray], Terms]


@dataclass(frozen=True)
class Optimum:
    """Where the ascent ended.

    Attributes:
        theta: Parameters, shape (k,).
        value: Objective at `theta`.
        gradient: Shape (k,).
        hessian: Shape (k, k); negative definite when `converged`.
        converged: True only if the Hessian is negative definite and half the Newton decrement is below the tolerance
            or, where no step gains any more, within the last digits of the objective.
        n_iter: Evaluations of the objective that were taken as steps.
    """

    theta: FloatArray
    value: float
    gradient: FloatArray
    hessian: FloatArray
    converged: bool
    n_iter: int


@dataclass(frozen=True)
class GaussianPrior:
    """Independent Gaussian priors on working parameters; an infinite sd means no prior on that one.

    Attributes:
        mean: Shape (k,).
        sd: Shape (k,), positive, may be infinite.
    """

    mean: FloatArray
    sd: FloatArray

    def terms(self, theta: FloatArray) -> Terms:
        """Log density up to a constant, its gradient and its Hessian at `theta`."""
        precision = 1.0 / np.square(self.sd)
        away = theta - self.mean
        return -0.5 * float(precision @ np.square(away)), -precision * away, -np.diag(precision)

    def added_to(self, objective: Objective) -> Objective:
        """The objective plus this prior."""

        def penalised(theta: FloatArray) -> Terms:
            f, g, H = objective(theta)
            prior_f, prior_g, prior_H = self.terms(theta)
            return f + prior_f, g + prior_g, H + prior_H

        return penalised


def maximise(
    objective: Objective,
    start: FloatArray,
    *,
    tolerance: float = 1e-12,
    max_iter: int = 200,
    radius: float = 2.0,
) -> Optimum:
    """Climb to a local maximum of `objective`.

    Each step is the Newton step on the Hessian with its eigenvalues made negative and away from zero, shortened to the
    trust radius. The radius follows the ratio of actual to predicted gain (Nocedal & Wright 2006, chapter 4).

    Args:
        objective: theta -> (f, g, H). A non-finite f refuses the step.
        start: Shape (k,), where f is finite.
        tolerance: Upper bound of half the Newton decrement (the gain still to be had, in units of f).
        max_iter: Most evaluations tried.
        radius: First trust radius, in units of theta.

    Returns:
        The best point seen and whether it is truly a maximum.

    Raises:
        ValueError: f, g or H is not finite at `start`.
    """
    theta = np.asarray(start, dtype=np.float64)
    f, g, H = objective(theta)
    if not (np.isfinite(f) and np.isfinite(g).all() and np.isfinite(H).all()):
        raise ValueError(f"the objective is not finite at the start {theta.tolist()}")
    steps = 0
    for _ in range(max_iter):
        step, gain, concave = _newton_step(g, H)
        if concave and gain <= tolerance:
            return Optimum(theta, f, g, H, converged=True, n_iter=steps)
        length = float(np.linalg.norm(step))
        if length > radius:
            step *= radius / length
        predicted = float(g @ step + 0.5 * step @ H @ step)
        trial = objective(theta + step)
        # Sums over a million rows are only exact to some ulps of f: a loss within them is no loss.
        noise = 64 * np.finfo(np.float64).eps * max(abs(f), 1.0)
        ratio = (trial[0] - f + noise) / (max(predicted, 0.0) + noise) if _usable(trial) else -np.inf
        if ratio < 0.25:
            radius = 0.25 * min(radius, length)
        elif ratio > 0.75 and length > radius:
            radius *= 2.0
        if ratio > 1e-4:
            theta, (f, g, H), steps = theta + step, trial, steps + 1
        elif radius < 1e-12:
            break
    _, gain, concave = _newton_step(g, H)
    # Nearly flat beside very steep, the gradient's own rounding is worth more than the tolerance: how much, depends on
    # the processor. A gain within the last digits of f is none that any evaluation could show.
    least = max(tolerance, 4.0 * float(np.finfo(np.float64).eps) * abs(f))
    return Optimum(theta, f, g, H, converged=concave and gain <= least, n_iter=steps)


def _usable(terms: Terms) -> bool:
    f, g, H = terms
    return bool(np.isfinite(f) and np.isfinite(g).all() and np.isfinite(H).all())


def _newton_step(g: FloatArray, H: FloatArray) -> tuple[FloatArray, float, bool]:
    """The ascent step, half its decrement, and whether H was negative definite as it stood."""
    values, vectors = np.linalg.eigh(-H)
    floor = 1e-12 * float(np.abs(values).max(initial=1e-100))
    curvature = np.maximum(np.abs(values), floor)
    along = vectors.T @ g
    step = vectors @ (along / curvature)
    return step, 0.5 * float(np.sum(np.square(along) / curvature)), bool(values.min() > 0.0)
