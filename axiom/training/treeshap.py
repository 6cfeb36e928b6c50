"""Exact Shapley values of tree ensembles, by quadrature over arrays instead of recursion over nodes.

In a tree the expectation with the features in S known is f(S) = Σ_leaves v·Π_{j∈S} o_j·Π_{j∉S} z_j over the distinct
features j on the leaf's path: o_j is 1 where the row follows the path at j and 0 elsewhere, z_j is the share of the
training weight that does (path-dependent TreeSHAP; Lundberg et al. 2020, Nature Machine Intelligence 2). With m
features on the path and ∫₀¹ s^k·(1-s)^(m-1-k) ds = k!(m-1-k)!/m! the Shapley value of a leaf is

    φ_j = v·(o_j - z_j)·∫₀¹ Π_{i≠j} (z_i·(1-s) + o_i·s) ds,

a polynomial of degree m-1, which Gauss-Legendre integrates exactly with ⌈m/2⌉ nodes. As z_i > 0, every factor is
positive inside (0, 1), so the product without j is the product of all divided by factor j.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.training.catalogue.trees import TreeScorer

_CELLS = 4_000_000  # (row, leaf, feature) cells held at once
_SMALLEST = 1e-100  # rows of weight zero reach a node that no weight reaches: its share must not be 0


@dataclass(frozen=True, eq=False)
class TreeExplainer:
    """The paths of all leaves of an ensemble, padded to the longest one (a pad has share 1 and is always followed).

    Attributes:
        scorer: the ensemble.
        feature: encoded column of each step, shape (leaves, m).
        low: a row follows where low < value <= high, shape (leaves, m).
        high: likewise.
        missing: whether a missing value follows, shape (leaves, m).
        share: z, the training weight that follows, shape (leaves, m).
        value: of the leaf, shape (leaves,).
    """

    scorer: TreeScorer
    feature: IntArray
    low: FloatArray
    high: FloatArray
    missing: BoolArray
    share: FloatArray
    value: FloatArray

    @classmethod
    def of(cls, scorer: TreeScorer) -> TreeExplainer:
        """Collect the paths of every leaf."""
        paths = [path for root in scorer.roots for path in _leaf_paths(scorer, int(root))]
        width = max(1, *(len(steps) for steps, _ in paths))
        shape = (len(paths), width)
        feature = np.zeros(shape, dtype=np.int64)
        low, high = np.full(shape, -np.inf), np.full(shape, np.inf)
        missing, share = np.ones(shape, dtype=np.bool_), np.ones(shape)
        for leaf, (steps, _) in enumerate(paths):
            for place, (column, step) in enumerate(steps.items()):
                feature[leaf, place] = column
                low[leaf, place], high[leaf, place], missing[leaf, place], share[leaf, place] = step
        return cls(scorer, feature, low, high, missing, share, np.array([value for _, value in paths]))

    @property
    def base(self) -> float:
        """The mean of the ensemble over its training weight, before the link."""
        return float(self.scorer.base + (self.value * self.share.prod(axis=1)).sum())

    def values(self, Z: FloatArray) -> FloatArray:
        """Shapley values of encoded rows, shape (n, k): they and `base` add up to the margin."""
        Z = self.scorer.rounded(Z)
        out = np.zeros(Z.shape)
        step = max(1, _CELLS // self.feature.size)
        for start in range(0, len(Z), step):
            out[start : start + step] = self._chunk(Z[start : start + step])
        return out

    def _chunk(self, Z: FloatArray) -> FloatArray:
        x = Z[:, self.feature]
        one = (((x > self.low) & (x <= self.high)) | (np.isnan(x) & self.missing)).astype(np.float64)
        nodes, weights = np.polynomial.legendre.leggauss((self.feature.shape[1] + 1) // 2)
        integral = np.zeros_like(x)
        for s, w in zip((nodes + 1.0) / 2.0, weights / 2.0, strict=True):
            factor = self.share * (1.0 - s) + one * s
            integral += w * factor.prod(axis=2, keepdims=True) / factor
        phi = self.value[:, None] * (one - self.share) * integral
        columns, where = Z.shape[1], self.feature.ravel()
        return np.stack([np.bincount(where, weights=row.ravel(), minlength=columns) for row in phi])


Step = tuple[float, float, bool, float]


def _leaf_paths(trees: TreeScorer, root: int) -> list[tuple[dict[int, Step], float]]:
    """For each leaf: feature -> (low, high, missing follows, share), and the leaf's value."""
    found = []
    stack: list[tuple[int, dict[int, Step]]] = [(root, {})]
    while stack:
        node, steps = stack.pop()
        left, right = int(trees.left[node]), int(trees.right[node])
        if left == node:
            found.append((steps, float(trees.value[node])))
            continue
        feature, threshold = int(trees.feature[node]), float(trees.threshold[node])
        low, high, missing, share = steps.get(feature, (-np.inf, np.inf, True, 1.0))
        to_left = bool(trees.missing_left[node])
        for child in (left, right):
            part = share * max(_SMALLEST, float(trees.cover[child]) / max(_SMALLEST, float(trees.cover[node])))
            if child == left:
                step = (low, min(high, threshold), missing and to_left, part)
            else:
                step = (max(low, threshold), high, missing and not to_left, part)
            stack.append((child, {**steps, feature: step}))
    return found
