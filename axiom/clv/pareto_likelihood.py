"""Likelihood of the Pareto/NBD in a regular parametrisation, with gradient and Hessian under the integral sign.

Purchase rates are Gamma(r, alpha), dropout rates Gamma(s, beta). With

    mu = r/alpha (mean rate)        u = 1/r (rate heterogeneity)
    nu = s/beta  (mean dropout)     v = 1/s (dropout heterogeneity)
    E(y; mu, u, x) = (1/u + x) ln(1 + u mu y)

the likelihood of Schmittlein, Morrison & Colombo (1987), as Fader & Hardie (2005, "A Note on Deriving the Pareto/NBD
Model") have it before they solve the integral, is

    L_i = Π_{j<x} mu (1 + u j) · { exp(-E(T; mu, u, x) - E(T; nu, v, 0))                            alive at T
                                   + ∫_{t_x}^T nu exp(-E(τ; mu, u, x) - E(τ; nu, v, 1)) dτ }         died at τ

finite at u = 0 (one rate for all) and at v = 0 (one dropout rate for all), with no pole at alpha = beta. Each customer
is a mixture over "alive" and the death times of the quadrature: with posterior weights w and G = -ln(integrand),

    d ln L = -E_w[G'],     d² ln L = -E_w[G''] + E_w[G' G'ᵀ] - E_w[G'] E_w[G']ᵀ.

Working parameters: theta = (ln mu, ln u, ln(nu/mu), ln v). Only ln mu depends on the unit of time, and ln(nu/mu) is the
logit of the chance that an average customer drops out before the next purchase, as logit phi of the BG/NBD is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.clv.pareto_integral import Decay, log_integral, nodes

if TYPE_CHECKING:
    from axiom.clv.inputs import Table
    from axiom.clv.newton import Terms
    from axiom.maths.arrays import FloatArray

# With power 0 the integrand is smoother than for counts: fewer nodes reach 1e-12.
_NODES = 24
_ALIVE, _DIED = 0.0, 1.0
# (ln mu, ln u, ln nu, ln v) by theta: ln nu = ln mu + ln(nu/mu).
_TO_RATES = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class _Exposure:
    """E(y; m, h, power) = (1/h + power) ln(1 + h m y), and what its derivatives in (ln m, ln h) are made of.

    `share` = w/(1+w) and `excess` = ln(1+w) - share, with w = h m y. Their rounding, divided by h, stays some ulps of
    m y, so a likelihood needs no series for small w.
    """

    h: FloatArray
    power: FloatArray
    value: FloatArray
    share: FloatArray
    excess: FloatArray

    @classmethod
    def of(cls, m: FloatArray, h: FloatArray, power: FloatArray, y: FloatArray) -> _Exposure:
        w = (h * m) * y
        log = np.log1p(w)
        share = w / (1.0 + w)
        return cls(h, power, (1.0 / h + power) * log, share, log - share)

    def slopes(self) -> tuple[FloatArray, FloatArray]:
        """First derivatives."""
        return (1.0 / self.h + self.power) * self.share, self.power * self.share - self.excess / self.h

    def curvature(self, weight: FloatArray) -> FloatArray:
        """Weighted sum of the second derivatives, shape (2, 2)."""
        square, by_power = self.share * self.share, weight * self.power
        once, twice = _total(weight, self.share), _total(weight, square)
        powered = _total(by_power, self.share) - _total(by_power, square)
        mean = (once - twice) / self.h + powered
        spread = (_total(weight, self.excess) - twice) / self.h + powered
        mixed = powered - twice / self.h
        return np.array([[mean, mixed], [mixed, spread]])


def _total(weight: FloatArray, values: FloatArray) -> float:
    # Not np.vdot: the threads BLAS wakes for a vector this short cost more than the sum.
    return float(np.einsum("rk,rk->", weight, values))


def rates(theta: FloatArray) -> tuple[FloatArray, ...]:
    """(mu, u, nu, v) of working parameters."""
    return tuple(np.exp(_TO_RATES @ theta))


def history_terms(theta: FloatArray, shard: Table, rows: slice) -> Terms:
    """Weighted sum of ln{...} above over some rows of a shard.

    Args:
        theta: Working parameters, shape (4,).
        shard: Distinct histories.
        rows: Which of them.

    Returns:
        Value, gradient (4,) and Hessian (4, 4) in theta.
    """
    x, t_x, T, weight = shard.x[rows], shard.t_x[rows], shard.T[rows], shard.weight[rows]
    mu, u, nu, v = rates(theta)
    first, second = silence(theta, x, t_x)
    tau, log_weight = nodes(np.zeros_like(x), first, second, T - t_x, _NODES)

    time = np.column_stack([t_x[:, None] + tau, T])
    deaths = np.append(np.full(_NODES, _DIED), _ALIVE)
    buying, dying = _Exposure.of(mu, u, x[:, None], time), _Exposure.of(nu, v, deaths, time)
    log_density = np.column_stack([np.log(nu) + log_weight, np.zeros_like(x)]) - buying.value - dying.value
    peak = log_density.max(axis=1)
    share = np.exp(log_density - peak[:, None])
    total = share.sum(axis=1)
    value = peak + np.log(total)
    share *= (weight / total)[:, None]

    slopes = np.stack([*buying.slopes(), *dying.slopes()])
    slopes[2] -= deaths
    # One column per customer: weight times the mean over the mixture.
    mean = np.einsum("irk,rk->ir", slopes, share)
    flat = slopes.reshape(4, -1)
    hessian = (flat * share.ravel()) @ flat.T - (mean / weight) @ mean.T
    hessian[:2, :2] -= buying.curvature(share)
    hessian[2:, 2:] -= dying.curvature(share)
    return float(value @ weight), -_TO_RATES.T @ mean.sum(axis=1), _TO_RATES.T @ hessian @ _TO_RATES


def silence(theta: FloatArray, x: FloatArray, t_x: FloatArray) -> tuple[Decay, Decay]:
    """How the two parts of the integrand fall with the time after t_x: buying nothing, and not having died yet.

    Args:
        theta: Working parameters, shape (4,).
        x: Repeat purchases, shape (n,).
        t_x: Time of the last purchase, shape (n,).
    """
    mu, u, nu, v = rates(theta)
    late_buyer, late_dier = 1.0 + u * mu * t_x, 1.0 + v * nu * t_x
    return (
        Decay((1.0 + u * x) * mu / late_buyer, u * mu / late_buyer),
        Decay((1.0 + v) * nu / late_dier, v * nu / late_dier),
    )


def death_log_odds(theta: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
    """The logarithm of P(dead at T)/P(alive at T), -inf where t_x = T; all shapes (n,)."""
    _, _, nu, v = rates(theta)
    first, second = silence(theta, x, t_x)
    gap = T - t_x
    hazard = nu / (1.0 + v * nu * t_x)
    survived = Decay(hazard, second.bend)
    return first(gap) + survived(gap) + np.log(hazard) + log_integral(np.zeros_like(x), first, second, gap)
