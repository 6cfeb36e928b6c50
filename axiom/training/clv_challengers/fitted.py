"""A fitted challenger: forecasts, its account of itself, and storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from axiom.errors import BadInputError
from axiom.training.catalogue import store
from axiom.training.catalogue.encoder import Encoder
from axiom.training.catalogue.layout import Layout
from axiom.training.clv.probabilistic import FittedProbabilistic
from axiom.training.clv_challengers.boosting import LightgbmHead
from axiom.training.clv_challengers.boosting_xgboost import XgboostHead
from axiom.training.clv_challengers.design import Reader, design
from axiom.training.clv_challengers.labelled import SMALLEST_MEAN, offset_of
from axiom.training.clv_challengers.law import LearntForecast, Spread
from axiom.training.clv_challengers.linear import LinearHead

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from axiom.training.clv.rows import RfmArrays
    from axiom.training.clv_challengers.family import Family, Head, Value


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
        offset = offset_of(self.family, base)
        mean = np.maximum(self.head.predict(Z, offset), SMALLEST_MEAN)
        money = None if self.money is None else self.money.predict(Z, np.zeros(len(rfm)))
        return LearntForecast(
            mean=mean,
            size=self.spread.size,
            alive=base.p_alive,
            rfm=rfm,
            spend=self.base.spend,
            believed=self.spread.alive(base.p_alive),
            money=None if money is None else np.maximum(money, SMALLEST_MEAN),
        )

    def to_files(self) -> dict[str, bytes]:
        """JSON, npz without pickle, and the trees in their library's text format."""
        parts = {name: getattr(self, name) for name in _STORED_AS_THEY_ARE}
        return store.dump(_Stored(family=self.family.name, base=self.base.to_files(), **parts))

    @classmethod
    def from_files(cls, family: Family, files: Mapping[str, bytes]) -> Self:
        """What `to_files` wrote.

        Raises:
            CorruptError: a file is missing or damaged.
            ValueError: the files are another family's.
        """
        found = store.load(files, (_Stored, Reader, Encoder, Layout, Spread, LinearHead, LightgbmHead, XgboostHead))
        if not isinstance(found, _Stored) or found.family != family.name:
            raise ValueError(f"the files do not hold a fitted {family.name}")
        base = FittedProbabilistic.from_files(str(found.params["base"]), found.base)
        return cls(family=family, base=base, **{name: getattr(found, name) for name in _STORED_AS_THEY_ARE})


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
