"""Likelihood of the beta-geometric family (BG/NBD and MBG/NBD) in its regular parametrisation.

Rates are Gamma(r, alpha), the dropout probability after a purchase is Beta(a, b). With

    mu = r/alpha (mean rate)              u = 1/r      (rate heterogeneity)
    phi = a/(a+b) (mean dropout)          s = 1/(a+b)  (dropout heterogeneity)

every gamma and beta function becomes a finite product: Γ(r+x)/(Γ(r) α^x) = Π_{j<x} mu (1 + u j), and
B(a, b+c)/B(a, b) = Π_{j<c} (1 - phi/(1 + s j)). `c` is the number of dropout coins a customer has survived:

* BG/NBD (Fader, Hardie & Lee 2005, eq. 6) tosses after each repeat purchase: c = x.
* MBG/NBD (Batislam, Denizel & Filiztekin 2007; Hoppe & Wagner 2007) also tosses after the first purchase, so c = x + 1:
  L = E[(1-p)^(x+1) λ^x e^(-λT)] + E[p (1-p)^x λ^x e^(-λ t_x)]
    = Γ(r+x) α^r/Γ(r) · { B(a, b+x+1)/B(a, b) (α+T)^-(r+x) + B(a+1, b+x)/B(a, b) (α+t_x)^-(r+x) }.

The ratio of the two terms is exp(d), the odds of having dropped out, and B(a+1, b+c-1)/B(a, b+c) = a/(b+c-1), hence

    l_i = Σ_{j<x} [ln mu + ln(1 + u j)] + Σ_{j<c} ln(1 - phi/(1 + s j)) - E(T) + 1{c>0} softplus(d)
    E(y) = (1/u + x) ln(1 + u mu y)
    d    = E(T) - E(t_x) + ln phi - ln(1 - phi + s (c - 1))

which is finite at u = 0 (one rate for all) and at s = 0 (one dropout probability for all).
Working parameters: theta = (ln mu, ln u, logit phi, ln s).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from axiom.clv.products import log_share

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray

# Below this w, 1/(1+w) - ln(1+w)/w = Σ_k (-w)^k k/(k+1) cancels, and eight terms of the series give every digit.
_SERIES_BELOW = 0.01
_ORDERS = np.arange(8, 0, -1)
_BEND_SERIES = np.append(np.where(_ORDERS % 2, -1.0, 1.0) * _ORDERS / (_ORDERS + 1.0), 0.0)


@dataclass(frozen=True)
class Exposure:
    """E(y) = (1/u + x) ln(1 + u mu y) with its derivatives in (ln mu, ln u), each of shape (n,)."""

    value: FloatArray
    mu: FloatArray
    u: FloatArray
    mu_mu: FloatArray
    mu_u: FloatArray
    u_u: FloatArray


def exposure(mu: FloatArray, u: FloatArray, x: FloatArray, y: FloatArray) -> Exposure:
    """E(y) and derivatives; `mu` and `u` may be scalars or per customer.

    With w = u mu y: d/d ln u of ln(1+w)/u is mu y (1/(1+w) - ln(1+w)/w), called the bend here.
    """
    m = mu * y
    w = u * m
    log = np.log1p(w)
    shrink = 1.0 / (1.0 + w)
    share = w * shrink
    small = w < _SERIES_BELOW
    bend = shrink - log / np.where(small, 1.0, w)
    bend[small] = np.polyval(_BEND_SERIES, w[small])
    bend *= m
    curve = share * shrink
    mixed = (x - m) * curve
    return Exposure(
        value=(1.0 / u + x) * log,
        mu=m * shrink + x * share,
        u=bend + x * share,
        mu_mu=m * shrink * shrink + x * curve,
        mu_u=mixed,
        u_u=mixed - bend,
    )


def history_terms(
    theta: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray, first: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """-E(T) + 1{c>0} softplus(d) per customer.

    Args:
        theta: Working parameters, shape (4,), or (4, n) if they differ between customers.
        x: Repeat purchases, shape (n,).
        t_x: Time of the last purchase, shape (n,).
        T: Age, shape (n,).
        first: Coins tossed at the first purchase: 0 for BG/NBD, 1 for MBG/NBD.

    Returns:
        Value (n,), gradient (4, n), and the upper triangle of the Hessian, row by row, (10, n).
    """
    mu, u, s = np.exp(theta[0]), np.exp(theta[1]), np.exp(theta[3])
    phi, stay = expit(theta[2]), expit(-theta[2])
    end, last = exposure(mu, u, x, T), exposure(mu, u, x, t_x)
    coins = x + first
    d = dropout_log_odds(theta, x, t_x, T, first)
    tossed = coins > 0
    fade = np.exp(-np.abs(d))
    value = np.where(tossed, np.maximum(d, 0.0) + np.log1p(fade), 0.0) - end.value
    gone = np.where(tossed, np.where(d > 0, 1.0, fade) / (1.0 + fade), 0.0)

    j = np.maximum(coins - 1.0, 0.0)
    survive = stay + s * j
    flow, spread = phi * stay / survive, s * j / survive
    d_mu, d_u, d_phi, d_s = end.mu - last.mu, end.u - last.u, stay + flow, -spread
    gradient = np.stack([gone * d_mu - end.mu, gone * d_u - end.u, gone * d_phi, gone * d_s])
    both = gone * (1.0 - gone)
    hessian = np.stack(
        [
            gone * (end.mu_mu - last.mu_mu) - end.mu_mu + both * d_mu * d_mu,
            gone * (end.mu_u - last.mu_u) - end.mu_u + both * d_mu * d_u,
            both * d_mu * d_phi,
            both * d_mu * d_s,
            gone * (end.u_u - last.u_u) - end.u_u + both * d_u * d_u,
            both * d_u * d_phi,
            both * d_u * d_s,
            gone * (flow * (stay - phi + flow) - phi * stay) + both * d_phi * d_phi,
            -gone * flow * spread + both * d_phi * d_s,
            -gone * spread * stay / survive + both * d_s * d_s,
        ]
    )
    return value, gradient, hessian


def dropout_log_odds(theta: FloatArray, x: FloatArray, t_x: FloatArray, T: FloatArray, first: int) -> FloatArray:
    """d, the log odds of having dropped out at the last purchase; meaningless where no coin was tossed (c = 0)."""
    mu, u, s = np.exp(theta[0]), np.exp(theta[1]), np.exp(theta[3])
    j = np.maximum(x + first - 1.0, 0.0)
    silence = (1.0 / u + x) * np.log1p(u * mu * (T - t_x) / (1.0 + u * mu * t_x))
    return np.asarray(silence - np.logaddexp(0.0, -theta[2]) - np.log(expit(-theta[2]) + s * j))


def rate_terms(ln_u: float, j: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """ln(1 + u j), its first and its second derivative in ln u, shape of `j`."""
    uj = np.exp(ln_u) * j
    share = uj / (1.0 + uj)
    return np.log1p(uj), share, share / (1.0 + uj)


def coin_terms(logit_phi: FloatArray, ln_s: FloatArray, j: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """ln(1 - phi/(1 + s j)): value, gradient in (logit phi, ln s), and second derivatives (phi phi, phi s, s s).

    The arguments broadcast; the derivatives have a leading axis of 2 and of 3.
    """
    phi, stay, sj = expit(logit_phi), expit(-logit_phi), np.exp(ln_s) * j
    survive, whole = stay + sj, 1.0 + sj
    flow = phi * stay / survive
    # sj/survive - sj/whole with the difference taken by hand, as it is small when phi is.
    spread = phi * sj / (survive * whole)
    gradient = np.stack([-flow, spread])
    hessian = np.stack(
        [
            -flow * (stay - phi + flow),
            flow * sj / survive,
            spread * (stay - sj * sj) / (survive * whole),
        ]
    )
    return log_share(phi, survive, whole), gradient, hessian
