"""Many tests at once: which of them are more than chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.maths import checks

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray


def benjamini_hochberg(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values min_{j >= i} (k / j)·p_(j), shape (k,), in the order that was given.

    Rejecting where the adjusted value is at most α keeps the expected share of false rejections at α or below, for
    independent or positively dependent tests (Benjamini & Hochberg 1995, JRSS B 57; Benjamini & Yekutieli 2001).

    Args:
        p_values: shape (k,), each in [0, 1].

    Raises:
        ValueError: a value outside [0, 1], or what `checks.vector` refuses.
    """
    p = checks.probabilities(p_values, "p_values")
    order = np.argsort(p)
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
