"""A machine-learned candidate: means learnt on past origins, made into distributions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from axiom.errors import BadInputError
from axiom.training.catalogue import store
from axiom.training.catalogue.encoder import Encoder
from axiom.training.catalogue.layout import Layout
from axiom.training.clv.probabilistic import FittedProbabilistic, Probabilistic
from axiom.training.clv.rows import whole_days
from axiom.training.clv_challengers.boosting import LightgbmHead
from axiom.training.clv_challengers.boosting_xgboost import XgboostHead
from axiom.training.clv_challengers.design import Reader, design, pooled
from axiom.training.clv_challengers.family import Family, Head, Lesson
from axiom.training.clv_challengers.law import LearntForecast, Spread
from axiom.training.clv_challengers.linear import LinearHead
from axiom.training.splits import day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.clv.candidate import Forecast, Known, Space
    from axiom.training.clv.rows import Origin, RfmArrays
    from axiom.training.clv_challengers.family import Value

MIN_ROWS = 50
MIN_BUYERS = 10
_FOLDS = 3
_SMALLEST_MEAN = 1e-9


@dataclass(frozen=True)
class Challenger:
    """A candidate of one family.

    It learns E[purchases] (and, some families, E[spend]) from every past origin whose outcomes are known. The law
    around the mean is learnt from predictions for customers who were left out of the fit. P(alive), the offset and the
    value of one purchase come from the probabilistic model `base`, fitted anew at every origin.

    Attributes:
        family: what it is.
        params: all hyper-parameters.
    """

    family: Family
    params: Mapping[str, Value]

    @classmethod
    def of(cls, family: Family, **params: Any) -> Self:
        """With some hyper-parameters set and the others at their defaults.

        Raises:
            TypeError: an unknown hyper-parameter, or a value of another kind.
            ValueError: a value out of range.
        """
        return cls(family, family.settings(params))

    @property
    def name(self) -> str:
        """See `Candidate.name`."""
        return self.family.name

    @property
    def title(self) -> str:
        """See `Candidate.title`."""
        return self.family.title

    @property
    def rank(self) -> int:
        """See `Candidate.rank`."""
        return self.family.rank

    @property
    def space(self) -> Space:
        """See `Candidate.space`."""
        return self.family.space

    def fit(self, known: Known) -> FittedChallenger:
        """Learn from the past origins.

        Raises:
            BadInputError: no origin's label window had ended, fewer than 50 rows or 10 buyers in all of them, or no
                column varies.
            ValueError: the base cannot be fitted at an origin.
            MisuseError: the family's library is not installed.
        """
        days = whole_days(known.horizon)
        rows = _Rows.of(known, self.family, Probabilistic(str(self.params["base"])), days)
        reader, told = Reader.learn(rows.table, self.family)
        lesson = Lesson(reader.read(rows.table), len(reader.raw), rows.purchases, rows.offset, self.params, known.seed)
        base = Probabilistic(str(self.params["base"])).fit_rfm(known.now.rfm)
        return FittedChallenger(
            family=self.family,
            params=dict(self.params),
            days=days,
            reader=reader,
            head=self.family.fit(lesson),
            spread=Spread.fit(rows.purchases, self._left_out(lesson, rows.folds()), rows.p_alive),
            money=self._money(lesson, rows) if base.has_spend else None,
            base=base,
            rows=len(rows.purchases),
            origins=rows.origins,
            told=(*rows.told, *told),
        )

    def _left_out(self, lesson: Lesson, folds: IntArray) -> FloatArray:
        """Means of each customer by a fit without that customer."""
        means = np.empty(len(lesson.y))
        for fold in range(_FOLDS):
            out = folds == fold
            head = self.family.fit(replace(lesson, Z=lesson.Z[~out], y=lesson.y[~out], offset=lesson.offset[~out]))
            means[out] = head.predict(lesson.Z[out], lesson.offset[out])
        return np.maximum(means, _SMALLEST_MEAN)

    def _money(self, lesson: Lesson, rows: _Rows) -> Head | None:
        """A head for spend; None where the family has none or too few spent."""
        if not self.family.learns_spend or (rows.spend > 0).sum() < MIN_BUYERS:
            return None
        known = np.isfinite(rows.spend)
        return self.family.fit(
            replace(lesson, Z=lesson.Z[known], y=rows.spend[known], offset=np.zeros(int(known.sum())))
        )

    def load(self, files: Mapping[str, bytes]) -> FittedChallenger:
        """See `Candidate.load`.

        Raises:
            CorruptError: a file is missing or damaged.
            ValueError: the files are another family's.
        """
        stored = store.load(files, (_Stored, Reader, Encoder, Layout, Spread, LinearHead, LightgbmHead, XgboostHead))
        if not isinstance(stored, _Stored) or stored.family != self.name:
            raise ValueError(f"the files do not hold a fitted {self.name}")
        base = FittedProbabilistic.from_files(str(stored.params["base"]), stored.base)
        return FittedChallenger(
            family=self.family, base=base, **{name: getattr(stored, name) for name in _STORED_AS_THEY_ARE}
        )


@dataclass(frozen=True, eq=False)
class _Rows:
    """Labelled customers of the past origins, n rows."""

    origins: int
    told: tuple[str, ...]
    table: pa.Table
    customer_id: np.ndarray[Any, np.dtype[np.object_]]
    purchases: FloatArray
    spend: FloatArray
    offset: FloatArray
    p_alive: FloatArray

    @classmethod
    def of(cls, known: Known, family: Family, base: Probabilistic, days: int) -> _Rows:
        if not known.past:
            raise BadInputError(
                f"{family.name} learns from past cut-offs, and no label window had ended by then",
                hint="build cut-offs further back, at least one horizon before the first that is judged",
            )
        past, bases, told = _with_base(known.past, base, days)
        featured = known.now.features is not None and all(origin.features is not None for origin in past)
        return cls(
            origins=len(past),
            told=told,
            table=pooled([design(origin.rfm, origin.features if featured else None, days) for origin in past]),
            customer_id=np.concatenate([origin.customer_id for origin in past]),
            purchases=np.concatenate([origin.purchases for origin in past]),
            spend=np.concatenate([_spend(origin) for origin in past]),
            offset=np.concatenate([_offset(family, forecast) for forecast in bases]),
            p_alive=np.concatenate([forecast.p_alive for forecast in bases]),
        )

    def folds(self) -> IntArray:
        """A fold for each row: all rows of a customer share it, and every fold has its share of heavy buyers."""
        _, customer = np.unique(self.customer_id.astype(str), return_inverse=True)
        bought = np.bincount(customer, weights=self.purchases)
        place = np.empty(len(bought), dtype=np.int64)
        place[np.argsort(-bought, kind="stable")] = np.arange(len(bought))
        return place[customer] % _FOLDS


def _with_base(
    past: Sequence[Origin], base: Probabilistic, days: int
) -> tuple[list[Origin], list[Forecast], tuple[str, ...]]:
    """The origins at which the base can be fitted, its forecasts there, and warnings that name the others.

    Raises:
        BadInputError: too little is left to learn from; the counts are named.
    """
    kept: list[Origin] = []
    forecasts: list[Forecast] = []
    told: list[str] = []
    for origin in past:
        try:
            forecasts.append(base.fit_rfm(origin.rfm).forecast(origin.rfm, None, days))
            kept.append(origin)
        except ValueError as error:
            told.append(f"the past cut-off {day(origin.as_of)} is left out: {error}")
    rows = sum(map(len, kept))
    buyers = len({customer for origin in kept for customer in origin.customer_id[origin.purchases > 0].tolist()})
    if rows < MIN_ROWS or buyers < MIN_BUYERS:
        raise BadInputError(
            f"the past cut-offs have {rows} rows and {buyers} customers who bought in the label window; at least "
            f"{MIN_ROWS} rows and {MIN_BUYERS} buyers are needed to learn from" + "".join(f"; {each}" for each in told),
            hint="build more cut-offs, or use a longer horizon",
        )
    return kept, forecasts, tuple(told)


def _spend(origin: Origin) -> FloatArray:
    return np.full(len(origin), np.nan) if origin.spend is None else origin.spend


def _offset(family: Family, base: Forecast) -> FloatArray:
    mean = base.expected_purchases
    return np.log(np.maximum(mean, _SMALLEST_MEAN)) if family.offset else np.zeros(len(mean))


@dataclass(frozen=True, eq=False)
class FittedChallenger:
    """A fitted challenger: it forecasts the horizon it was taught, for n customers.

    Attributes:
        family: what it is.
        params: its hyper-parameters.
        days: the horizon.
        reader: makes the columns.
        head: mean of the purchases.
        spread: the law around that mean.
        money: mean of the spend; None where purchases times the value of one are the spend.
        base: the probabilistic model at the cut-off: P(alive), the value of a purchase, the offset.
        rows: it learnt from.
        origins: they came from.
        told: warnings.
    """

    family: Family
    params: Mapping[str, Value]
    days: int
    reader: Reader
    head: Head
    spread: Spread
    money: Head | None
    base: FittedProbabilistic
    rows: int
    origins: int
    told: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """See `FittedCandidate.features`."""
        return self.reader.features

    @property
    def converged(self) -> bool:
        """Whether the base did; least squares and trees always end."""
        return self.base.converged

    @property
    def has_spend(self) -> bool:
        """Whether there were amounts."""
        return self.base.has_spend

    @property
    def summary(self) -> dict[str, Any]:
        """Hyper-parameters, the size of the law, what it learnt from, and the base."""
        return {
            "model": self.family.title,
            "params": dict(self.params),
            "negative_binomial_size": self.spread.size,
            "belief_in_p_alive": self.spread.belief,
            "rows": self.rows,
            "origins": self.origins,
            "features": len(self.features),
            "spend": "learnt" if self.money is not None else "purchases times value",
            "base": self.base.summary,
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """See `FittedCandidate.warnings`."""
        return (*self.told, *self.base.warnings)

    def forecast(self, rfm: RfmArrays, features: pa.Table | None, days: float) -> LearntForecast:
        """See `FittedCandidate.forecast`."""
        if days != self.days:
            raise BadInputError(
                f"{self.family.name} was taught {self.days} days and cannot forecast {days:g}",
                hint="train it with that horizon, or use a probabilistic model, which knows every horizon",
            )
        Z = self.reader.read(design(rfm, features, self.days))
        base = self.base.forecast(rfm, None, self.days)
        offset = _offset(self.family, base)
        mean = np.maximum(self.head.predict(Z, offset), _SMALLEST_MEAN)
        money = None if self.money is None else self.money.predict(Z, np.zeros(len(rfm)))
        return LearntForecast(
            mean=mean,
            size=self.spread.size,
            alive=base.p_alive,
            rfm=rfm,
            spend=self.base.spend,
            believed=self.spread.alive(base.p_alive),
            money=None if money is None else np.maximum(money, _SMALLEST_MEAN),
        )

    def to_files(self) -> dict[str, bytes]:
        """JSON, npz without pickle, and the trees in their library's text format."""
        parts = {name: getattr(self, name) for name in _STORED_AS_THEY_ARE}
        return store.dump(_Stored(family=self.family.name, base=self.base.to_files(), **parts))


_STORED_AS_THEY_ARE = ("params", "days", "reader", "head", "spread", "money", "rows", "origins", "told")


@dataclass(frozen=True, eq=False)
class _Stored:
    """The form in which a challenger is stored."""

    family: str
    params: Mapping[str, Value]
    days: int
    reader: Reader
    head: Any
    spread: Spread
    money: Any
    base: dict[str, bytes]
    rows: int
    origins: int
    told: tuple[str, ...]
