"""The trained churn model that is registered and scored: a fitted model of the catalogue and its calibrator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from axiom.errors import BadInputError, CorruptError
from axiom.maths.calibration import Calibrator, Identity, Isotonic, Platt, ReliabilityBand
from axiom.training.catalogue import FittedModel, storable
from axiom.training.catalogue.store import dump, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray
    from axiom.training.catalogue.model import RowScorer


class Stored:
    """What every registered churn predictor can do: refuse stale features, and turn into files."""

    feature_set: str

    def check_feature_set(self, version: str) -> None:
        """Refuse features of another version than the model was trained on.

        Raises:
            BadInputError: the versions differ.
        """
        if version != self.feature_set:
            raise BadInputError(
                f"the features are of feature-set version {version!r}, the model was trained on {self.feature_set!r}",
                hint="build features with the model's version, or train a model on the new one",
            )

    def to_files(self) -> dict[str, bytes]:
        """The model as files: JSON, npz without pickle, LightGBM text."""
        return dump(self)


@dataclass(frozen=True, eq=False)
class ChurnModel(Stored):
    """A calibrated model. Only data: `to_files` and `from_files` use no pickle.

    Attributes:
        model: the fitted entry of the catalogue.
        calibrator: from the model's probability to the calibrated one.
        threshold: contact from this probability on, in [0, 1].
        horizon_days: what the probability is about.
        feature_set: version of the feature set it reads; "" for a static table.
        band: limits of the churn rate behind a probability, from the rows it was judged on; None for a model that was
            stored before there were any.
    """

    model: FittedModel
    calibrator: Calibrator
    threshold: float
    horizon_days: float
    feature_set: str = ""
    band: ReliabilityBand | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Raw features in the order of the vector that `compile` takes."""
        return self.model.features

    def predict_proba(self, X: pa.Table) -> FloatArray:
        """Calibrated P(churn within the horizon) of each row, shape (n,).

        Raises:
            BadInputError: a feature is missing or has another type than in training.
        """
        return self.calibrator.predict(self.model.predict_proba(X))

    def compile(self) -> RowScorer:
        """A fast function from one raw vector, shape (p,), to the calibrated P(churn)."""
        score, calibrate = self.model.compile(), self.calibrator.predict
        return lambda vector: float(calibrate([score(vector)])[0])

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> ChurnModel:
        """Read a model back.

        Raises:
            CorruptError: the files are damaged or are no churn model.
        """
        model = load(files, (cls, Identity, Platt, Isotonic, ReliabilityBand, *storable()))
        if not isinstance(model, cls):
            raise CorruptError(f"the stored {type(model).__name__} is no churn model")
        return model
