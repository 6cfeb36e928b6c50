"""A CLV model bound to the vectors of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.scoring.compiled_answers import ClvAnswer
from axiom.scoring.scorer import rfm_of

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray
    from axiom.scoring.compiled_binding import Binding
    from axiom.training.clv.model import ClvModel


class BoundClv:
    """Forecasts for vectors of one layout. `CompiledClv.bind` makes one; it keeps no state between calls."""

    def __init__(self, model: ClvModel, binding: Binding) -> None:
        self._model = model
        self._binding = binding

    def score(self, vector: FloatArray) -> ClvAnswer | None:
        """The forecast for one customer; None for one who has never bought.

        Args:
            vector: in the layout that the model was bound to, missing = NaN.

        Raises:
            BadInputError: a vector of another length, or a history that cannot be.
        """
        return self.score_many(vector[None, :])[0]

    def score_many(self, matrix: FloatArray) -> list[ClvAnswer | None]:
        """The forecasts for n customers, shape (n, features); see `score`."""
        table = self._binding.table(matrix)
        rfm = rfm_of(table)
        bought = np.isfinite(rfm.x)
        answers: list[ClvAnswer | None] = [None] * len(rfm)
        if not bought.any():
            return answers
        read = table.select(list(self._model.features)).filter(bought) if self._model.features else None
        said = self._model.predict(rfm[bought], read)
        columns = (said.p_alive, said.expected_purchases, said.p_no_purchase, said.clv_mean, *said.clv_quantiles)
        for place, row in zip(np.flatnonzero(bought).tolist(), zip(*columns, strict=True), strict=True):
            answers[place] = ClvAnswer(*row[:3], *(None if np.isnan(value) else float(value) for value in row[3:]))
        return answers
