"""Quantiles of the future spend of one customer: Halley steps on the log odds of its law, all levels at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, betaln, ndtri

from axiom.clv.value_mixture import components, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import FloatArray

# A Halley step multiplies the error by about its square: after one this short nothing is left.
_LAST_STEP = 3e-4
_LONGEST_STEP = 2.0
_MOST_STEPS = 12


def log_quantiles(mass: FloatArray, p: float, rest: float, levels: Sequence[float]) -> list[float]:
    """The ln v at which F(v) = Σ mass_n I_{v/(1+v)}(p n, rest) / Σ mass_n reaches each level.

    With y = v/(1+v), f_n = y^(p n) (1-y)^rest / B(p n, rest) is dI/d ln v and (p n (1-y) - rest y) f_n its derivative,
    so that the log odds of F, close to linear in ln v, come with two derivatives for one incomplete beta function each.

    Args:
        mass: P(Y = n), n = 1, 2, …, up to a common factor, shape (n,).
        p: shape of one purchase.
        rest: q + p x.
        levels: in (0, 1).
    """
    shape = p * np.arange(1.0, mass.size + 1.0)
    mass = mass / np.add.reduce(mass)
    log_beta = betaln(shape, rest)
    sums = np.array([mass, mass * shape]).T
    found = _start(mass, shape, rest, levels)
    active = list(range(len(found)))
    for _ in range(_MOST_STEPS):
        places = np.array([[found[i]] for i in active])
        fade = np.log1p(np.exp(-np.abs(places)))
        log_y, log_not_y = np.minimum(places, 0.0) - fade, -np.maximum(places, 0.0) - fade
        y = np.exp(log_y)
        below = (betainc(shape, rest, y) @ mass).tolist()
        density = np.exp(shape * log_y + rest * log_not_y - log_beta) @ sums
        going = []
        for i, F, (f, grown), at in zip(active, below, density.tolist(), y[:, 0].tolist(), strict=True):
            step = _step(F, f, (1.0 - at) * grown - rest * at * f, levels[i])
            found[i] += step
            if not abs(step) <= _LAST_STEP:
                going.append(i)
        active = going
        if not active:
            return found
    return _solved(mass, p, rest, levels)


def _start(mass: FloatArray, shape: FloatArray, rest: float, levels: Sequence[float]) -> list[float]:
    """The quantiles of a log-normal law with about the moments of the mixture."""
    middle = np.log(shape)
    mean = float(mass @ middle)
    variance = float(mass @ (middle * middle + 1.0 / shape)) + 1.0 / rest - mean * mean
    centre, spread = mean - math.log(rest), math.sqrt(max(variance, 0.0))
    return [centre + spread * z for z in ndtri(np.array(levels)).tolist()]


def _step(F: float, f: float, bend: float, level: float) -> float:
    """From a point where the law is F with derivatives f and `bend`, towards `level`."""
    if not 0.0 < F < 1.0 or not f > 0.0:
        return _LONGEST_STEP if level > F else -_LONGEST_STEP
    rest = F * (1.0 - F)
    short = math.log(F) - math.log1p(-F) - (math.log(level) - math.log1p(-level))
    slope = f / rest
    curve = bend / rest - slope * slope * (1.0 - 2.0 * F)
    lean = slope * slope - 0.5 * short * curve
    step = -short * slope / lean if lean > 0.0 else -short / slope
    return min(max(step, -_LONGEST_STEP), _LONGEST_STEP)


def _solved(mass: FloatArray, p: float, rest: float, levels: Sequence[float]) -> list[float]:
    """By the bracketing solver of the batch path: laws whose steps do not settle (prices that hardly vary)."""
    table = np.append(0.0, mass)[:, None].repeat(len(levels), axis=1)
    ones = np.ones(len(levels))
    return list(map(float, quantile(components([table], [(p, rest * ones, ones)]), np.array(levels))))
