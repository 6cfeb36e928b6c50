"""Ratios of gamma functions that stay accurate where differences of `gammaln` lose every digit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import digamma, gammaln

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray

# Stirling's series for ln Γ is exact to double precision from here on with five terms.
_SHIFT = 16
_STIRLING = (1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)
_DIGAMMA = (1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12)


def log_rising(base: FloatArray, m: FloatArray) -> FloatArray:
    """Σ_{j<m} ln(1 + j/base), that is ln[Γ(base + m) / (Γ(base) base^m)], with an absolute error of some ulps of m.

    The first 16 factors are multiplied out; the rest is the difference of two Stirling series written with log1p
    (Abramowitz & Stegun 6.1.41), so `base` may be 1e300.

    Args:
        base: > 0, any shape.
        m: Whole numbers >= 0, broadcast against `base`.
    """
    base, m = np.broadcast_arrays(np.asarray(base, dtype=np.float64), np.asarray(m, dtype=np.float64))
    head = np.ones(base.shape)
    for j in range(1, _SHIFT):
        head *= np.where(m > j, 1.0 + j / base, 1.0)
    low, left = base + _SHIFT, np.maximum(m - _SHIFT, 0.0)
    # Σ_{j<left} ln(low + j) - left ln(base)
    tail = (low + left - 0.5) * np.log1p(left / low) - left + left * np.log1p(_SHIFT / base)
    return np.asarray(np.log(head) + tail + _correction(low + left) - _correction(low))


def log_survival(phi: FloatArray, stay: FloatArray, whole: FloatArray, s: FloatArray, m: FloatArray) -> FloatArray:
    """Ln of B(a, B+m)/B(a, B) = Π_{j<m} (stay + s j)/(whole + s j), with B = stay/s and a + B = whole/s.

    Args:
        phi: s a, > 0.
        stay: s B, > 0.
        whole: s (a + B) = phi + stay.
        s: > 0; the limit s -> 0 is (stay/whole)^m.
        m: Whole numbers >= 0.
    """
    return np.asarray(m * log_share(phi, stay, whole) + log_rising(stay / s, m) - log_rising(whole / s, m))


def log_share(phi: FloatArray, stay: FloatArray, whole: FloatArray) -> FloatArray:
    """ln(stay/whole) with whole = phi + stay, by way of whichever of phi and stay is the smaller."""
    return np.where(phi < stay, np.log1p(-np.minimum(phi / whole, 0.5)), np.log(stay / whole))


def log_gamma_error(y: ArrayLike) -> FloatArray:
    """Ln Γ(y) - [(y - 1/2) ln y - y + ln(2 π)/2], what Stirling's formula leaves out; about 1/(12 y)."""
    y = np.asarray(y, dtype=np.float64)
    small = np.minimum(y, _SHIFT)
    exact = gammaln(small) - (small - 0.5) * np.log(small) + small - 0.5 * np.log(2.0 * np.pi)
    return np.where(y < _SHIFT, exact, _correction(np.maximum(y, _SHIFT)))


def digamma_error(y: ArrayLike) -> FloatArray:
    """The digamma function minus ln y, about -1/(2 y) (Abramowitz & Stegun 6.3.18)."""
    y = np.asarray(y, dtype=np.float64)
    small, inverse = np.minimum(y, _SHIFT), 1.0 / np.maximum(y, _SHIFT)
    series = inverse * (-0.5 - inverse * np.polyval(_DIGAMMA, inverse * inverse))
    return np.asarray(np.where(y < _SHIFT, digamma(small) - np.log(small), series))


def _correction(y: FloatArray) -> FloatArray:
    inverse = 1.0 / y
    return np.asarray(np.polyval(_STIRLING, inverse * inverse) * inverse)
