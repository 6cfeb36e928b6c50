"""One outcome (purchases or spend) of one candidate over one or more origins, and all its metrics by name."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.maths.forecast import LevelMap
from axiom.maths.forecast.recalibration import SMALLEST_SAMPLE
from axiom.training.clv.metrics import POINTS, mean, point_metrics, share
from axiom.training.clv.result import Score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.clv.metrics import Found
    from axiom.training.clv.result import JudgedPart, JudgedRows

PURCHASES, SPEND = "purchases", "spend"
NO_AMOUNTS = "there are no amounts"
NO_EARLIER = "no earlier origin with enough customers had a known outcome by then"
IDENTITY = LevelMap((0.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True, eq=False)
class Series:
    """Forecasts and outcomes, n rows.

    Attributes:
        customer: number of each row's customer.
        actual: what happened.
        expected: the forecast's mean.
        naive: past rate x horizon.
        pinball: loss averaged over the quantile levels.
        pit: randomised PIT.
        recalibrated: nominal coverage -> 1 where the outcome lies in the recalibrated interval, 0 where it does not,
            NaN where no earlier origin could teach levels.
    """

    customer: IntArray
    actual: FloatArray
    expected: FloatArray
    naive: FloatArray
    pinball: FloatArray
    pit: FloatArray
    recalibrated: Mapping[float, FloatArray]

    @classmethod
    def of(cls, rows: JudgedRows, part: JudgedPart, coverages: Sequence[float], levels: LevelMap | None) -> Series:
        """One part of one origin; `levels` come from the previous origin."""
        unknown = np.full(part.pit.size, np.nan)
        inside = {c: unknown if levels is None else covered(part.pit, c, levels) for c in coverages}
        return cls(rows.customer[part.rows], part.actual, part.expected, part.naive, part.pinball, part.pit, inside)

    @classmethod
    def joined(cls, series: Sequence[Series]) -> Series:
        """The rows of several origins."""

        def column(name: str) -> Any:
            return np.concatenate([getattr(s, name) for s in series])

        inside = {c: np.concatenate([s.recalibrated[c] for s in series]) for c in series[0].recalibrated}
        return cls(**{field.name: column(field.name) for field in fields(cls)[:-1]}, recalibrated=inside)

    def metrics(self, what: str, coverages: Sequence[float]) -> dict[str, Found]:
        """Point metrics and the coverage of central intervals of nominally so many per cent.

        `coverage_80` is that of the model's own intervals; `recalibrated_80` that at levels learnt from the previous
        origin, over the origins that have one.

        An outcome is covered when its randomised PIT lies between the two levels: for counts, and for money with its
        point mass at 0, an interval of whole values would cover more than it promises, even of a perfect model.
        """
        found = point_metrics(self)
        found |= {f"coverage_{percent(c)}": share(covered(self.pit, c, IDENTITY), self.customer) for c in coverages}
        for c in coverages:
            known = np.isfinite(self.recalibrated[c])
            found[f"recalibrated_{percent(c)}"] = (
                share(self.recalibrated[c][known], self.customer[known]) if known.any() else NO_EARLIER
            )
        return {f"{name}_{what}": metric for name, metric in found.items()}


def covered(pit: FloatArray, nominal: float, levels: LevelMap) -> FloatArray:
    """1 where a PIT value (n,) lies in the central interval of `nominal` coverage at the mapped levels, else 0."""
    low, high = levels.level([0.5 - nominal / 2, 0.5 + nominal / 2])
    return np.asarray((pit >= low) & (pit <= high), dtype=np.float64)


def levels_of(part: JudgedPart) -> LevelMap | None:
    """The level map that an origin teaches; None where it has too few customers."""
    if part.pit.size < SMALLEST_SAMPLE:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return LevelMap.fit(part.pit)


def metric_names(coverages: Sequence[float]) -> list[str]:
    """All metrics in the order of the table."""
    each = [*POINTS, *(f"{kind}_{percent(c)}" for kind in ("coverage", "recalibrated") for c in coverages)]
    return ["log_score", *(f"{name}_{what}" for what in (PURCHASES, SPEND) for name in each)]


def log_score(rows: Sequence[JudgedRows]) -> Found:
    """Mean -ln P(Y = y) over one or more origins, nats."""
    return mean(np.concatenate([r.log_score for r in rows]), np.concatenate([r.customer for r in rows]))


def scores(metrics: Mapping[str, Found], level: float) -> dict[str, Score]:
    """The metrics with intervals; the reason where there is none."""
    return {name: _score(metric, level) for name, metric in metrics.items()}


def _score(metric: Found, level: float) -> Score:
    if isinstance(metric, str):
        return Score(None, metric)
    try:
        return Score(metric.interval(level))
    except ValueError:
        return Score(None, "a single customer has no interval")


def percent(coverage: float) -> str:
    """A coverage as metric names write it: 0.8 -> "80"."""
    return f"{100 * coverage:g}"
