"""Ensembles of decision trees as flat arrays: one form for every library's trees, scored by numpy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from axiom.training.catalogue.model import RowScorer, Scorer

if TYPE_CHECKING:
    from axiom.maths.arrays import ArrayLike, BoolArray, FloatArray
    from axiom.training.treeshap import TreeExplainer

NodeArray: TypeAlias = npt.NDArray[np.int32]

_MANY = 2000  # from so many rows on compiled code pays for its making
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

    roots: NodeArray
    feature: NodeArray
    threshold: FloatArray
    left: NodeArray
    right: NodeArray
    missing_left: BoolArray
    value: FloatArray
    cover: FloatArray
    depth: int
    base: float
    link: Literal["logit", "identity"]
    single: bool

    def margin(self, Z: FloatArray) -> FloatArray:
        """Sum of the trees before the link, shape (n,)."""
        if len(Z) < _MANY:
            return self.margin_of_arrays(Z)
        # The booster knows the columns up to the last one that a tree asks: there may be more.
        total = self._compiled.predict(self.rounded(Z), raw_score=True, predict_disable_shape_check=True)
        return np.asarray(total + self.base)

    @cached_property
    def _compiled(self) -> Any:
        from axiom.training.catalogue.lightgbm_text import to_booster

        return to_booster(self)

    def margin_of_arrays(self, Z: FloatArray) -> FloatArray:
        """The same by numpy alone."""
        step = max(1, _CHUNK // len(self.roots))
        parts = [self.value[self.leaves(Z[i : i + step])].sum(axis=1) for i in range(0, len(Z), step)]
        return np.asarray(np.concatenate(parts) + self.base) if parts else np.zeros(0)

    def leaves(self, Z: FloatArray) -> NodeArray:
        """The leaf that each row reaches in each tree, shape (n, t)."""
        Z = self.rounded(Z)
        node = np.broadcast_to(self.roots, (len(Z), len(self.roots)))
        rows = np.arange(len(Z))[:, None]
        for _ in range(self.depth):
            z = Z[rows, self.feature[node]]
            left = (z <= self.threshold[node]) | (np.isnan(z) & self.missing_left[node])
            node = np.where(left, self.left[node], self.right[node])
        return node

    @cached_property
    def explainer(self) -> TreeExplainer:
        """Explains the ensemble; built at first need and kept."""
        from axiom.training.treeshap import TreeExplainer

        return TreeExplainer.of(self)

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


class TreeBuilder:
    """Collects the nodes of many trees into one `TreeScorer`."""

    def __init__(self) -> None:
        self._trees: list[dict[str, Any]] = []
        self._roots: list[int] = []
        self._nodes = 0

    def tree(
        self,
        *,
        feature: ArrayLike,
        threshold: ArrayLike,
        left: ArrayLike,
        right: ArrayLike,
        missing_left: ArrayLike,
        value: ArrayLike,
        cover: ArrayLike,
        leaf: BoolArray,
    ) -> None:
        """Add a tree whose node 0 is the root; arrays of shape (nodes,), children numbered within the tree."""
        own = np.arange(len(leaf))
        part = {
            "feature": np.asarray(feature, dtype=np.int32),
            "threshold": np.asarray(threshold, dtype=np.float64),
            "left": np.where(leaf, own, left).astype(np.int32) + np.int32(self._nodes),
            "right": np.where(leaf, own, right).astype(np.int32) + np.int32(self._nodes),
            "missing_left": np.asarray(missing_left, dtype=np.bool_),
            "value": np.asarray(value, dtype=np.float64),
            "cover": np.asarray(cover, dtype=np.float64),
        }
        self._trees.append(part)
        self._roots.append(self._nodes)
        self._nodes += len(leaf)

    def build(self, *, base: float, link: Literal["logit", "identity"], single: bool) -> TreeScorer:
        """The ensemble of all trees so far."""
        nodes = {name: np.concatenate([tree[name] for tree in self._trees]) for name in self._trees[0]}
        roots = np.array(self._roots, dtype=np.int32)
        depth = _depth(roots, nodes["left"], nodes["right"])
        return TreeScorer(roots=roots, depth=depth, base=base, link=link, single=single, **nodes)


def _depth(roots: NodeArray, left: NodeArray, right: NodeArray) -> int:
    depth, level = 0, roots
    while True:
        level = level[left[level] != level]
        if not len(level):
            return depth
        level = np.concatenate([left[level], right[level]])
        depth += 1
