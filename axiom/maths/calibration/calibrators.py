"""Calibrators: maps from a model's probability to one that matches observed rates, fitted on rows the model never saw.

Every calibrator is a frozen value with `predict`, `to_dict` and `from_dict`; it never reverses the ranking and its
predictions lie strictly inside (0, 1), so that log loss and odds stay finite.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from scipy import special

from axiom.maths import checks
from axiom.maths.logistic import fit_logistic, logit

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray

SMALLEST_SAMPLE = 20
"""Below this many rows nothing can be learnt about calibration: fits fall back on the identity, with a warning."""


class Calibrator(Protocol):
    """What every calibrator can do."""

    kind: ClassVar[str]

    def predict(self, p: ArrayLike) -> FloatArray:
        """Map probabilities (n,) in [0, 1] to calibrated ones strictly inside (0, 1)."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; `calibrator_from_dict` restores the calibrator exactly."""
        ...


@dataclass(frozen=True)
class Identity:
    """No change, apart from keeping 0 and 1 out (clipped to [eps, 1 − eps])."""

    kind: ClassVar[str] = "identity"

    def predict(self, p: ArrayLike) -> FloatArray:
        """Return the probabilities themselves. ValueError: outside [0, 1], NaN or empty."""
        return np.clip(checks.probabilities(p), checks.EPS, 1 - checks.EPS)

    def to_dict(self) -> dict[str, Any]:
        """Return {"kind": "identity"}."""
        return {"kind": self.kind}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """Restore; `state` holds nothing to read."""
        del state
        return cls()


