"""The multi-layer perceptron, stored as its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from axiom.training.catalogue.linear import noted_convergence
from axiom.training.catalogue.model import Entry, FitData, Scorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class MlpScorer(Scorer):
    """Layers of max(0, Z·weights + bias), the last one through the logistic function.

    Attributes:
        weights: one matrix a layer, shape (in, out).
        biases: one vector a layer, shape (out,).
    """

    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]

    def probability(self, Z: FloatArray) -> FloatArray:
        """See `Scorer.probability`."""
        for weights, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            Z = np.maximum(Z @ weights + bias, 0.0)
        return np.asarray(expit(Z @ self.weights[-1] + self.biases[-1]))[:, 0]


def _fit(data: FitData, params: Mapping[str, Any]) -> MlpScorer:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        hidden_layer_sizes=(params["units"],) * params["layers"],
        alpha=params["alpha"],
        learning_rate_init=params["learning_rate"],
        max_iter=params["max_iter"],
        random_state=data.seed,
    )
    with noted_convergence(data, "mlp", "raise max_iter or alpha"):
        model.fit(data.Z, data.y, sample_weight=data.w)
    return MlpScorer(tuple(model.coefs_), tuple(model.intercepts_))


MLP = Entry(
    "mlp",
    "multi-layer perceptron",
    14,
    _fit,
    defaults={"units": 16, "layers": 1, "alpha": 1.0, "learning_rate": 1e-3, "max_iter": 200},
    space={
        "units": {"type": "int", "low": 4, "high": 64, "log": True},
        "layers": {"type": "int", "low": 1, "high": 2},
        "alpha": {"type": "float", "low": 1e-3, "high": 10.0, "log": True},
        "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
    },
)
