"""What a transaction model eats: checked (x, t_x, T) rows, identical rows grouped, and the totals that shards add."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, BoolArray, FloatArray, IntArray

_NAMED_ROWS = 5
_GROUPED_ANYWAY = 1_000


@dataclass(frozen=True)
class Table:
    """Customers by distinct history. Rows with the same history are one row with their summed weight.

    Attributes:
        x: Repeat purchases, whole numbers >= 0, shape (n,).
        t_x: Time of the last purchase since the first, shape (n,); 0 where x = 0.
        T: Age since the first purchase, same unit, shape (n,).
        weight: Customers (or weight) that share the row, > 0, shape (n,).
    """

    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    weight: FloatArray


@dataclass(frozen=True)
class Totals:
    """Sums over customers that give a fit its start; they add over shards with `+`.

    Attributes:
        rows: Distinct histories (an upper bound after adding shards).
        customers: Sum of weights.
        repeaters: Sum of weights with x > 0.
        purchases: Sum of weight * x.
        exposure: Sum of weight * T.
    """

    rows: int
    customers: float
    repeaters: float
    purchases: float
    exposure: float

    @classmethod
    def of(cls, table: Table) -> Totals:
        """The totals of one shard."""
        w = table.weight
        return cls(
            rows=table.x.size,
            customers=float(w.sum()),
            repeaters=float(w @ (table.x > 0)),
            purchases=float(w @ table.x),
            exposure=float(w @ table.T),
        )

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            rows=self.rows + other.rows,
            customers=self.customers + other.customers,
            repeaters=self.repeaters + other.repeaters,
            purchases=self.purchases + other.purchases,
            exposure=self.exposure + other.exposure,
        )


def refuse(bad: BoolArray, rule: str) -> None:
    """Raise a ValueError that states `rule` and names the first rows that break it.

    Args:
        bad: Shape (n,) or scalar, True where the rule is broken.
        rule: What must hold, in words.

    Raises:
        ValueError: Any entry of `bad` is True.
    """
    if bad.any():
        rows = np.flatnonzero(bad)
        raise ValueError(f"{rule}; broken by {rows.size} of {bad.size} rows ({_named(rows)})")


def _named(rows: IntArray) -> str:
    return "index " + ", ".join(str(row) for row in rows[:_NAMED_ROWS]) + (", …" if rows.size > _NAMED_ROWS else "")


def numbers(values: ArrayLike, name: str) -> FloatArray:
    """`values` as float64, refused with a ValueError unless all are finite numbers."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from None
    if not np.isfinite(array).all():
        refuse(~np.isfinite(array), f"{name} must be finite (no NaN, no infinity)")
    return array


