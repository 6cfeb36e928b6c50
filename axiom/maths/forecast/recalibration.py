"""Recalibrated interval levels: ask the model for the level that had the wanted coverage at the previous origin."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from axiom.maths import checks

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, FloatArray

SMALLEST_SAMPLE = 20
"""Below this many PIT values the map is the identity, with a warning."""

_GRID = np.concatenate(([0.001, 0.0025, 0.005], np.linspace(0.01, 0.99, 99), [0.995, 0.9975, 0.999]))


@dataclass(frozen=True)
class LevelMap:
    """Monotone map from a nominal quantile level to the level to ask the model for.

    If outcomes of the previous origin fell below the model's τ-quantile with frequency G(τ), the quantile that covers
    with frequency q is the one at level G⁻¹(q) (Kuleshov, Fenner & Ermon 2018, quantile recalibration). G is the
    empirical distribution of the PIT values; its inverse is read at plotting positions k/(n + 1), the level at which
    the k-th of n exchangeable values covers a new one (the split-conformal rank: Vovk et al. 2005; Romano et al. 2019).
    """

    nominal: tuple[float, ...]
    adjusted: tuple[float, ...]

    @classmethod
    def fit(cls, pit: ArrayLike) -> Self:
        """Learn from (randomised) PIT values (n,) of the previous origin.

        Fewer than 20 values give the identity with a RuntimeWarning.

        Raises:
            ValueError: a value outside [0, 1], NaN or empty.
        """
        u = np.sort(checks.probabilities(pit, "pit"))
        n = u.size
        if n < SMALLEST_SAMPLE:
            warnings.warn(
                f"interval levels stay nominal: {n} PIT values are fewer than {SMALLEST_SAMPLE}",
                RuntimeWarning,
                stacklevel=2,
            )
            return cls((0.0, 1.0), (0.0, 1.0))
        positions = np.concatenate(([0.0], np.arange(1, n + 1) / (n + 1), [1.0]))
        inner = np.interp(_GRID, positions, np.concatenate(([0.0], u, [1.0])))
        return cls((0.0, *_GRID.tolist(), 1.0), (0.0, *inner.tolist(), 1.0))

    def level(self, nominal: ArrayLike) -> FloatArray:
        """Levels to ask for, strictly inside (0, 1), in the shape of `nominal`.

        Raises:
            ValueError: a nominal level outside (0, 1).
        """
        wanted = np.asarray(nominal, dtype=np.float64)
        if not np.all((wanted > 0) & (wanted < 1)):
            raise ValueError("nominal levels must lie strictly between 0 and 1")
        asked = np.interp(wanted, self.nominal, self.adjusted)
        return np.asarray(np.clip(asked, checks.EPS, 1 - checks.EPS))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready knots."""
        return {"nominal": list(self.nominal), "adjusted": list(self.adjusted)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        """Restore from `to_dict`.

        Raises:
            ValueError: a missing list.
        """
        try:
            return cls(tuple(map(float, state["nominal"])), tuple(map(float, state["adjusted"])))
        except KeyError as error:
            raise ValueError(f"stored level map lacks {error}") from error
