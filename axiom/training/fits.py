"""The work that is spread: one fit of one model, and its predictions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from axiom.errors import BadInputError
from axiom.training.catalogue import FittedModel, estimator
from axiom.training.catalogue.purchases import learn_purchases
from axiom.training.weights import training_weights

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.options import ChurnOptions
    from axiom.training.table import ChurnTable

FINAL = "final fit"


@dataclass(frozen=True, eq=False)
class Job:
    """One fit.

    Attributes:
        model: entry of the catalogue.
        fold: its name, for errors; `FINAL` for the fit that is kept.
        train: rows to learn from.
        predict: name of a slice -> rows to predict.
        params: hyper-parameters beyond those of the options.
    """

    model: str
    fold: str
    train: IntArray
    predict: dict[str, IntArray]
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a job gives: predictions by slice, and for the final fit the model itself."""

    job: Job
    p: dict[str, FloatArray]
    model: FittedModel | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class FitWork:
    """Runs a job. The table travels to the workers once, with this object."""

    table: ChurnTable
    options: ChurnOptions

    def __call__(self, job: Job) -> Fitted:
        """Fit and predict.

        Raises:
            BadInputError: the rows cannot be learnt from; the message names model and fold.
        """
        rows = self.table.rows(job.train)
        weights, shift = training_weights(rows, self.options)
        params = {**self.options.params.get(job.model, {}), **job.params}
        wanted = estimator(job.model, seed=self.options.seed, **params)
        purchases, notes = learn_purchases(rows) if self.options.purchase_column else (None, ())
        try:
            model = replace(wanted.fit(rows, weights, purchases), shift=shift)
        except BadInputError as error:
            raise BadInputError(f"{job.model}, {job.fold}: {error.message}", hint=error.hint) from error
        p = {name: model.predict_proba(self.table.rows(index).X) for name, index in job.predict.items()}
        return Fitted(job, p, model if job.fold == FINAL else None, (*model.warnings, *notes))
