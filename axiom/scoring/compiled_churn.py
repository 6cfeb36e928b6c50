"""A churn model bound to the vectors of a store."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import BadInputError
from axiom.scoring.compiled_answers import ChurnAnswer, ChurnReasons, Term
from axiom.scoring.compiled_encoder import RowEncoder
from axiom.scoring.compiled_explain import Shapley, one_row_shapley
from axiom.scoring.compiled_scorer import calibration, limits, one_row, raw_of_many, shifted
from axiom.training.explain import Reason
from axiom.training.survival_model import SurvivalModel

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray
    from axiom.scoring.compiled_binding import Binding
    from axiom.training.actions import ActionMap, Driver
    from axiom.training.catalogue.model import RowScorer
    from axiom.training.churn_model import ChurnModel


class BoundChurn:
    """Scores vectors of one layout; `CompiledChurn.bind` makes one. Threads may share it."""

    def __init__(self, model: ChurnModel | SurvivalModel, binding: Binding, actions: ActionMap) -> None:
        self._model = model
        self._binding = binding
        self._actions = actions
        self._limits = limits(model.band)
        self._encode = RowEncoder(model.encoder if isinstance(model, SurvivalModel) else model.model.encoder)
        self._raw = _cox(model) if isinstance(model, SurvivalModel) else self._catalogue(model)
        self._calibrate = None if isinstance(model, SurvivalModel) else calibration(model.calibrator)

    def score(self, vector: FloatArray) -> ChurnAnswer:
        """P(churn) of one customer.

        Args:
            vector: in the layout that the model was bound to, missing = NaN.

        Raises:
            BadInputError: a vector of another length, or the model can say nothing of this customer.
        """
        raw = self._raw(self._binding.row(vector))
        p = raw if self._calibrate is None else self._calibrate(raw)
        if not 0.0 <= p <= 1.0:
            raise _nothing_to_say(p)
        return ChurnAnswer(raw, p, *self._limits(p))

    def score_many(self, matrix: FloatArray) -> list[ChurnAnswer]:
        """P(churn) of n customers, shape (n, features); equal to `score` of each within 1e-12."""
        model = self._model
        if isinstance(model, SurvivalModel):
            raw = p = model.predict_proba(self._binding.table(matrix))
        else:
            raw = raw_of_many(model.model, self._binding.own(matrix))
            p = model.calibrator.predict(raw) if len(raw) else raw
        bad = ~((p >= 0.0) & (p <= 1.0))
        if bad.any():
            raise _nothing_to_say(float(p[bad][0]), f" (row {int(np.argmax(bad))})")
        pairs = zip(raw.tolist(), p.tolist(), strict=True)
        if model.band is None:
            return [ChurnAnswer(*pair, None, None, None) for pair in pairs]
        band = zip(*(limit.tolist() for limit in model.band.interval(p)), strict=True)
        return [ChurnAnswer(*pair, *limit) for pair, limit in zip(pairs, band, strict=True)]

    def explain(self, vector: FloatArray, most: int = 3) -> ChurnReasons:
        """Why the model says what it says of one customer: the same as `axiom explain`.

        The first call of a forest prepares its paths, which may take seconds.

        Args:
            vector: as in `score`.
            most: reasons at most.

        Raises:
            MisuseError: the model has no exact Shapley values; `CompiledChurn.explainable` says so beforehand.
            BadInputError: a vector of another length.
        """
        z = self._encode(self._binding.row(vector))
        shapley, scale = self._shapley
        base, phi = shapley(z)
        values, names = self._binding.values(vector), self._binding.names
        order = [j for j in np.argsort(-np.abs(phi), kind="stable").tolist() if phi[j] != 0.0]
        added = phi.tolist()
        raising = [j for j in np.argsort(-phi, kind="stable")[:most].tolist() if added[j] > 0.0]
        return ChurnReasons(
            base,
            scale,
            tuple(Term(names[j], values[j], added[j]) for j in order),
            tuple(self._reason(names[j], values[j], added[j], self._drivers[j]) for j in raising),
        )

    @cached_property
    def _shapley(self) -> tuple[Shapley, str]:
        return one_row_shapley(self._model)

    @cached_property
    def _drivers(self) -> list[Driver | None]:
        return [self._actions.of(name) for name in self._binding.names]

    def _catalogue(self, model: ChurnModel) -> RowScorer:
        fitted, encode = model.model, self._encode
        score = one_row(fitted.scorer, len(fitted.encoder.names))
        if fitted.shift:
            return lambda row: shifted(score(encode(row)), fitted.shift)
        return lambda row: score(encode(row))

    @staticmethod
    def _reason(feature: str, value: float | str | None, contribution: float, driver: Driver | None) -> Reason:
        told = ("", "") if driver is None else (driver.driver, driver.action)
        return Reason(feature, value, contribution, *told)


def _cox(model: SurvivalModel) -> RowScorer:
    score = model.compile()
    if not model.clock:
        return score

    def clocked(row: FloatArray) -> float:
        if not row.item(-1) >= 0.0:
            raise BadInputError(f"{model.clock}, the time elapsed, must be known and not negative")
        return score(row)

    return clocked


def _nothing_to_say(p: float, where: str = "") -> BadInputError:
    if math.isnan(p):
        return BadInputError(
            f"the model says nothing of this customer{where}: its horizon ends beyond the follow-up of the training",
            hint="train on a longer history, or with a shorter horizon",
        )
    return BadInputError(f"the model gave the probability {p!r}{where}: the features lie far outside its training")
