"""How good predicted survival is on unseen rows: ranking, error under censoring, calibration at the horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.maths.intervals import MetricValue, normal_interval, wilson
from axiom.maths.survival import concordance_index, ipcw_brier, kaplan_meier
from axiom.training.churn_report import ReliabilityBin

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.survival_table import SurvivalTable

GRID = 20
_GROUPS = 20
_BINS = 10
_MOST_ROWS = 100_000


@dataclass(frozen=True, eq=False)
class Forecast:
    """What was said about rows before their time.

    Attributes:
        risk: higher = the event is expected earlier, comparable over all rows, shape (n,).
        survival: P(T > t) at `times`, shape (n, m).
        times: ascending, the last one is the horizon, shape (m,).
        expected: cumulative hazard of each row by its own end of observation or the horizon, whichever is earlier,
            shape (n,): the number of events expected of it.
    """

    risk: FloatArray
    survival: FloatArray
    times: FloatArray
    expected: FloatArray


@dataclass(frozen=True)
class RiskGroup:
    """A quarter of the rows by predicted risk: what came, with its band, beside what was predicted.

    Attributes:
        name: for people.
        rows: how many.
        times: of the observed curve.
        observed: Kaplan-Meier, with `low` and `high`.
        asked: times of the predicted curve.
        predicted: mean predicted survival.
    """

    name: str
    rows: int
    times: tuple[float, ...]
    observed: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    asked: tuple[float, ...]
    predicted: tuple[float, ...]


def grid_to(horizon: float) -> FloatArray:
    """Times at which survival is judged, the last one just before the horizon: label windows are half-open."""
    return np.linspace(0, horizon, GRID + 1)[1:] * (1 - 1e-9)


def survival_metrics(
    table: SurvivalTable, forecast: Forecast, *, level: float, seed: int
) -> dict[str, MetricValue | None]:
    """Concordance, IPCW Brier at the horizon and integrated up to it, and observed over expected events by then.

    Observed over expected is the number of events over the sum of cumulative hazards (Crowson, Atkinson & Therneau
    2016, Stat. Methods Med. Res. 25, 1692-1706), with exact Poisson limits; the other intervals are of the
    delete-a-group jackknife with 20 groups (Kott 2001). None where a metric is undefined: no comparable pair, or nobody
    observed up to the horizon.
    """
    t, e = table.duration, table.event

    def rank(rows: IntArray) -> FloatArray:
        return np.array([concordance_index(t[rows], e[rows], forecast.risk[rows])])

    def brier(rows: IntArray) -> FloatArray:
        curve = ipcw_brier(t[rows], e[rows], forecast.survival[rows], forecast.times)
        return np.array([curve.score[-1], curve.integrated])

    return {
        **_jackknifed(("concordance",), rank, len(t), level, seed),
        **_jackknifed(("ipcw_brier", "integrated_brier"), brier, len(t), level, seed),
        "observed_over_expected": _observed_over_expected(table, forecast, level),
    }


def calibration_at_horizon(
    table: SurvivalTable, p_churn: FloatArray, horizon: float, level: float
) -> tuple[ReliabilityBin, ...]:
    """Tenths of the rows by predicted churn: mean prediction, and what Kaplan-Meier saw by the horizon.

    Without censoring before the horizon that is the plain share.
    """
    order = np.argsort(p_churn, kind="stable")
    bins = []
    for rows in np.array_split(order, min(_BINS, len(order))):
        curve = kaplan_meier(table.duration[rows], table.event[rows], level=level)
        place = int(np.searchsorted(curve.times, horizon * (1 - 1e-9), side="right")) - 1
        stay, low, high = (float(values[place]) for values in (curve.survival, curve.low, curve.high))
        if stay in (0.0, 1.0):  # nobody or everybody: the band of the curve has no width there
            share = wilson(stay * len(rows), len(rows), level)
            low, high = share.low, share.high
        if table.outcome == "churn":
            stay, low, high = 1 - stay, 1 - high, 1 - low
        bins.append(ReliabilityBin(float(len(rows)), float(p_churn[rows].mean()), stay, low, high))
    return tuple(bins)


def risk_groups(table: SurvivalTable, forecast: Forecast, level: float) -> tuple[RiskGroup, ...]:
    """Quarters of the rows by risk, the lowest first."""
    order = np.argsort(forecast.risk, kind="stable")
    names = ("lowest risk", "second quarter", "third quarter", "highest risk")
    found = []
    for name, rows in zip(names, np.array_split(order, len(names)), strict=True):
        curve = kaplan_meier(table.duration[rows], table.event[rows], level=level)
        shown = _thinned(len(curve.times))
        found.append(
            RiskGroup(
                name,
                len(rows),
                times=tuple(curve.times[shown].tolist()),
                observed=tuple(curve.survival[shown].tolist()),
                low=tuple(curve.low[shown].tolist()),
                high=tuple(curve.high[shown].tolist()),
                asked=(0.0, *forecast.times.tolist()),
                predicted=(1.0, *forecast.survival[rows].mean(axis=0).tolist()),
            )
        )
    return tuple(found)


def _thinned(points: int, most: int = 200) -> IntArray:
    """Places of at most so many points, first and last included."""
    return np.unique(np.linspace(0, points - 1, min(points, most)).round().astype(np.int64))


def _observed_over_expected(table: SurvivalTable, forecast: Forecast, level: float) -> MetricValue | None:
    from scipy.stats import chi2

    expected = float(forecast.expected.sum())
    if expected <= 0:
        return None
    came = int((table.event & (table.duration <= forecast.times[-1])).sum())
    tail = 0.5 - level / 2
    least = chi2.ppf(tail, 2 * came) / 2 if came else 0.0
    return MetricValue.enclosing(came / expected, least / expected, chi2.isf(tail, 2 * came + 2) / 2 / expected)


def _jackknifed(
    names: tuple[str, ...], statistic: Callable[[IntArray], FloatArray], n: int, level: float, seed: int
) -> dict[str, MetricValue | None]:
    """Values on all rows; beyond 100,000 rows the error of a sample, scaled to all of them."""
    drawn = np.random.default_rng(seed).permutation(n)[:_MOST_ROWS]
    groups = min(_GROUPS, n)
    dealt = np.arange(len(drawn)) % groups
    try:
        values = statistic(np.arange(n))
        without = np.stack([statistic(np.sort(drawn[dealt != group])) for group in range(groups)])
    except ValueError:  # no comparable pair, or nobody observed so long
        return dict.fromkeys(names)
    errors = np.sqrt((groups - 1) / groups * ((without - without.mean(axis=0)) ** 2).sum(axis=0) * len(drawn) / n)
    found: dict[str, MetricValue | None] = {}
    for name, value, error in zip(names, values.tolist(), errors.tolist(), strict=True):
        interval = normal_interval(value, error, level)
        found[name] = MetricValue.enclosing(value, max(interval.low, 0.0), min(interval.high, 1.0))
    return found
