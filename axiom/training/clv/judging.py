"""One candidate at one origin: fitted on what was known then, its forecast laid next to what happened."""

from __future__ import annotations

import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import BadInputError
from axiom.maths.forecast import count_table, pinball_losses, randomised_pit
from axiom.training.clv.candidate import Known
from axiom.training.clv.result import JudgedPart, JudgedRows
from axiom.training.clv.rows import whole_days

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.clv.candidate import Candidate, FittedCandidate, Forecast
    from axiom.training.clv.options import ClvOptions
    from axiom.training.clv.rows import Origin, RfmArrays, Snapshot

_COUNTS = 8  # the table of counts ends with "8+"
_TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Job:
    """One fit: the position of a candidate and of an origin."""

    candidate: int
    origin: int


@dataclass(frozen=True, eq=False)
class Judged:
    """The end of one job.

    Attributes:
        job: which.
        rows: forecasts next to outcomes; None where `failed` says why there are none.
        converged: whether the fit did.
        summary: parameters and how the fit went.
        warnings: in full sentences, each once.
        failed: why there is no forecast.
    """

    job: Job
    rows: JudgedRows | None = None
    converged: bool = False
    summary: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    failed: str = ""


@dataclass(frozen=True, eq=False)
class JudgeWork:
    """Everything the jobs share; travels to the workers once.

    Attributes:
        origins: oldest first.
        numbers: number of each origin's customers, the same at every origin.
        judged: rows of each origin that are judged.
        candidates: what to judge.
        horizon: length of the label window.
        options: how to judge.
    """

    origins: tuple[Origin, ...]
    numbers: tuple[IntArray, ...]
    judged: tuple[IntArray, ...]
    candidates: tuple[Candidate, ...]
    horizon: timedelta
    options: ClvOptions

    def __call__(self, job: Job) -> Judged:
        """Fit and judge."""
        origin, candidate = self.origins[job.origin], self.candidates[job.candidate]
        known = known_at(origin.snapshot, self.origins, self.horizon, self.options.seed)
        fitted, told, failed = fit_quietly(candidate, known)
        if fitted is None:
            return Judged(job, warnings=told, failed=failed)
        chosen = self.judged[job.origin]
        seen = origin if len(chosen) == len(origin) else origin.rows(chosen)
        days = whole_days(self.horizon)
        forecast = fitted.forecast(seen.rfm, seen.features, days)
        rows = judge(forecast, seen, self.numbers[job.origin][chosen], days, self.options)
        return Judged(job, rows, fitted.converged, dict(fitted.summary), told)


def known_at(now: Snapshot, origins: Sequence[Origin], horizon: timedelta, seed: int) -> Known:
    """What may be learnt from at a cut-off: its customers without outcomes, and origins whose outcomes were known."""
    return Known(now, tuple(o for o in origins if o.ended_by(now.as_of, horizon)), horizon, seed)


def fit_quietly(candidate: Candidate, known: Known) -> tuple[FittedCandidate | None, tuple[str, ...], str]:
    """The fitted candidate (None where these data cannot teach it), its warnings, and why it failed."""
    fitted, failed = None, ""
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        try:
            fitted = candidate.fit(known)
        except (ValueError, BadInputError) as error:
            failed = error.message if isinstance(error, BadInputError) else str(error)
    told = [str(warning.message) for warning in raised]
    return fitted, tuple(dict.fromkeys([*told, *(fitted.warnings if fitted else ())])), failed


def judge(forecast: Forecast, origin: Origin, customer: IntArray, days: int, options: ClvOptions) -> JudgedRows:
    """Lay a forecast next to the outcomes of the same n customers.

    Args:
        forecast: of the origin's customers.
        origin: with outcomes.
        customer: their numbers.
        days: the horizon.
        options: quantile levels and seed.
    """
    y = origin.purchases
    at, above = forecast.tail(y), forecast.tail(y + 1)
    pmf = np.clip(forecast.pmf(y), 0.0, 1.0)
    seed = zlib.crc32(f"{options.seed} {origin.as_of.isoformat()}".encode())
    purchases = _part(
        np.arange(len(origin)),
        y,
        forecast.expected_purchases,
        _naive(origin.rfm, days),
        forecast.purchase_quantiles(options.levels),
        options.levels,
        # P(Y < y) and P(Y <= y) from tails that were rounded apart: the first may not exceed the second.
        randomised_pit(*_ordered(1.0 - at, 1.0 - above), seed),
    )
    columns = np.column_stack([forecast.pmf(np.full(len(origin), float(n))) for n in range(_COUNTS)])
    return JudgedRows(
        customer=customer,
        purchases=purchases,
        log_score=-np.log(np.maximum(pmf, _TINY)),
        impossible=int((pmf < _TINY).sum()),
        counts=count_table(y, np.maximum(columns, 0.0)),
        spend=_spend(forecast, origin, days, options, seed),
    )


def _spend(forecast: Forecast, origin: Origin, days: int, options: ClvOptions, seed: int) -> JudgedPart | None:
    expected = forecast.expected_spend
    if expected is None or origin.spend is None or not np.isfinite(origin.spend).any():
        return None
    known = np.flatnonzero(np.isfinite(origin.spend))
    money = np.where(np.isfinite(origin.spend), origin.spend, 0.0)
    at = forecast.spend_cdf(money)
    pit = randomised_pit(*_ordered(np.where(money > 0, at, 0.0), at), seed + 1)
    per_purchase = np.where(origin.rfm.spenders, origin.rfm.mean_spend, 0.0)
    return _part(
        known,
        money[known],
        expected[known],
        (_naive(origin.rfm, days) * per_purchase)[known],
        forecast.spend_quantiles(options.levels)[:, known],
        options.levels,
        pit[known],
    )


def _part(
    rows: IntArray,
    actual: FloatArray,
    expected: FloatArray,
    naive: FloatArray,
    quantiles: FloatArray,
    levels: Sequence[float],
    pit: FloatArray,
) -> JudgedPart:
    losses = [pinball_losses(actual, quantile, level) for level, quantile in zip(levels, quantiles, strict=True)]
    return JudgedPart(rows, actual, expected, naive, np.mean(losses, axis=0), pit)


def _naive(rfm: RfmArrays, days: int) -> FloatArray:
    """Past rate x horizon: 0 for who was first seen at the cut-off."""
    return np.divide(rfm.x * days, rfm.T, out=np.zeros(len(rfm)), where=rfm.T > 0)


def _ordered(below: FloatArray, at: FloatArray) -> tuple[FloatArray, FloatArray]:
    high = np.clip(at, 0.0, 1.0)
    return np.minimum(np.clip(below, 0.0, 1.0), high), high


def number_customers(origins: Sequence[Origin]) -> tuple[IntArray, ...]:
    """Number the customers of all origins, one number a customer."""
    import pandas as pd

    numbers, _ = pd.factorize(np.concatenate([o.customer_id for o in origins]))
    return tuple(np.split(numbers.astype(np.int64), np.cumsum([len(o) for o in origins])[:-1]))


def sample_customers(numbers: Sequence[IntArray], at_most: int, seed: int) -> tuple[IntArray, ...]:
    """Rows of each origin to judge: all, or a share of the customers, the same customers at every origin."""
    largest = max(len(part) for part in numbers)
    if largest <= at_most:
        return tuple(np.arange(len(part)) for part in numbers)
    draw = np.random.default_rng(seed).random(1 + max(int(part.max()) for part in numbers))
    return tuple(np.flatnonzero(draw[part] < at_most / largest) for part in numbers)
