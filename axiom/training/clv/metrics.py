"""The metrics of a backtest: values of `axiom.maths.forecast`, errors by linearisation with customers as clusters.

A metric is a function of sums over rows, so its error follows from the influence of each row on it (the delta method).
The influences of one customer's rows at several origins are added first: what one customer does at two origins is not
two independent facts. The influence of a difference is the difference of the influences, which makes every comparison
of two candidates a paired one (Davison & Hinkley 1997, 2.7; Liang & Zeger 1986 for the clusters).

Intervals speak about other customers of the same period, not about other periods.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from axiom.maths import forecast
from axiom.maths.intervals import MetricValue, PairedTest, mean_and_error, normal_interval

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.clv.series import Series


@dataclass(frozen=True, eq=False)
class Linear:
    """A metric's value, and how much each row moves it.

    Attributes:
        value: the metric.
        influence: of each row, sums to 0, shape (n,).
        customer: number of each row's customer, shape (n,).
        lowest: limit that an interval cannot pass.
        highest: likewise.
    """

    value: float
    influence: FloatArray
    customer: IntArray
    lowest: float = -math.inf
    highest: float = math.inf

    @property
    def error(self) -> float:
        """Standard error with customers as clusters; ValueError for a single customer."""
        _, cluster = np.unique(self.customer, return_inverse=True)
        sums = np.bincount(cluster, weights=self.influence)
        return mean_and_error(sums * sums.size)[1]

    def interval(self, level: float) -> MetricValue:
        """The value with limits; ValueError for a single customer."""
        limits = normal_interval(self.value, self.error, level)
        return MetricValue.enclosing(self.value, max(limits.low, self.lowest), min(limits.high, self.highest))

    def minus(self, other: Linear) -> Linear:
        """The paired difference to the same metric of another candidate.

        Raises:
            ValueError: it rests on other rows.
        """
        if not np.array_equal(self.customer, other.customer):
            raise ValueError("candidates can only be compared on the same rows")
        return Linear(self.value - other.value, self.influence - other.influence, self.customer)


if TYPE_CHECKING:
    Found: TypeAlias = Linear | str
    """A metric, or the reason why it is not defined."""


def point_metrics(series: Series) -> dict[str, Found]:
    """Metrics of points and quantiles.

    `pinball`, `mae`, `rmse`, `mase` (past rate x horizon = 1), `smape` (0 to 2), `mape` (of those who bought,
    1 = 100 %), `r2`, `bias` (of the total, +0.1 = 10 % too high).
    """
    return {name: _attempt(make, series) for name, make in _POINTS.items()}


POINTS = ("pinball", "mae", "rmse", "mase", "smape", "mape", "r2", "bias")


def share(inside: FloatArray, customer: IntArray) -> Linear:
    """Share of rows for which something holds, `inside` 0 or 1, shape (n,)."""
    return replace(mean(inside, customer), lowest=0.0, highest=1.0)


def mean(rows: FloatArray, customer: IntArray) -> Linear:
    """Mean of the rows, shape (n,)."""
    return Linear(float(rows.mean()), _influence(rows, np.ones(rows.size)), customer)


def paired_test(one: Found, other: Found, level: float) -> PairedTest | None:
    """The difference one - other with its interval and p-value; None where either is not defined."""
    if isinstance(one, str) or isinstance(other, str):
        return None
    try:
        gap = one.minus(other)
        error = gap.error
    except ValueError:
        return None
    p_value = 2 * float(special.ndtr(-abs(gap.value) / error)) if error > 0 else float(gap.value == 0)
    return PairedTest(normal_interval(gap.value, error, level), p_value)


def _attempt(make: Callable[[Series], Linear], series: Series) -> Found:
    try:
        return make(series)
    except ValueError as error:
        return str(error)


def _influence(a: FloatArray, b: FloatArray) -> FloatArray:
    """Influence of each row on Σa / Σb, Σb > 0."""
    total = b.sum()
    return np.asarray((a - a.sum() / total * b) / total)


def _pinball(s: Series) -> Linear:
    return replace(mean(s.pinball, s.customer), lowest=0.0)


def _mae(s: Series) -> Linear:
    rows = np.abs(s.expected - s.actual)
    return Linear(forecast.mae(s.actual, s.expected), _influence(rows, np.ones(rows.size)), s.customer, lowest=0.0)


def _rmse(s: Series) -> Linear:
    value = forecast.rmse(s.actual, s.expected)
    squares = (s.expected - s.actual) ** 2
    influence = _influence(squares, np.ones(squares.size)) / (2 * value) if value else np.zeros(squares.size)
    return Linear(value, influence, s.customer, lowest=0.0)


def _mase(s: Series) -> Linear:
    value = forecast.mase(s.actual, s.expected, s.naive)
    influence = _influence(np.abs(s.expected - s.actual), np.abs(s.naive - s.actual))
    return Linear(value, influence, s.customer, lowest=0.0)


def _smape(s: Series) -> Linear:
    size = np.abs(s.actual) + np.abs(s.expected)
    rows = np.divide(2 * np.abs(s.expected - s.actual), size, out=np.zeros(size.size), where=size > 0)
    value = forecast.smape(s.actual, s.expected)
    return Linear(value, _influence(rows, np.ones(rows.size)), s.customer, lowest=0.0, highest=2.0)


def _mape(s: Series) -> Linear:
    _somebody_bought(s)
    bought = s.actual != 0
    rows = np.divide(np.abs(s.expected - s.actual), s.actual, out=np.zeros(bought.size), where=bought)
    value = forecast.mape(s.actual, s.expected).value
    return Linear(value, _influence(rows, bought.astype(np.float64)), s.customer, lowest=0.0)


def _r2(s: Series) -> Linear:
    if np.ptp(s.actual) == 0:
        raise ValueError(f"every customer did the same ({s.actual[0]:g})")
    spread = (s.actual - s.actual.mean()) ** 2
    influence = -_influence((s.expected - s.actual) ** 2, spread)
    return Linear(forecast.r_squared(s.actual, s.expected), influence, s.customer, highest=1.0)


def _bias(s: Series) -> Linear:
    _somebody_bought(s)
    return Linear(forecast.total_bias(s.actual, s.expected), _influence(s.expected, s.actual), s.customer, lowest=-1.0)


def _somebody_bought(s: Series) -> None:
    if not s.actual.any():
        raise ValueError("nobody bought in the label window")


_POINTS: dict[str, Callable[[Series], Linear]] = dict(
    zip(POINTS, (_pinball, _mae, _rmse, _mase, _smape, _mape, _r2, _bias), strict=True)
)
