"""Cox's partial likelihood with Efron ties, every sum aggregated on distinct event times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray

_UNDERFLOW = 1e-280  # a sum of risks below this, beside a largest risk of 1, has lost its digits
_ROWS_AT_ONCE = 2048  # rows per block of a Gram matrix: the block stays in the cache


class Likelihood(NamedTuple):
    """Log partial likelihood, its gradient (p,) and the information matrix (p, p) at one β."""

    value: float
    gradient: FloatArray
    information: FloatArray


@dataclass(frozen=True)
class RiskSets:
    """The rows of one stratum, latest duration first, grouped by the event times t_1 > t_2 > … > t_K they reach.

    With φ_i = w_i·exp(x_i·β), S_k = Σ φ over the rows still at risk at t_k, D_k = Σ φ over its d_k deaths and w̄_k their
    mean weight, Efron's likelihood (1977, JASA 72, eq. 3) is

        ℓ(β) = Σ_deaths w·x·β − Σ_k w̄_k Σ_{l<d_k} ln(S_k − (l/d_k)·D_k)

    Its derivatives need Σ φx over risk sets, a running sum over groups. The second moments never are formed per event
    time: Σ_k c_k Σ_{at risk at k} φxxᵀ = Xᵀ diag(φ·C) X, with C_i the sum of c_k over the events that row i was at
    risk for. One evaluation costs two n·p² products, whatever the number of times.
    """

    x: FloatArray
    weights: FloatArray
    times: FloatArray
    starts: IntArray
    deaths: IntArray
    death_starts: IntArray
    death_group: IntArray
    tie_share: FloatArray
    mean_weight: FloatArray

    @classmethod
    def build(cls, x: FloatArray, durations: FloatArray, events: BoolArray, weights: FloatArray) -> RiskSets | None:
        """Group the rows x (n, p); None when nobody had the event, which says nothing about β."""
        if not events.any():
            return None
        order = np.argsort(-durations)
        # Whoever left before the first event was never at risk of one.
        order = order[: np.searchsorted(-durations[order], -durations[events].min(), side="right")]
        t, e, w = durations[order], events[order], weights[order]
        times = np.unique(t[e])[::-1]
        group = np.searchsorted(-times, -t, side="left")
        deaths = np.flatnonzero(e)
        death_group = group[deaths]
        death_starts = np.searchsorted(death_group, np.arange(times.size))
        count = np.diff(np.append(death_starts, deaths.size))
        tie_share = (np.arange(deaths.size) - np.repeat(death_starts, count)) / np.repeat(count, count)
        starts = np.searchsorted(group, np.arange(times.size))
        mean_weight = np.add.reduceat(w[deaths], death_starts) / count
        return cls(x[order], w, times, starts, deaths, death_starts, death_group, tie_share, mean_weight)

    def likelihood(self, beta: FloatArray) -> Likelihood:
        """Evaluate ℓ, ∂ℓ/∂β and −∂²ℓ/∂β² at `beta` (p,)."""
        eta, phi, _ = self._risks(beta)
        at_risk, tied = self._sums(phi)
        k = self.death_group
        remaining = at_risk[k] - self.tie_share * tied[k]
        if remaining.min() < _UNDERFLOW:  # β is far beyond anything data can say
            return Likelihood(-np.inf, np.zeros(beta.size), np.eye(beta.size))
        w_deaths = self.weights[self.deaths]
        value = float(w_deaths @ eta[self.deaths] - self.mean_weight[k] @ np.log(remaining))

        hazard = self.mean_weight[k] / remaining
        own = np.add.reduceat(hazard * self.tie_share, self.death_starts)
        cumulative = np.cumsum(np.add.reduceat(hazard, self.death_starts)[::-1])[::-1]
        expected = np.repeat(cumulative, self._group_sizes())
        expected[self.deaths] -= own[k]
        expected *= phi
        residual = -expected
        residual[self.deaths] += w_deaths
        information = _gram(self.x, expected, self.x) - self._squared_means(phi, at_risk, at_risk[k] / remaining)
        return Likelihood(value, residual @ self.x, information)

    def mean_covariates(self, beta: FloatArray) -> FloatArray:
        """Mean of x (K, p) over the risk set of each event time, weighted by φ and averaged over Efron's d_k steps."""
        _, phi, _ = self._risks(beta)
        at_risk, tied = self._sums(phi)
        k = self.death_group
        share = at_risk[k] / (at_risk[k] - self.tie_share * tied[k])
        count = np.diff(np.append(self.death_starts, self.deaths.size))[:, None]
        all_risk, only_tied = self._moments(phi, at_risk)
        first = np.add.reduceat(share, self.death_starts)[:, None] * all_risk
        second = np.add.reduceat(share * self.tie_share, self.death_starts)[:, None] * only_tied
        return np.asarray((first - second) / count)

    def baseline_hazard(self, beta: FloatArray) -> FloatArray:
        """Breslow's increments (K,): weight of the deaths over Σ φ at risk, for a customer with x = 0."""
        _, phi, shift = self._risks(beta)
        at_risk, _ = self._sums(phi)
        return np.asarray(np.add.reduceat(self.weights[self.deaths], self.death_starts) / at_risk * np.exp(-shift))

    def _risks(self, beta: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        """x·β less its maximum, φ, and that maximum: only ratios of risks matter, and so exp cannot overflow."""
        eta = self.x @ beta
        shift = float(eta.max())
        eta -= shift
        return eta, self.weights * np.exp(eta), shift

    def _group_sizes(self) -> IntArray:
        return np.diff(np.append(self.starts, self.weights.size))

    def _sums(self, phi: FloatArray) -> tuple[FloatArray, FloatArray]:
        at_risk = np.cumsum(np.add.reduceat(phi, self.starts))
        return at_risk, np.add.reduceat(phi[self.deaths], self.death_starts)

    def _moments(self, phi: FloatArray, at_risk: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Σ φx / S (K, p) over the risk set and over the deaths of each event time."""
        n, k = self.weights.size, self.times.size
        # Sparse products sum the rows of each group without forming the n × p table φx.
        rows = sparse.csr_array((phi, np.arange(n), np.append(self.starts, n)), shape=(k, n))
        ends = np.append(self.death_starts, self.deaths.size)
        deaths = sparse.csr_array((phi[self.deaths], self.deaths, ends), shape=(k, n))
        moments = rows @ self.x
        np.cumsum(moments, axis=0, out=moments)
        inverse = (1 / at_risk)[:, None]
        return np.multiply(moments, inverse, out=moments), (deaths @ self.x) * inverse

    def _squared_means(self, phi: FloatArray, at_risk: FloatArray, growth: FloatArray) -> FloatArray:
        """Σ_k w̄ Σ_l mmᵀ (p, p), m = (Σ φx at risk − (l/d)·Σ φx tied)/(S − (l/d)·D); growth = S/(S − (l/d)·D)."""
        all_risk, tied = self._moments(phi, at_risk)
        curvature = self.mean_weight[self.death_group] * growth**2
        c0 = np.add.reduceat(curvature, self.death_starts)
        squares = _gram(all_risk, c0, all_risk)
        if self.deaths.size == self.times.size:
            return squares
        c1 = np.add.reduceat(curvature * self.tie_share, self.death_starts)
        c2 = np.add.reduceat(curvature * self.tie_share**2, self.death_starts)
        cross = _gram(all_risk, c1, tied)
        return squares - cross - cross.T + _gram(tied, c2, tied)


def _gram(a: FloatArray, weights: FloatArray, b: FloatArray) -> FloatArray:
    """aᵀ diag(weights) b, block by block."""
    total = np.zeros((a.shape[1], b.shape[1]))
    for start in range(0, a.shape[0], _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        total += (a[rows] * weights[rows, None]).T @ b[rows]
    return total
