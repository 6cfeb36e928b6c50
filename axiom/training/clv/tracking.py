"""Weekly tracking: cumulative repeat purchases that happened, against those a model expects of the same customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class PurchaseDays:
    """When a population bought. Purchases on one day count once.

    Attributes:
        first: day of each customer's first purchase, datetime64[D], shape (n,).
        repeats: day of each repeat purchase of any customer, datetime64[D], shape (m,), in any order.
    """

    first: npt.NDArray[np.datetime64]
    repeats: npt.NDArray[np.datetime64]
