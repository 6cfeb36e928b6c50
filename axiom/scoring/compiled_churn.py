"""A churn model bound to the vectors of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import BadInputError
from axiom.scoring.compiled_answers import ChurnAnswer, ChurnReasons, Term
from axiom.training.explain import contributions, reasons
from axiom.training.explain_cox import cox_contributions
from axiom.training.survival_model import SurvivalModel

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray
    from axiom.scoring.compiled_binding import Binding
    from axiom.training.actions import ActionMap
    from axiom.training.churn_model import ChurnModel


class BoundChurn:
    """Scores vectors of one layout. `CompiledChurn.bind` makes one; it keeps no state between calls."""

    def __init__(self, model: ChurnModel | SurvivalModel, binding: Binding, actions: ActionMap) -> None:
        self._model = model
        self._binding = binding
        self._actions = actions

    def score(self, vector: FloatArray) -> ChurnAnswer:
        """P(churn) of one customer.

        Args:
            vector: in the layout that the model was bound to, missing = NaN.

        Raises:
            BadInputError: a vector of another length, or the model can say nothing of this customer.
        """
        return self.score_many(vector[None, :])[0]

    def score_many(self, matrix: FloatArray) -> list[ChurnAnswer]:
        """P(churn) of n customers, shape (n, features); equal to `score` of each within 1e-12."""
        model = self._model
        if isinstance(model, SurvivalModel):
            raw = p = model.predict_proba(self._binding.table(matrix))
        else:
            raw = model.model.predict_matrix(self._binding.own(matrix))
            p = model.calibrator.predict(raw)
        if not np.isfinite(p).all():
            raise BadInputError("the model says nothing of a customer: beyond its follow-up")
        if model.band is None:
            return [ChurnAnswer(*pair, None, None, None) for pair in zip(raw.tolist(), p.tolist(), strict=True)]
        return [ChurnAnswer(*map(float, row)) for row in zip(raw, p, *model.band.interval(p), strict=True)]

    def explain(self, vector: FloatArray, most: int = 3) -> ChurnReasons:
        """Why the model says what it says of one customer.

        Args:
            vector: as in `score`.
            most: reasons at most.

        Raises:
            MisuseError: the model has no exact Shapley values; `CompiledChurn.explainable` says so beforehand.
        """
        X = self._binding.table(vector[None, :])
        model = self._model
        found = cox_contributions(model, X) if isinstance(model, SurvivalModel) else contributions(model.model, X)
        values = self._binding.values(vector)
        phi = found.values[0]
        order = [int(j) for j in np.argsort(-np.abs(phi), kind="stable") if phi[j] != 0.0]
        names = found.features
        terms = tuple(Term(names[j], values[j], float(phi[j])) for j in order)
        return ChurnReasons(found.base, found.scale, terms, reasons(found, X, self._actions, most=most)[0])
