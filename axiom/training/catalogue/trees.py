"""Ensembles of decision trees as flat arrays: one form for every library's trees, scored by numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import expit

from axiom.training.catalogue.model import RowScorer, Scorer

if TYPE_CHECKING:
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray

_CHUNK = 2_000_000  # (row, tree) pairs that travel down at once: bounds the memory


@dataclass(frozen=True, eq=False)
class TreeScorer(Scorer):
    """Sum (or mean) of trees, as log-odds or as a probability.

    A row goes left where `value <= threshold`, or where it is missing and `missing_left`. A leaf is its own child.

    Attributes:
        roots: first node of each tree, shape (t,).
        feature: encoded column that a node asks, shape (m,); 0 at a leaf.
        threshold: shape (m,).
        left: node to the left, shape (m,); the node itself at a leaf.
        right: likewise.
        missing_left: shape (m,).
        value: what a leaf adds, shape (m,); 0 inside.
        cover: training weight that reached the node, shape (m,).
        depth: steps from a root to the deepest leaf.
        base: added to the sum.
        link: `logit` where the sum is log-odds, `identity` where it is a probability.
        single: values are rounded to 32 bits first, as the library that grew the trees does.
    """

    roots: IntArray
    feature: IntArray
    threshold: FloatArray
    left: IntArray
    right: IntArray
    missing_left: BoolArray
    value: FloatArray
    cover: FloatArray
    depth: int
    base: float
    link: Literal["logit", "identity"]
    single: bool

    def margin(self, Z: FloatArray) -> FloatArray:
        """Sum of the trees before the link, shape (n,)."""
        step = max(1, _CHUNK // len(self.roots))
        parts = [self.value[self.leaves(Z[i : i + step])].sum(axis=1) for i in range(0, len(Z), step)]
        return np.asarray(np.concatenate(parts) + self.base) if parts else np.zeros(0)

    def leaves(self, Z: FloatArray) -> IntArray:
        """The leaf that each row reaches in each tree, shape (n, t)."""
        Z = self.rounded(Z)
        node = np.broadcast_to(self.roots, (len(Z), len(self.roots)))
        rows = np.arange(len(Z))[:, None]
        for _ in range(self.depth):
            z = Z[rows, self.feature[node]]
            left = (z <= self.threshold[node]) | (np.isnan(z) & self.missing_left[node])
            node = np.where(left, self.left[node], self.right[node])
        return node

    def rounded(self, Z: FloatArray) -> FloatArray:
        """The encoded columns as the trees compare them."""
        return Z.astype(np.float32).astype(np.float64) if self.single else Z

    def probability(self, Z: FloatArray) -> FloatArray:
        """See `Scorer.probability`."""
        return np.asarray(_linked(self.margin(Z), self.link))

    def one_row(self) -> RowScorer:
        """See `Scorer.one_row`."""
        feature, threshold, missing_left, roots = self.feature, self.threshold, self.missing_left, self.roots
        children = np.stack([self.right, self.left], axis=1).ravel()

        def score(z: FloatArray) -> float:
            z = self.rounded(z)
            node = roots
            for _ in range(self.depth):
                asked = z[feature[node]]
                left = (asked <= threshold[node]) | (np.isnan(asked) & missing_left[node])
                node = children[2 * node + left]
            return float(_linked(self.base + self.value[node].sum(), self.link))

        return score


def _linked(margin: Any, link: str) -> Any:
    return expit(margin) if link == "logit" else np.clip(margin, 0.0, 1.0)


@dataclass
class TreeBuilder:
    """Collects nodes of many trees into one `TreeScorer`. Children may be added before or after their parents."""

    def __post_init__(self) -> None:
        self.roots: list[int] = []
        self.feature: list[int] = []
        self.threshold: list[float] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.missing_left: list[bool] = []
        self.value: list[float] = []
        self.cover: list[float] = []

    def leaf(self, value: float, cover: float) -> int:
        """Add a leaf; returns its node."""
        node = len(self.value)
        self._add(0, 0.0, node, node, missing_left=True, value=value, cover=cover)
        return node

    def split(self, feature: int, threshold: float, left: int, right: int, *, missing_left: bool) -> int:
        """Add an inner node over two nodes that exist; returns its node."""
        cover = self.cover[left] + self.cover[right]
        self._add(feature, threshold, left, right, missing_left=missing_left, value=0.0, cover=cover)
        return len(self.value) - 1

    def _add(
        self, feature: int, threshold: float, left: int, right: int, *, missing_left: bool, value: float, cover: float
    ) -> None:
        self.feature.append(feature)
        self.threshold.append(threshold)
        self.left.append(left)
        self.right.append(right)
        self.missing_left.append(missing_left)
        self.value.append(value)
        self.cover.append(cover)

    def build(self, *, base: float, link: Literal["logit", "identity"], single: bool) -> TreeScorer:
        """The ensemble of all trees whose roots were appended to `roots`."""
        left, right = np.array(self.left, dtype=np.int64), np.array(self.right, dtype=np.int64)
        return TreeScorer(
            np.array(self.roots, dtype=np.int64),
            np.array(self.feature, dtype=np.int64),
            np.array(self.threshold),
            left,
            right,
            np.array(self.missing_left, dtype=np.bool_),
            np.array(self.value),
            np.array(self.cover),
            _depth(self.roots, left, right),
            base,
            link,
            single,
        )


def _depth(roots: list[int], left: IntArray, right: IntArray) -> int:
    depth, level = 0, np.array(roots, dtype=np.int64)
    while True:
        level = level[left[level] != level]
        if not len(level):
            return depth
        level = np.unique(np.concatenate([left[level], right[level]]))
        depth += 1
