"""The gate every formula passes its arrays through: one rule, one sentence, one ValueError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from axiom.maths.arrays import ArrayLike, BoolArray, FloatArray, IntArray

EPS = float(np.finfo(np.float64).eps)


def vector(name: str, values: ArrayLike) -> FloatArray:
    """Return `values` as a float vector.

    Raises:
        ValueError: not numeric, not one-dimensional, empty, or holds NaN or infinity.
    """
    array = _numeric(name, values)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got {array.ndim} dimensions")
    if array.size == 0:
        raise ValueError(f"{name} must hold at least one row, got none")
    return _finite(name, array)


def matrix(name: str, values: ArrayLike) -> FloatArray:
    """Return `values` as a finite float matrix of at least one row and one column.

    Raises:
        ValueError: not numeric, not two-dimensional, empty, or holds NaN or infinity.
    """
    array = _numeric(name, values)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must be a non-empty table of rows and columns, got shape {array.shape}")
    return _finite(name, array)


def outcomes(values: ArrayLike, name: str = "y") -> FloatArray:
    """Return binary outcomes as a vector of 0.0 and 1.0.

    Raises:
        ValueError: any other value, or what `vector` refuses.
    """
    array = vector(name, values)
    if not np.all((array == 0) | (array == 1)):
        raise ValueError(f"{name} must hold only 0 and 1 (or booleans)")
    return array


def both_classes(y: FloatArray) -> None:
    """Refuse outcomes of a single class, for which the asked quantity is undefined.

    Raises:
        ValueError: every outcome is the same.
    """
    if y.min() == y.max():
        raise ValueError(f"y must hold both classes, every row is {int(y[0])}")


def probabilities(values: ArrayLike, name: str = "p") -> FloatArray:
    """Return a vector of probabilities in [0, 1].

    Raises:
        ValueError: a value outside [0, 1], or what `vector` refuses.
    """
    array = vector(name, values)
    if array.min() < 0 or array.max() > 1:
        raise ValueError(f"{name} must be probabilities in [0, 1], got {array.min():g} to {array.max():g}")
    return array


def non_negative(name: str, values: ArrayLike) -> FloatArray:
    """Return a vector of values >= 0.

    Raises:
        ValueError: a negative value, or what `vector` refuses.
    """
    array = vector(name, values)
    if array.min() < 0:
        raise ValueError(f"{name} must not be negative, got {array.min():g}")
    return array


def events(values: ArrayLike, name: str = "events") -> BoolArray:
    """Return event flags (1 happened, 0 censored) as booleans.

    Raises:
        ValueError: what `outcomes` refuses.
    """
    return outcomes(values, name).astype(bool)


def same_length(**named: FloatArray | BoolArray) -> None:
    """Refuse arrays whose first axes differ.

    Raises:
        ValueError: names every array with its length.
    """
    lengths = {name: array.shape[0] for name, array in named.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"arrays must have the same length, got {told}")


def predictions(y: ArrayLike, p: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return outcomes and probabilities (n,) of the same rows.

    Raises:
        ValueError: what `outcomes`, `probabilities` and `same_length` refuse.
    """
    labels, prob = outcomes(y), probabilities(p)
    same_length(y=labels, p=prob)
    return labels, prob


def groups(name: str, values: ArrayLike, n: int) -> tuple[NDArray[Any], IntArray]:
    """Return the sorted distinct labels (g,) of `n` rows and the position (n,) of each row's label among them.

    Raises:
        ValueError: wrong length, a missing label, or labels of types that cannot be sorted together.
    """
    labels = np.asarray(values)
    if labels.shape != (n,):
        raise ValueError(f"{name} must have one label per row: {n} rows, shape {labels.shape}")
    try:
        missing = labels != labels
        distinct, codes = np.unique(labels, return_inverse=True)
    except TypeError as error:
        raise ValueError(f"{name} must hold labels of one type, none missing: {error}") from error
    if missing.any():
        raise ValueError(f"{name} must not hold missing labels, {int(missing.sum())} do")
    return distinct, codes


def row_weights(weights: ArrayLike | None, n: int) -> FloatArray:
    """Return weights of `n` rows; ones when none are given.

    Raises:
        ValueError: wrong length, a negative weight, or a sum of zero.
    """
    if weights is None:
        return np.ones(n)
    array = vector("weights", weights)
    if array.shape[0] != n:
        raise ValueError(f"weights must have one value per row: {n} rows, {array.shape[0]} weights")
    if array.min() < 0:
        raise ValueError(f"weights must not be negative, got {array.min():g}")
    if array.sum() <= 0:
        raise ValueError("weights must not all be zero")
    return array


def fraction(name: str, value: float) -> float:
    """Return a number strictly inside (0, 1), such as a confidence level.

    Raises:
        ValueError: outside.
    """
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value:g}")
    return float(value)


def _numeric(name: str, values: ArrayLike) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numeric: {error}") from error


def _finite(name: str, array: FloatArray) -> FloatArray:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} NaN or infinite values")
    return array
