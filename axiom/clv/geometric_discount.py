"""Discounted expected residual transactions (DERT) of the beta-geometric family.

DERT = ∫_0^∞ e^(-δ τ) dE[Y(τ)] = P(alive) E[∫ λ e^(-(δ + λ p) τ) dτ] = P(alive) E[λ/(δ + λ p)], with independent
λ ~ Gamma(R, α + T) and p ~ Beta(a, B). Fader, Hardie & Lee (2005, "RFM and CLV") derive the analogue of the Pareto/NBD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.clv.inputs import distinct_rows
from axiom.clv.quadrature import beta_nodes, gamma_nodes

if TYPE_CHECKING:
    from axiom.clv.geometric_law import Law
    from axiom.maths.arrays import FloatArray, IntArray

_LAWS_AT_ONCE = 32
# Chebyshev points of the second kind; 49 of them resolve F over three orders of magnitude of κ to the last digit.
_CHEBYSHEV = np.cos(np.pi * np.arange(49) / 48)
_SIGNS = np.where(np.arange(49) % 2, -1.0, 1.0) * np.where((np.arange(49) == 0) | (np.arange(49) == 48), 0.5, 1.0)


def discounted(law: Law, rate: float) -> FloatArray:
    """E[λ/(rate + λ p)] = R · F(κ), F(κ) = E[1/(κ + v p)], v ~ Gamma(R + 1), κ = rate (α + T); DERT if alive.

    F depends on the history through R, a and B only and is analytic in ln κ, so customers who share these three read it
    off one Chebyshev interpolant when they are many.
    """
    a, b, ln_kappa = law.phi / law.s, law.stay / law.s, np.log(rate / law.speed)
    first, group = distinct_rows(law.shape, a, b)
    laws = np.stack([law.shape[first] + 1.0, a[first], b[first]])
    middle, half = _ranges(ln_kappa, group, first.size)
    many = np.bincount(group) > _CHEBYSHEV.size
    out = np.empty(ln_kappa.shape)

    alone = np.flatnonzero(~many[group])
    out[alone] = _stieltjes(laws[:, group[alone]], np.exp(ln_kappa[alone]))

    shared = np.flatnonzero(many)
    nodes = middle[shared, None] + half[shared, None] * _CHEBYSHEV
    values = _stieltjes(np.repeat(laws[:, shared], _CHEBYSHEV.size, axis=1), np.exp(nodes.ravel())).reshape(nodes.shape)
    rank = np.cumsum(many) - 1
    rows = np.flatnonzero(many[group])
    place = (ln_kappa - middle[group])[rows] / half[group][rows]
    out[rows] = _barycentric(values, rank[group[rows]], place)
    return law.shape * out


def _ranges(values: FloatArray, group: IntArray, count: int) -> tuple[FloatArray, FloatArray]:
    """Middle and half width of the values of each group; the width is never 0."""
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    return 0.5 * (low + high), 0.5 * (high - low) + 1e-6


def _stieltjes(laws: FloatArray, kappa: FloatArray) -> FloatArray:
    """E[1/(κ + v p)] for v ~ Gamma(laws[0]) and p ~ Beta(laws[1], laws[2]), one law and one κ a row."""
    out = np.empty(kappa.shape)
    order = np.lexsort((kappa, *laws))
    for start in range(0, order.size, _LAWS_AT_ONCE):
        rows = order[start : start + _LAWS_AT_ONCE]
        v, v_weight = gamma_nodes(laws[0, rows])
        p, p_weight = beta_nodes(laws[1, rows], laws[2, rows], laws[0, rows] / kappa[rows])
        inner = 1.0 / (kappa[rows, None, None] + v[:, :, None] * p[:, None, :])
        out[rows] = np.einsum("iv,ivp,ip->i", v_weight, inner, p_weight, optimize=True)
    return out


def _barycentric(values: FloatArray, group: IntArray, place: FloatArray) -> FloatArray:
    """Chebyshev interpolants `values` (groups, nodes), read at `place` in [-1, 1] (Berrut & Trefethen 2004)."""
    above, below = np.zeros(place.shape), np.zeros(place.shape)
    for node, sign, column in zip(_CHEBYSHEV, _SIGNS, values.T, strict=True):
        distance = place - node
        share = sign / np.where(distance == 0.0, 1e-300, distance)
        above += share * column[group]
        below += share
    return above / below