def check_histories(x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Customer histories, broadcast against each other, as float64.

    Args:
        x: Repeat purchases, whole numbers >= 0.
        t_x: Time of the last purchase since the first, 0 <= t_x <= T; 0 exactly where x = 0.
        T: Age since the first purchase, >= 0, same unit as t_x.

    Returns:
        (x, t_x, T) of one common shape.

    Raises:
        ValueError: A rule above is broken; the message names the rule and the first rows.
    """
    given = numbers(x, "x"), numbers(t_x, "t_x"), numbers(T, "T")
    try:
        x_, t_x_, T_ = np.broadcast_arrays(*given)
    except ValueError:
        raise ValueError(f"x, t_x and T must have one shape, not {', '.join(str(a.shape) for a in given)}") from None
    refuse(x_ < 0, "x (repeat purchases) must not be negative")
    refuse(x_ != np.floor(x_), "x (repeat purchases) must be whole numbers")
    refuse(T_ < 0, "T (age) must not be negative")
    refuse(t_x_ < 0, "t_x (time of the last purchase) must not be negative")
    refuse(t_x_ > T_, "t_x (time of the last purchase) must not be after T (age)")
    refuse((x_ > 0) & (t_x_ == 0), "a customer with x > 0 must have t_x > 0")
    refuse((x_ == 0) & (t_x_ > 0), "a customer with x = 0 must have t_x = 0")
    return x_, t_x_, T_


def check_population(
    x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """One-dimensional histories to learn from, with weights (ones if None).

    Args:
        x: Repeat purchases, shape (n,).
        t_x: Time of the last purchase, shape (n,).
        T: Age, shape (n,).
        weights: Positive, shape (n,); a weight of 2 means two such customers.

    Raises:
        ValueError: As `check_histories`; or the arrays are empty, not one-dimensional or of different length; or a
            weight is not positive.

    Warns:
        UserWarning: Some T are 0.
    """
    arrays = {"x": np.asarray(x), "t_x": np.asarray(t_x), "T": np.asarray(T)}
    if weights is not None:
        arrays["weights"] = np.asarray(weights)
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) != 1 or len(arrays["x"].shape) != 1:
        raise ValueError(f"x, t_x, T and weights must be one-dimensional and of one length, not {shapes}")
    if arrays["x"].size == 0:
        raise ValueError("there are no customers: x, t_x and T are empty")
    x_, t_x_, T_ = check_histories(x, t_x, T)
    w = np.ones_like(x_) if weights is None else numbers(weights, "weights")
    refuse(w <= 0, "weights must be positive")
    unseen = np.flatnonzero(T_ == 0)
    if unseen.size:
        warnings.warn(
            f"{unseen.size} customers have T = 0 ({_named(unseen)}): never observed, they teach the fit nothing",
            UserWarning,
            stacklevel=3,
        )
    return x_, t_x_, T_, w


def check_horizon(t: ArrayLike, name: str = "t") -> FloatArray:
    """A length of future time, finite and >= 0, as float64."""
    horizon = numbers(t, name)
    refuse(horizon < 0, f"{name} (future time) must not be negative")
    return horizon


def check_learnable(totals: Totals) -> None:
    """Refuse populations no purchase rate can be learnt from; warn about those that teach little.

    Raises:
        ValueError: One customer only, nobody repeats, or nobody was observed for any time.
    """
    if totals.customers <= 1:
        raise ValueError("one customer is not a population: a fit needs at least two (pool cohorts, or widen the data)")
    if totals.exposure <= 0:
        raise ValueError("every T is 0: nobody was observed for any time, so no purchase rate can be learnt")
    if totals.repeaters <= 0:
        raise ValueError("nobody repeats (every x is 0): no purchase rate can be learnt; use a longer window")
    if totals.rows == 1:
        warnings.warn(
            "all customers have the same history: heterogeneity and dropout come from the weak prior, not from data",
            UserWarning,
            stacklevel=4,
        )


def distinct_rows(*columns: FloatArray) -> tuple[IntArray, IntArray]:
    """Group identical rows, unless grouping cannot help because one column hardly ever repeats a value.

    Args:
        columns: One or more arrays of shape (n,).

    Returns:
        (rows, inverse): `rows` (m,) is one index of each group, `inverse` (n,) which of the m groups each row is in, so
        `column[rows][inverse] == column`. Groups, if any, are sorted by the first column, then the second, and so on.
    """
    n = columns[0].size
    if n == 0:
        return np.arange(0), np.arange(0)
    code, levels = np.zeros(n, dtype=np.int64), 1
    for column in columns:
        rank, count = _ranks(column)
        if count > max(n // 2, _GROUPED_ANYWAY):
            return np.arange(n), np.arange(n)
        code, levels = _renumbered(code * count + rank, levels * count)
    rows = np.empty(levels, dtype=np.int64)
    rows[code] = np.arange(n)
    return rows, code


def _ranks(column: FloatArray) -> tuple[IntArray, int]:
    """A number >= 0 for each value, rising with it, and a bound of these numbers."""
    low, high = column.min(), column.max()
    if high - low <= column.size // 4 and np.array_equal(column, np.floor(column)):
        return (column - low).astype(np.int64), int(high - low) + 1
    values = np.unique(column)
    return np.searchsorted(values, column), values.size


def _renumbered(code: IntArray, levels: int) -> tuple[IntArray, int]:
    """The codes in use, numbered without gaps in their order, and how many they are."""
    if levels > 16 * code.size + 1_000:
        used, inverse = np.unique(code, return_inverse=True)
        return inverse, used.size
    used = np.zeros(levels, dtype=np.bool_)
    used[code] = True
    number = np.cumsum(used, dtype=np.int64) - 1
    return number[code], int(number[-1]) + 1


def compress(x: FloatArray, t_x: FloatArray, T: FloatArray, weights: FloatArray) -> Table:
    """Group identical histories; customers with x = 0 are grouped by T alone.

    Args:
        x: Checked repeat purchases, shape (n,).
        t_x: Checked times of the last purchase, shape (n,).
        T: Checked ages, shape (n,).
        weights: Positive, shape (n,).

    Returns:
        The distinct histories with summed weights.
    """
    rows, inverse = distinct_rows(x, t_x, T)
    return Table(x[rows], t_x[rows], T[rows], np.bincount(inverse, weights=weights).astype(np.float64))