@dataclass(frozen=True)
class Platt:
    """logit of the calibrated probability = intercept + slope·logit p, slope >= 0 (Platt 1999).

    The raw score of an SVM enters as expit(score), whose logit is the score again.
    """

    slope: float
    intercept: float
    kind: ClassVar[str] = "platt"

    @classmethod
    def fit(cls, y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit by Newton on Platt's smoothed targets (N₊ + 1)/(N₊ + 2) and 1/(N₋ + 2).

        Fall-backs: fewer than 20 rows or a single class gives slope 1, intercept 0 with a RuntimeWarning; one common
        prediction keeps slope 1 and fits the intercept; predictions that rank backwards give slope 0 (the base rate)
        with a RuntimeWarning.

        Raises:
            ValueError: y not 0/1, p outside [0, 1], lengths differ, NaN, empty or bad weights.
        """
        labels, prob, w = _rows_with_weight(y, p, weights)
        if told_too_little(labels):
            return cls(1.0, 0.0)
        z, target = logit(prob), _smoothed_targets(labels, w)
        ones = np.ones((z.size, 1))
        if z.min() == z.max():
            shift, _ = fit_logistic(ones, target, w, offset=z)
            return cls(1.0, float(shift[0]))
        centre = float(w @ z / w.sum())
        (height, slope), _ = fit_logistic(np.column_stack([ones, z - centre]), target, w)
        if slope >= 0:
            return cls(float(slope), float(height - slope * centre))
        warnings.warn("predictions rank backwards: Platt gives the base rate", RuntimeWarning, stacklevel=2)
        level, _ = fit_logistic(ones, target, w)
        return cls(0.0, float(level[0]))

    def predict(self, p: ArrayLike) -> FloatArray:
        """Map probabilities (n,). ValueError: outside [0, 1], NaN or empty."""
        eta = self.intercept + self.slope * logit(checks.probabilities(p))
        return np.clip(special.expit(eta), checks.EPS, 1 - checks.EPS)

    def to_dict(self) -> dict[str, Any]:
        """Return kind, slope and intercept."""
        return {"kind": self.kind, "slope": self.slope, "intercept": self.intercept}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """Restore from `to_dict`."""
        return cls(float(state["slope"]), float(state["intercept"]))


@dataclass(frozen=True)
class Isotonic:
    """Non-decreasing piecewise-linear map through `inputs` -> `outputs`, flat beyond the ends.

    Source: Zadrozny & Elkan 2002, KDD.
    """

    inputs: tuple[float, ...]
    outputs: tuple[float, ...]
    kind: ClassVar[str] = "isotonic"

    @classmethod
    def fit(cls, y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Pool adjacent violators on distinct predictions; the ends of each block are the knots.

        Outputs are kept inside [1/(n + 2), 1 − 1/(n + 2)] for n rows, Laplace's bound on what n rows can show. With
        fewer than 20 rows or a single class the map is the identity and a RuntimeWarning is given.

        Raises:
            ValueError: y not 0/1, p outside [0, 1], lengths differ, NaN, empty or bad weights.
        """
        from scipy.optimize import isotonic_regression  # loaded late: a scorer that only predicts never needs it

        labels, prob, w = _rows_with_weight(y, p, weights)
        if told_too_little(labels):
            return cls((0.0, 1.0), (checks.EPS, 1 - checks.EPS))
        knots, index = np.unique(prob, return_inverse=True)
        weight = np.bincount(index, weights=w)
        rate = np.bincount(index, weights=w * labels) / weight
        fitted = isotonic_regression(rate, weights=weight).x
        edge = np.concatenate(([True], fitted[1:] != fitted[:-1], [True]))
        ends = edge[:-1] | edge[1:]
        bound = 1 / (labels.size + 2)
        outputs = np.clip(fitted[ends], bound, 1 - bound)
        return cls(tuple(knots[ends].tolist()), tuple(outputs.tolist()))

    def predict(self, p: ArrayLike) -> FloatArray:
        """Map probabilities (n,) by linear interpolation. ValueError: outside [0, 1], NaN or empty."""
        return np.interp(checks.probabilities(p), self.inputs, self.outputs)

    def to_dict(self) -> dict[str, Any]:
        """Return kind and the knots."""
        return {"kind": self.kind, "inputs": list(self.inputs), "outputs": list(self.outputs)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """Restore from `to_dict`."""
        return cls(tuple(map(float, state["inputs"])), tuple(map(float, state["outputs"])))


_KINDS: dict[str, type[Identity | Platt | Isotonic]] = {"identity": Identity, "platt": Platt, "isotonic": Isotonic}


def calibrator_from_dict(state: dict[str, Any]) -> Calibrator:
    """Restore any calibrator from its `to_dict`.

    Raises:
        ValueError: an unknown kind or a missing value.
    """
    kind = state.get("kind")
    if kind not in _KINDS:
        raise ValueError(f"kind of calibrator must be one of {', '.join(_KINDS)}, got {kind!r}")
    try:
        return _KINDS[kind].from_dict(state)
    except KeyError as error:
        raise ValueError(f"stored {kind} calibrator lacks {error}") from error


def calibration_rows(
    y: ArrayLike, p: ArrayLike, weights: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Check outcomes, probabilities and weights of the same length."""
    labels, prob = checks.predictions(y, p)
    w = checks.row_weights(weights, labels.shape[0])
    return labels, prob, w


def _rows_with_weight(
    y: ArrayLike, p: ArrayLike, weights: ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    labels, prob, w = calibration_rows(y, p, weights)
    return labels[w > 0], prob[w > 0], w[w > 0]


def too_little(labels: FloatArray) -> str:
    """Why nothing can be learnt from these outcomes; empty when something can."""
    if labels.size < SMALLEST_SAMPLE:
        return f"{labels.size} rows are fewer than {SMALLEST_SAMPLE}"
    if labels.min() == labels.max():
        return f"every outcome is {int(labels[0])}"
    return ""


def told_too_little(labels: FloatArray) -> bool:
    """Whether nothing can be learnt, said aloud in a RuntimeWarning when so."""
    reason = too_little(labels)
    if reason:
        warnings.warn(f"calibration falls back on the identity: {reason}", RuntimeWarning, stacklevel=3)
    return bool(reason)


def _smoothed_targets(labels: FloatArray, w: FloatArray) -> FloatArray:
    positive, negative = float(w @ labels), float(w @ (1 - labels))
    return np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
