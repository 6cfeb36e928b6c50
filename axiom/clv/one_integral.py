"""P(dead) of one customer under the Pareto/NBD: the integral of `pareto_integral`, its window found by scalars."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray

_NODES = 40
_DROP = 36.0
_NEWTON_STEPS = 4
_LOG_RANGE = 300.0


@cache
def legendre(count: int) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre on (0, 1)."""
    x, w = np.polynomial.legendre.leggauss(count)
    return 0.5 * (x + 1.0), 0.5 * w


def death_log_odds(mu: float, u: float, nu: float, v: float, x: float, t_x: float, T: float) -> float:
    """Ln P(dead at T)/P(alive at T) for T > t_x; see `pareto_likelihood.death_log_odds`."""
    late_buyer, late_dier = 1.0 + u * mu * t_x, 1.0 + v * nu * t_x
    first = (1.0 + u * x) * mu / late_buyer, u * mu / late_buyer
    second = (1.0 + v) * nu / late_dier, v * nu / late_dier
    hazard, gap = nu / late_dier, T - t_x
    passed = _decay(*first, gap) + hazard * math.log1p(second[1] * gap) / second[1]
    return passed + math.log(hazard) + _log_integral(first, second, gap)


def _decay(slope: float, bend: float, tau: float) -> float:
    return slope * math.log1p(bend * tau) / bend


def _log_integral(first: tuple[float, float], second: tuple[float, float], top: float) -> float:
    """Ln ∫_0^top exp(-F_1 - F_2) dτ for top > 0."""
    (slope_1, bend_1), (slope_2, bend_2) = first, second
    low, high = _window(slope_1, bend_1, slope_2, bend_2, top)
    rate = max(slope_1 + slope_2, bend_1, bend_2)
    start = math.log1p(rate * low)
    width = math.log1p(rate * high) - start
    abscissa, weight = legendre(_NODES)
    y = start + width * abscissa
    tau = np.expm1(y) / rate
    f = y - (slope_1 / bend_1) * np.log1p(bend_1 * tau) - (slope_2 / bend_2) * np.log1p(bend_2 * tau)
    peak = float(f.max())
    return peak + math.log(float(np.exp(f - peak) @ weight)) + math.log(width / rate)


def _window(slope_1: float, bend_1: float, slope_2: float, bend_2: float, top: float) -> tuple[float, float]:
    """Ends of the part of (0, top) where ln τ - F_1 - F_2 is within `_DROP` of its maximum; see `pareto_integral`."""
    mode = min(_mode(slope_1, bend_1, slope_2, bend_2), top)
    log_mode = math.log(mode)
    summit = log_mode - _decay(slope_1, bend_1, mode) - _decay(slope_2, bend_2, mode)
    dim_1, dim_2 = 1.0 + bend_1 * mode, 1.0 + bend_2 * mode
    curvature = slope_1 * mode / (dim_1 * dim_1) + slope_2 * mode / (dim_2 * dim_2)
    reach = min(math.sqrt(2.0 * _DROP / curvature), _LOG_RANGE)

    def fall(log_tau: float) -> tuple[float, float]:
        tau = math.exp(log_tau)
        drop = summit - log_tau + _decay(slope_1, bend_1, tau) + _decay(slope_2, bend_2, tau)
        slope = slope_1 * tau / (1.0 + bend_1 * tau) + slope_2 * tau / (1.0 + bend_2 * tau) - 1.0
        return max(drop, 1e-300), slope

    ends = []
    for side in (-1.0, 1.0):
        away = reach
        for _ in range(_NEWTON_STEPS):
            drop, slope = fall(log_mode + side * away)
            away = min(max(away - side * math.log(drop / _DROP) * drop / slope, 0.5 * away), _LOG_RANGE)
        drop, slope = fall(log_mode + side * away)
        ends.append(math.exp(log_mode + side * min(away - side * (drop - _DROP) / slope, _LOG_RANGE)))
    return min(ends[0], mode), min(max(ends[1], mode), top)


def _mode(slope_1: float, bend_1: float, slope_2: float, bend_2: float) -> float:
    a = bend_1 * bend_2 - slope_1 * bend_2 - slope_2 * bend_1
    b = bend_1 + bend_2 - slope_1 - slope_2
    root = math.sqrt(b * b - 4.0 * a)
    return (root + b) / (-2.0 * a) if b >= 0 else 2.0 / (root - b)
