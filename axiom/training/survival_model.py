"""The trained Cox model that is registered and scored: only data, one hazard per stratum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import BadInputError, CorruptError, MisuseError
from axiom.maths.calibration import Identity, Isotonic, Platt, ReliabilityBand
from axiom.training.catalogue import storable
from axiom.training.catalogue.layout import numbers
from axiom.training.catalogue.store import load
from axiom.training.churn_model import ChurnModel, Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.catalogue.encoder import Encoder
    from axiom.training.catalogue.model import RowScorer
    from axiom.training.survival_table import Outcome

_STEEP = 700.0  # e^±700 is as good as infinity or 0, yet stays a number in products with 0


@dataclass(frozen=True, eq=False)
class Strata:
    """Which rows share a baseline hazard.

    Attributes:
        place: raw features that make the strata, shape (q,); empty for a single stratum.
        keys: their codes or values in each stratum, shape (s, q); -1e300 for missing.
        names: the strata for people, length s.
        fallback: stratum of rows that belong to none: the one with the most events.
    """

    place: IntArray
    keys: FloatArray
    names: tuple[str, ...]
    fallback: int

    def of(self, M: FloatArray) -> IntArray:
        """Stratum of each raw row, shape (n, p) -> (n,)."""
        found = np.full(len(M), self.fallback, dtype=np.int64)
        if len(self.place):
            values = stratum_values(M, self.place)
            for stratum, key in enumerate(self.keys):
                found[(values == key).all(axis=1)] = stratum
        return found


def stratum_values(M: FloatArray, place: IntArray) -> FloatArray:
    """The columns that make strata, with a number for missing values, shape (n, q)."""
    return np.nan_to_num(M[:, place], nan=-1e300)


@dataclass(frozen=True, eq=False)
class SurvivalModel(Stored):
    """A Cox model S_s(t | x) = exp(−H_s(t)·exp((z − mean)·coefficients)), z the encoded covariates.

    It has the interface of `ChurnModel`, and says more: churn for any horizon, the median, conditional survival.
    Nothing is known beyond the longest follow-up of a stratum: horizons up to there are answered, later ones refused.

    Attributes:
        encoder: raw features -> encoded columns.
        columns: encoded columns that are covariates, shape (k,).
        names: their names, length k.
        mean: of the training rows, shape (k,).
        coefficients: log hazard ratios, shape (k,).
        covariance: of the coefficients, shape (k, k).
        strata: baselines and who has which.
        times: event times of all strata one after the other, ascending within each, shape (m,).
        hazard: cumulative baseline hazard at each, shape (m,).
        starts: where each stratum begins in `times`, and the end, shape (s + 1,).
        last_time: longest follow-up of each stratum, shape (s,).
        outcome: what the event is: `churn`, or `return`, whose absence within the horizon is churn.
        clock: column with a customer's duration so far; "" where the clock starts at the cut-off.
        unit: of all times, for people.
        threshold: contact from this probability on.
        horizon_days: what `predict_proba` is about, in `unit`.
        feature_set: version of the feature set it reads; "" for a static table.
        model_type: for cards.
        band: limits of the churn rate behind `predict_proba`, from the rows it was judged on; None where there is none.
    """

    encoder: Encoder
    columns: IntArray
    names: tuple[str, ...]
    mean: FloatArray
    coefficients: FloatArray
    covariance: FloatArray
    strata: Strata
    times: FloatArray
    hazard: FloatArray
    starts: IntArray
    last_time: FloatArray
    outcome: Outcome
    clock: str
    unit: str
    threshold: float
    horizon_days: float
    feature_set: str = ""
    model_type: str = "cox_ph"
    band: ReliabilityBand | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Raw features in the order of the vector that `compile` takes; the clock, where there is one, comes last."""
        return (*self.encoder.layout.names, *([self.clock] if self.clock else []))

    def predict_proba(self, X: pa.Table) -> FloatArray:
        """P(churn within the model's horizon) of each row, shape (n,); see `p_churn`.

        Raises:
            BadInputError: a feature is missing or has another type than in training.
        """
        return self.p_churn(X, self.horizon_days)

    def p_churn(self, X: pa.Table, horizon: float, elapsed: FloatArray | float | None = None) -> FloatArray:
        """P(churn within `horizon`) of customers still under observation at `elapsed`, shape (n,).

        With the outcome `churn`: 1 − S(elapsed + horizon)/S(elapsed). With `return` churn is that nothing happens in
        the horizon: S(elapsed + horizon)/S(elapsed), which falls as the horizon grows.

        Args:
            X: features, n rows.
            horizon: time ahead, > 0.
            elapsed: time since the clock started; default: the clock's column, 0 where there is none.

        Raises:
            MisuseError: a horizon that is not positive, or longer than any follow-up.
            BadInputError: a feature is missing or has another type than in training.

        Returns:
            Probabilities; NaN for rows whose elapsed + horizon lies beyond the follow-up of their stratum.
        """
        still = self.conditional_survival(X, horizon, elapsed)
        return still if self.outcome == "return" else 1.0 - still

    def conditional_survival(
        self, X: pa.Table, horizon: float, elapsed: FloatArray | float | None = None
    ) -> FloatArray:
        """P(T > elapsed + horizon | T > elapsed), shape (n,); arguments, errors and NaN as in `p_churn`."""
        if not 0 < horizon <= self.last_time.max():
            raise MisuseError(
                f"horizon {horizon:g} {self.unit}: the model was fitted to {self.last_time.max():g} {self.unit} of "
                "follow-up and says nothing beyond",
                hint="use a shorter horizon, or train on a longer history",
            )
        risk, stratum = self._rows(X)
        since = self._elapsed(X, elapsed)
        return np.exp(-risk * self._gained(stratum, since, horizon))

    def survival(self, X: pa.Table, times: FloatArray) -> FloatArray:
        """P(T > t) from the start of the clock, shape (n, m) at m times >= 0; flat beyond the follow-up."""
        risk, stratum = self._rows(X)
        baseline = np.stack([self._hazard_at(s, times) for s in range(len(self.strata.names))])
        return np.exp(-risk[:, None] * baseline[stratum])

    def time_to_event(self, X: pa.Table, share: float = 0.5, elapsed: FloatArray | float | None = None) -> FloatArray:
        """Time from `elapsed` by which the event has come with probability `share`, shape (n,); 0.5: the median.

        Infinity where the follow-up of the stratum ends before.
        """
        if not 0 < share < 1:
            raise MisuseError(f"share {share:g} must lie between 0 and 1")
        risk, stratum = self._rows(X)
        since = self._elapsed(X, elapsed)
        out = np.empty(len(risk))
        for s in range(len(self.strata.names)):
            rows = np.flatnonzero(stratum == s)
            times, hazard = self._curve(s)
            target = self._hazard_at(s, since[rows]) - np.log1p(-share) / risk[rows]
            place = np.searchsorted(hazard * (1 + 1e-12), target)  # equality may be missed by rounding
            out[rows] = np.append(times, np.inf)[place] - since[rows]
        return out

    def cumulative_hazard(self, X: pa.Table, times: FloatArray) -> FloatArray:
        """Hazard gathered from the start of the clock to each row's own time >= 0, shape (n,)."""
        risk, stratum = self._rows(X)
        out = np.empty(len(risk))
        for s in range(len(self.strata.names)):
            rows = stratum == s
            out[rows] = self._hazard_at(s, times[rows])
        return risk * out

    def relative_hazard(self, X: pa.Table) -> FloatArray:
        """Hazard relative to a customer with mean covariates in the same stratum, shape (n,)."""
        return self._rows(X)[0]

    def compile(self) -> RowScorer:
        """A fast function from one raw vector, in the order of `features`, to `predict_proba` of that row."""
        encode, columns, mean, beta = self.encoder.transform, self.columns, self.mean, self.coefficients
        horizon, returns, strata, p = self.horizon_days, self.outcome == "return", self.strata, len(self._raw)
        fixed = None
        if not self.clock:
            every = np.arange(len(strata.names))
            fixed = self._gained(every, np.zeros(len(every)), horizon)

        def score(vector: FloatArray) -> float:
            row = vector[None, :p]
            stratum = strata.of(row)
            eta = float(np.clip((encode(row)[0, columns] - mean) @ beta, -_STEEP, _STEEP))
            gained = self._gained(stratum, vector[p : p + 1], horizon) if fixed is None else fixed[stratum]
            still = float(np.exp(-np.exp(eta) * gained[0]))
            return still if returns else 1.0 - still

        return score

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> SurvivalModel:
        """Read a model back.

        Raises:
            CorruptError: the files are damaged or are no survival model.
        """
        model = load_churn_predictor(files)
        if not isinstance(model, cls):
            raise CorruptError(f"the stored {type(model).__name__} is no survival model")
        return model

    @cached_property
    def _raw(self) -> tuple[str, ...]:
        return self.encoder.layout.names

    def _rows(self, X: pa.Table) -> tuple[FloatArray, IntArray]:
        """Relative hazard and stratum of each row."""
        M = self.encoder.layout.matrix(X)
        eta = (self.encoder.transform(M)[:, self.columns] - self.mean) @ self.coefficients
        return np.exp(np.clip(eta, -_STEEP, _STEEP)), self.strata.of(M)

    def _elapsed(self, X: pa.Table, elapsed: FloatArray | float | None) -> FloatArray:
        if elapsed is None and self.clock:
            if self.clock not in X.column_names:
                raise BadInputError(
                    f"the table has no column {self.clock!r}: how long each customer has been with us",
                    hint="add it, or give `elapsed`",
                )
            elapsed = numbers(self.clock, X.column(self.clock))
        since = np.broadcast_to(np.asarray(0.0 if elapsed is None else elapsed, dtype=np.float64), (X.num_rows,))
        if np.isnan(since).any() or (since < 0).any():
            raise BadInputError("the time elapsed must be known and not negative for every customer")
        return since

    def _gained(self, stratum: IntArray, since: FloatArray, horizon: float) -> FloatArray:
        """Baseline hazard gathered over the horizon, shape (n,); NaN beyond the follow-up.

        The clock of a cut-off is half-open like every label, [0, horizon): an event at the cut-off itself is inside,
        one at the horizon is not.
        """
        out = np.empty(len(stratum))
        for s in np.unique(stratum).tolist():
            rows = stratum == s
            start, end = since[rows], since[rows] + horizon
            if self.clock:
                out[rows] = self._hazard_at(s, end) - self._hazard_at(s, start)
            else:
                out[rows] = self._hazard_at(s, np.nextafter(end, -1)) - self._hazard_at(s, np.nextafter(start, -1))
            out[rows] = np.where(end > self.last_time[s] * (1 + 1e-12), np.nan, out[rows])
        return out

    def _curve(self, stratum: int) -> tuple[FloatArray, FloatArray]:
        rows = slice(self.starts[stratum], self.starts[stratum + 1])
        return self.times[rows], self.hazard[rows]

    def _hazard_at(self, stratum: int, times: FloatArray) -> FloatArray:
        steps, hazard = self._curve(stratum)
        return np.concatenate(([0.0], hazard))[np.searchsorted(steps, times, side="right")]


def load_churn_predictor(files: Mapping[str, bytes]) -> ChurnModel | SurvivalModel:
    """Read back whatever is registered as a churn model.

    Raises:
        CorruptError: the files are damaged or are neither.
    """
    model = load(files, (ChurnModel, SurvivalModel, Strata, Identity, Platt, Isotonic, ReliabilityBand, *storable()))
    if not isinstance(model, ChurnModel | SurvivalModel):
        raise CorruptError(f"the stored {type(model).__name__} is no churn model")
    return model
