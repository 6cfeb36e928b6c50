"""Sticky random assignment: the same customer and salt always fall on the same side, without anything being stored."""

from __future__ import annotations

from hashlib import blake2b
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def position(customer_id: str, salt: str) -> float:
    """Where a customer stands in [0, 1), evenly spread: 53 bits of a BLAKE2b hash keyed by the salt."""
    hashed = blake2b(customer_id.encode("utf-8", "surrogatepass"), digest_size=8, key=_key(salt)).digest()
    return (int.from_bytes(hashed, "big") >> 11) * 2.0**-53


def side_of(customer_id: str, salt: str, weights: Sequence[float]) -> int:
    """Which of several sides a customer falls on; side i gets the share weights[i] / sum(weights).

    Args:
        customer_id: id.
        salt: another salt draws independently.
        weights: of the sides, each positive and finite.

    Raises:
        ValueError: There is no side, or a weight is not positive.
    """
    if not weights or not all(0 < weight < float("inf") for weight in weights):
        msg = f"weights have to be positive, not {list(weights)}"
        raise ValueError(msg)
    sums = list(accumulate(weights))
    stands = position(customer_id, salt) * sums[-1]
    # The product may round up to the whole sum: then it is the last side.
    return next((side for side, end in enumerate(sums) if stands < end), len(sums) - 1)


def _key(salt: str) -> bytes:
    return salt.encode("utf-8", "surrogatepass")[:64]  # the most that BLAKE2b takes; ours have 16 letters
