"""From numpy arrays to Arrow columns, without a Python object per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import FloatArray, IntArray

Letters: TypeAlias = npt.NDArray[np.uint8]
"""Fixed-width text: one row of ASCII codes per value."""

SECOND = 1_000_000
DAY = 86_400
TIMESTAMP = pa.timestamp("us", tz="UTC")


def digits(values: IntArray, width: int) -> Letters:
    """Decimal digits of whole numbers ≥ 0, padded with zeros to `width` columns."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (values[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def text(*parts: Letters | str) -> pa.Array:
    """Strings made of fixed-width parts side by side; a plain `str` part is the same for every row."""
    rows = next(len(part) for part in parts if not isinstance(part, str))
    pieces = [
        np.broadcast_to(np.frombuffer(part.encode(), np.uint8), (rows, len(part))) if isinstance(part, str) else part
        for part in parts
    ]
    letters = np.ascontiguousarray(np.hstack(pieces))
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(letters.shape[1])
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(letters))


def customer_ids(first: int, stop: int, total: int) -> Letters:
    """Ids C0000000, C0000001, … of one block; wider only for more than ten million customers."""
    numbers = digits(np.arange(first, stop), max(7, len(str(total - 1))))
    return np.hstack([np.full((len(numbers), 1), ord("C"), np.uint8), numbers])


def repeated(values: pa.Array, index: IntArray) -> pa.Array:
    """`values[index]`."""
    return values.take(pa.array(index))


def category(codes: npt.NDArray[Any], names: Sequence[str]) -> pa.Array:
    """Dictionary column; the vocabulary is the whole of `names`, so that blocks agree on it."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int8)), pa.array(list(names), pa.string()))


def timestamps(microseconds: IntArray, valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Microseconds since 1970 as UTC time-stamps; null where not `valid`."""
    return pa.array(microseconds, pa.int64(), mask=None if valid is None else ~valid).cast(TIMESTAMP)


def floats(values: FloatArray) -> pa.Array:
    """Float column; NaN becomes null."""
    return pa.array(values, pa.float64(), from_pandas=True)


def known_at(rng: np.random.Generator, happened: IntArray, share: float, mean_days: float) -> IntArray:
    """Knowledge time: the event time, and for a random `share` of rows an exponential delay of at least a minute.

    Args:
        rng: source of randomness.
        happened: microseconds since 1970.
        share: probability that a row is late, 0 to 1.
        mean_days: mean delay of late rows, > 0.

    Returns:
        Microseconds since 1970, whole seconds after `happened`.
    """
    known = happened.copy()
    late = np.flatnonzero(rng.random(len(happened), dtype=np.float32) < share)
    seconds = np.ceil(60 + rng.exponential(mean_days * DAY, len(late))).astype(np.int64)
    known[late] += seconds * SECOND
    return known
