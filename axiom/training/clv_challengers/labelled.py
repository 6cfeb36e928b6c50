"""The labelled rows that challengers learn from: the customers of all past origins, with the base's view of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import BadInputError
from axiom.training.clv_challengers.design import design, pooled
from axiom.training.splits import day

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.clv.candidate import Forecast, Known
    from axiom.training.clv.probabilistic import Probabilistic
    from axiom.training.clv.rows import Origin
    from axiom.training.clv_challengers.family import Family

MIN_ROWS = 50
MIN_BUYERS = 10
SMALLEST_MEAN = 1e-9


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled customers of the past origins, n rows.

    Attributes:
        origins: how many there are.
        told: warnings that name the origins that were left out.
        table: what can be read of them, see `design`.
        customer_id: shape (n,).
        purchases: in the label window, shape (n,).
        spend: likewise, NaN where it is unknown, shape (n,).
        offset: see `Lesson`.
        p_alive: by the base at each origin, shape (n,).
    """

    origins: int
    told: tuple[str, ...]
    table: pa.Table
    customer_id: np.ndarray[Any, np.dtype[np.object_]]
    purchases: FloatArray
    spend: FloatArray
    offset: FloatArray
    p_alive: FloatArray

    @classmethod
    def of(cls, known: Known, family: Family, base: Probabilistic, days: int) -> Labelled:
        """Pool what is known; the base is fitted anew at every origin, which is left out where that is impossible.

        Raises:
            BadInputError: no past origin, or too little is left to learn from; the counts are named.
        """
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
            offset=np.concatenate([offset_of(family, forecast) for forecast in bases]),
            p_alive=np.concatenate([forecast.p_alive for forecast in bases]),
        )

    def folds(self, count: int) -> IntArray:
        """A fold < count for each row: rows of one customer share it, and every fold has its share of heavy buyers."""
        _, customer = np.unique(self.customer_id.astype(str), return_inverse=True)
        bought = np.bincount(customer, weights=self.purchases)
        place = np.empty(len(bought), dtype=np.int64)
        place[np.argsort(-bought, kind="stable")] = np.arange(len(bought))
        return place[customer] % count


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


def offset_of(family: Family, base: Forecast) -> FloatArray:
    """Logarithm of the base's forecast for a family with an offset, else 0; shape (n,)."""
    mean = base.expected_purchases
    return np.log(np.maximum(mean, SMALLEST_MEAN)) if family.offset else np.zeros(len(mean))
