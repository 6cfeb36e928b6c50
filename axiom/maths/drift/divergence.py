"""How far two binned samples are apart, and what of it chance explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from axiom.maths import checks

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray

_EXPECTED = 5.0
_HALF = 0.5  # added to every bin: an empty one would make the logarithm infinite (Jeffreys' prior of a share)


def population_stability_index(baseline: ArrayLike, current: ArrayLike) -> float:
    """Population stability index Σ (q_i − p_i)·ln(q_i / p_i), >= 0; the symmetric divergence of Jeffreys (1946).

    Args:
        baseline: rows in each bin, shape (k,).
        current: rows in the same bins, shape (k,).

    Raises:
        ValueError: lengths differ, a count is negative, or a sample has no row.
    """
    p, q = _shares(baseline, current)
    return float(np.sum((q - p) * np.log(q / p)))


def population_stability_noise(baseline: ArrayLike, current: ArrayLike, *, independent: float = 1.0) -> float:
    """Mean of the index where nothing has changed: (1/n + 1/m)·(B − 1) for B bins that hold a row.

    Under no change PSI / (1/n + 1/m) is chi-squared with B − 1 degrees of freedom, up to terms that vanish with n and
    m (Yurdakul & Naranjo 2020, Journal of Risk Model Validation 14(4), 89-100).

    Args:
        baseline: rows in each bin, shape (k,).
        current: rows in the same bins, shape (k,).
        independent: share of the baseline's rows that count as independent, in (0, 1]: one customer at several
            cut-offs is not several customers.

    Raises:
        ValueError: as for the index, or `independent` outside (0, 1].
    """
    spread, freedom = _spread(baseline, current, independent)
    return spread * freedom


def homogeneity_p_value(baseline: ArrayLike, current: ArrayLike, *, independent: float = 1.0) -> float:
    """P-value of Pearson's test that both samples are spread over the bins alike (1900, Phil. Mag. 50, 157-175).

    Its statistic has the law of the index over (1/n + 1/m) for many rows, and keeps it for few, where the logarithms of
    the index have heavier tails. Bins in which fewer than five rows are expected are put together first (Cochran 1954,
    Biometrics 10, 417-451).

    Args:
        baseline: rows in each bin, shape (k,).
        current: rows in the same bins, shape (k,).
        independent: as in `population_stability_noise`.

    Raises:
        ValueError: as for the index, or `independent` outside (0, 1].
    """
    _spread(baseline, current, independent)
    before, now = _counts(baseline, current)
    before, now = _without_rare(before * independent, now)
    if before.size == 1:
        return 1.0  # one bin holds everything: nothing can differ
    n, m = before.sum(), now.sum()
    statistic = np.sum((before * np.sqrt(m / n) - now * np.sqrt(n / m)) ** 2 / (before + now))
    return float(special.chdtrc(before.size - 1, statistic))


def jensen_shannon_divergence(baseline: ArrayLike, current: ArrayLike) -> float:
    """Jensen-Shannon divergence in bits, in [0, 1]: H((p + q)/2) − (H(p) + H(q))/2 (Lin 1991, IEEE TIT 37, eq. 4.1).

    Args:
        baseline: rows in each bin, shape (k,).
        current: rows in the same bins, shape (k,).

    Raises:
        ValueError: as for the index.
    """
    before, now = _counts(baseline, current)
    p, q = before / before.sum(), now / now.sum()
    middle = (p + q) / 2
    nats = (special.rel_entr(p, middle).sum() + special.rel_entr(q, middle).sum()) / 2
    return float(np.clip(nats / np.log(2), 0.0, 1.0))  # rounding may pass the ends by an ulp


def _without_rare(before: FloatArray, now: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both counts with the rare bins as one; with the next larger one too, where all of them are still rare."""
    pooled = before + now
    expected = pooled / pooled.sum() * min(before.sum(), now.sum())
    order = np.argsort(expected)
    rare = int(np.searchsorted(np.sort(expected), _EXPECTED))
    if 0 < rare < order.size and expected[order[:rare]].sum() < _EXPECTED:
        rare += 1
    if rare < 2:
        return before, now
    gathered = [np.append(counts[order[rare:]], counts[order[:rare]].sum()) for counts in (before, now)]
    return gathered[0], gathered[1]


def _shares(baseline: ArrayLike, current: ArrayLike) -> tuple[FloatArray, FloatArray]:
    before, now = (counts + _HALF for counts in _counts(baseline, current))
    return before / before.sum(), now / now.sum()


def _spread(baseline: ArrayLike, current: ArrayLike, independent: float) -> tuple[float, int]:
    if not 0 < independent <= 1:
        raise ValueError(f"independent must lie in (0, 1], got {independent:g}")
    before, now = _counts(baseline, current)
    return 1 / (before.sum() * independent) + 1 / now.sum(), before.size - 1


def _counts(baseline: ArrayLike, current: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both counts without the bins that neither fills."""
    before, now = checks.non_negative("baseline", baseline), checks.non_negative("current", current)
    checks.same_length(baseline=before, current=now)
    if before.sum() <= 0 or now.sum() <= 0:
        raise ValueError("baseline and current must each hold at least one row")
    held = before + now > 0
    return before[held], now[held]
