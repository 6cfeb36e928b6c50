"""Nodes and weights for expectations over gamma and beta laws: the trapezoidal rule in ln v and in logit p.

The trapezoidal rule converges exponentially for functions analytic in a strip around the real line (Trefethen &
Weideman 2014, SIAM Review 56(3)). Weights are normalised by their own sum, so no gamma function is needed and
expectations of positive functions have no cancellation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray

# Beyond exp(-32) = 1e-14 of the peak nothing counts; a normal density is there after 8 standard deviations.
_NEGLIGIBLE = 32.0
_SPREADS = 8.0
_STEP = 0.25
# A law narrower than this is a point for double precision, and its density would overflow.
_POINT = 1e20


def gamma_nodes(shape: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Nodes v and weights of Gamma(shape, 1).

    Args:
        shape: >= 1, shape (m,).

    Returns:
        (v, weight), both (m, K); each row of weights sums to 1.
    """
    k = np.asarray(shape, dtype=np.float64)[:, None]
    spread = 1.0 / np.sqrt(k)
    # exp(y) - 1 - y is at least y²/3 down to -1.5 and -y - 1 beyond; y²/2 on the right, (exp(y) - 1)/2 from 1.26 on.
    low = -np.where(10.0 * spread < 1.5, 10.0 * spread, _NEGLIGIBLE / k + 1.0)
    high = np.minimum(_SPREADS * spread, np.maximum(1.26, np.log1p(2.0 * _NEGLIGIBLE / k)))
    y, _ = _grid(low, high, np.minimum(_STEP, 0.5 * spread))
    # (v/k)^k exp(k - v) is the density of y = ln(v/k) relative to its peak.
    weight = np.exp(-k * _expm1_beyond_first(y))
    return k * np.exp(y), weight / weight.sum(axis=1, keepdims=True)


def beta_nodes(a: FloatArray, b: FloatArray, pull: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Nodes p and weights of Beta(a, b), placed for functions that fall with p no faster than exp(-pull p).

    Args:
        a: > 0, shape (m,).
        b: > 0, shape (m,).
        pull: >= 0, shape (m,).

    Returns:
        (p, weight), both (m, K); each row of weights sums to 1.
    """
    a, b, pull = (np.asarray(column, dtype=np.float64)[:, None] for column in (a, b, pull))
    scale = np.minimum(1.0, _POINT / (a + b))
    a, b = a * scale, b * scale
    centre = np.log(a / b)
    # Function times density peaks no further left than Beta(a, b + pull); outside of the outer bounds the function is
    # constant and the density a pure exponential, which the end weights sum.
    low = np.maximum(_edge(a, b + pull, -1.0) - np.log1p(pull / b), -_NEGLIGIBLE - np.log(b + pull + 1.0) - centre)
    high = np.minimum(_edge(a, b, 1.0), _NEGLIGIBLE + np.log(a + 1.0) - centre)
    y, step = _grid(low, high, np.minimum(_STEP, 0.5 * np.sqrt(1.0 / a + 1.0 / (b + pull))))
    weight = np.exp(_log_density(a, b, y))
    weight[:, :1] /= -np.expm1(-a * step)
    weight[:, -1:] /= -np.expm1(-b * step)
    return expit(centre + y), weight / weight.sum(axis=1, keepdims=True)


def _log_density(a: FloatArray, b: FloatArray, y: FloatArray) -> FloatArray:
    """Log density of logit p under Beta(a, b), at the distance y from its peak and relative to it."""
    share = a / (a + b)
    return np.asarray(-a * np.log1p(b / (a + b) * np.expm1(-y)) - b * np.log1p(share * np.expm1(y)))


def _edge(a: FloatArray, b: FloatArray, side: float) -> FloatArray:
    """The distance from its peak at which the (log-concave) density of logit p becomes negligible on one side."""
    inside, outside = np.zeros(a.shape), np.full(a.shape, 1e-10)
    for _ in range(60):
        outside = np.where(_log_density(a, b, side * outside) > -_NEGLIGIBLE, 2.0 * outside, outside)
        outside = np.minimum(outside, 700.0)
    for _ in range(12):
        middle = 0.5 * (inside + outside)
        counts = _log_density(a, b, side * middle) > -_NEGLIGIBLE
        inside, outside = np.where(counts, middle, inside), np.where(counts, outside, middle)
    return side * outside


def _grid(low: FloatArray, high: FloatArray, step: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Equidistant nodes (m, K) from `low` to `high` (m, 1), no wider apart than `step`, and the distances (m, 1)."""
    count = int(np.ceil(((high - low) / step).max())) + 1
    width = (high - low) / (count - 1)
    return low + width * np.arange(count), width


def _expm1_beyond_first(y: FloatArray) -> FloatArray:
    """exp(y) - 1 - y without cancellation."""
    series = np.square(y) / 2 * (1 + y / 3 * (1 + y / 4 * (1 + y / 5 * (1 + y / 6))))
    return np.where(np.abs(y) < 1e-3, series, np.expm1(y) - y)
