"""Profit of a retention campaign: from a cost/benefit table to the curve and the threshold that earns most.

Contacting a customer costs f. A would-be churner stays with probability γ and then brings the value at risk V less the
offer d; a customer who would have stayed takes the offer with probability a (Neslin et al. 2006, JMR 43, eq. 1; Verbeke
et al. 2012, EJOR 218, the maximum profit; Verbraken, Verbeke & Baesens 2013, TKDE 25, the expected maximum profit,
where γ is random):

    profit of a contact = y·γ·(V − d) − (1 − y)·a·d − f
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths import checks

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray


@dataclass(frozen=True)
class RetentionCosts:
    """The cost/benefit table, money in one currency.

    Args:
        contact_cost: f >= 0, paid for everyone contacted.
        offer_cost: d >= 0, paid for everyone who takes the offer.
        save_rate: γ in [0, 1], churners who stay because of it.
        take_rate: a in [0, 1], customers who would have stayed anyway and take it all the same.

    Raises:
        ValueError: a value outside its range.
    """

    contact_cost: float
    offer_cost: float
    save_rate: float
    take_rate: float = 1.0

    def __post_init__(self) -> None:
        for name in ("contact_cost", "offer_cost"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name} must be a finite number >= 0, got {getattr(self, name)}")
        for name in ("save_rate", "take_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")


@dataclass(frozen=True)
class ProfitCurve:
    """Profit of contacting the best k rows, at every distinct score; arrays (k + 1,) starting at nobody.

    `threshold[0]` lies just above the best score, so that "contact when score >= threshold" holds for every point. The
    `best_…` values are those of the largest profit, the smallest campaign winning ties; contacting nobody (profit 0) is
    always among the choices.
    """

    share: FloatArray
    threshold: FloatArray
    profit: FloatArray
    best_share: float
    best_threshold: float
    best_profit: float


def expected_contact_profit(p: ArrayLike, costs: RetentionCosts, value_at_risk: ArrayLike) -> FloatArray:
    """Expected profit (n,) of contacting each customer; p is (n,), the value at risk (n,) or one number.

    Raises:
        ValueError: p outside [0, 1], a negative value at risk, NaN, empty or lengths that differ.
    """
    prob = checks.probabilities(p)
    return _contact_profit(prob, costs, _values(value_at_risk, prob))


def break_even_probability(costs: RetentionCosts, value_at_risk: float) -> float:
    """Churn probability from which a contact pays, (f + a·d) / (γ·(V − d) + a·d); 1 when no contact ever pays.

    Raises:
        ValueError: a negative or non-finite value at risk.
    """
    value = float(checks.non_negative("value_at_risk", [value_at_risk])[0])
    lost = costs.take_rate * costs.offer_cost
    slope = costs.save_rate * (value - costs.offer_cost) + lost
    return min(1.0, (costs.contact_cost + lost) / slope) if slope > 0 else 1.0


def profit_curve(
    y: ArrayLike,
    score: ArrayLike,
    costs: RetentionCosts,
    value_at_risk: ArrayLike,
    weights: ArrayLike | None = None,
) -> ProfitCurve:
    """Profit on observed outcomes of contacting customers from the best score down.

    Args:
        y: (n,) 1 = churned.
        score: (n,) ranking: churn probability or, when values differ, `expected_contact_profit`.
        costs: the cost/benefit table.
        value_at_risk: (n,) or one number for all, >= 0.
        weights: (n,) optional; profits are weighted sums.

    Raises:
        ValueError: y not 0/1, a negative value at risk, NaN, empty, lengths that differ or bad weights.
    """
    labels, ranking = checks.outcomes(y), checks.vector("score", score)
    checks.same_length(y=labels, score=ranking)
    w = checks.row_weights(weights, labels.size)
    gain = w * _contact_profit(labels, costs, _values(value_at_risk, labels))
    order = np.argsort(-ranking, kind="stable")
    ordered = ranking[order]
    ends = np.flatnonzero(np.concatenate((ordered[1:] != ordered[:-1], [True])))
    profit = np.concatenate(([0.0], np.cumsum(gain[order])[ends]))
    share = np.concatenate(([0.0], np.cumsum(w[order])[ends] / w.sum()))
    threshold = np.concatenate(([np.nextafter(ordered[0], np.inf)], ordered[ends]))
    best = int(np.argmax(profit))
    return ProfitCurve(share, threshold, profit, float(share[best]), float(threshold[best]), float(profit[best]))


def _contact_profit(p: FloatArray, costs: RetentionCosts, value: FloatArray) -> FloatArray:
    saved = p * costs.save_rate * (value - costs.offer_cost)
    return saved - (1 - p) * costs.take_rate * costs.offer_cost - costs.contact_cost


def _values(value_at_risk: ArrayLike, rows: FloatArray) -> FloatArray:
    if np.ndim(value_at_risk) == 0:
        return checks.non_negative("value_at_risk", np.full(rows.shape[0], value_at_risk))
    values = checks.non_negative("value_at_risk", value_at_risk)
    checks.same_length(rows=rows, value_at_risk=values)
    return values
