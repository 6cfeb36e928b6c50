"""A CLV model bound to the vectors of a store."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from axiom.clv.one_customer import OneCustomer
from axiom.errors import BadInputError
from axiom.scoring.compiled_answers import ClvAnswer
from axiom.scoring.scorer import rfm_of
from axiom.training.clv.model import NOMINAL
from axiom.training.clv.probabilistic import FittedProbabilistic

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray
    from axiom.scoring.compiled_binding import Binding
    from axiom.training.clv.model import ClvModel

# Up to so many customers the batch path, made for a whole base, takes longer than one after the other.
_ONE_BY_ONE = 5_000

_LONGEST = 73_050.0
"""Days, 200 years: everything before 1900 is refused by the ingest."""


class BoundClv:
    """Forecasts for vectors of one layout; `CompiledClv.bind` makes one. Threads may share it.

    The probabilistic families have a path for one customer. Challengers, and customers expected to buy hundreds of
    times, take the batch path with one row: the same numbers, some milliseconds.
    """

    def __init__(self, model: ClvModel, binding: Binding) -> None:
        self._model = model
        self._binding = binding
        self._rfm = binding.place[:4]
        fitted, self._one = model.fitted, None
        if isinstance(fitted, FittedProbabilistic):
            levels = model.spend_levels.level(NOMINAL).tolist()
            self._one = OneCustomer(fitted.purchases, fitted.spend, float(model.horizon_days), levels)

    def score(self, vector: FloatArray) -> ClvAnswer | None:
        """The forecast for one customer; None for one who has never bought.

        Args:
            vector: in the layout that the model was bound to, missing = NaN.

        Raises:
            BadInputError: a vector of another length, or a history that cannot be.
        """
        self._binding.check(len(vector))
        x, t_x, T, mean_spend = vector.take(self._rfm).tolist()
        if math.isnan(x):
            return None
        if x > t_x or T > _LONGEST:
            # Posted features may say anything, and what a forecast costs grows with the purchases it expects.
            raise BadInputError(
                f"x = {x:g}, t_x = {t_x:g}, T = {T:g} is no history: x counts days with a purchase after the first, "
                f"so it is not above t_x, and T is {_LONGEST:,.0f} days at most"
            )
        if self._one is not None:
            try:
                found = self._one.outlook(x, t_x, T, mean_spend)
            except ValueError as error:
                raise BadInputError(str(error)) from error
            if found is not None:
                money = (None, None, None) if found.quantiles is None else found.quantiles
                return _checked(ClvAnswer(*found[:3], found.mean, *money))
        return self._batch(vector[None, :])[0]

    def score_many(self, matrix: FloatArray) -> list[ClvAnswer | None]:
        """The forecasts for n customers, shape (n, features): those of `score`, quantiles within 1e-6."""
        if self._one is not None and len(matrix) <= _ONE_BY_ONE:
            return [self.score(vector) for vector in matrix]
        return self._batch(matrix)

    def _batch(self, matrix: FloatArray) -> list[ClvAnswer | None]:
        table = self._binding.table(matrix)
        rfm = rfm_of(table)
        bought = ~np.isnan(rfm.x)
        answers: list[ClvAnswer | None] = [None] * len(rfm)
        if not bought.any():
            return answers
        read = table.select(list(self._model.features)).filter(bought) if self._model.features else None
        try:
            said = self._model.predict(rfm[bought], read)
        except ValueError as error:
            raise BadInputError(str(error)) from error
        columns = (said.p_alive, said.expected_purchases, said.p_no_purchase, said.clv_mean, *said.clv_quantiles)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for place, row in zip(np.flatnonzero(bought).tolist(), rows, strict=True):
            money = (None if math.isnan(value) else value for value in row[3:])
            answers[place] = _checked(ClvAnswer(*row[:3], *money))
        return answers


def _checked(answer: ClvAnswer) -> ClvAnswer:
    """A forecast that cannot be true never leaves."""
    for name, value in zip(ClvAnswer._fields, answer, strict=True):
        if value is not None and not (0.0 <= value < math.inf and (value <= 1.0 or not name.startswith("p_"))):
            raise BadInputError(
                f"the model gave {name} = {value!r}: not a valid forecast",
                hint="the history lies far outside what the model was trained on",
            )
    return answer
