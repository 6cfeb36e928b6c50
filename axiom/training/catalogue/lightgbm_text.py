"""Any tree ensemble as a LightGBM model: its compiled code sends a million rows down the trees in seconds.

The text format is LightGBM's own (`Booster.model_to_string`), version v4: inner nodes are numbered from 0, leaves as
the complement of their number; decision type 8 means "numbers, NaN is missing", plus 2 where missing goes left.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from axiom.training.catalogue.trees import TreeScorer

_LARGEST = 1e300  # LightGBM knows no infinite threshold


def to_booster(trees: TreeScorer) -> Any:
    """A LightGBM booster whose raw prediction is the ensemble's sum without `base`."""
    import lightgbm

    edges = [*map(int, trees.roots), len(trees.value)]
    blocks = [_tree(trees, number, first, end) for number, (first, end) in enumerate(pairwise(edges))]
    columns = int(trees.feature.max()) + 1
    header = {
        "version": "v4",
        "num_class": 1,
        "num_tree_per_iteration": 1,
        "label_index": 0,
        "max_feature_idx": columns - 1,
        "feature_names": _row(f"c{j}" for j in range(columns)),
        "feature_infos": _row("none" for _ in range(columns)),
        "tree_sizes": _row(str(len(block)) for block in blocks),
    }
    head = "tree\n" + "".join(f"{key}={value}\n" for key, value in header.items())
    return lightgbm.Booster(model_str=f"{head}\n{''.join(blocks)}end of trees\n")


def _tree(trees: TreeScorer, number: int, first: int, end: int) -> str:
    """Nodes `first` to `end` as one block; the root is the first of them."""
    own = slice(first, end)
    leaf = trees.left[own] == np.arange(first, end)
    name = np.where(leaf, ~(np.cumsum(leaf) - 1), np.cumsum(~leaf) - 1)
    inner = ~leaf
    fields = {"num_leaves": str(int(leaf.sum())), "num_cat": "0"}
    if inner.any():
        threshold = np.clip(trees.threshold[own][inner], -_LARGEST, _LARGEST)
        fields |= {
            "split_feature": _row(map(str, trees.feature[own][inner])),
            "split_gain": _row("0" for _ in range(int(inner.sum()))),
            "threshold": _numbers(threshold),
            "decision_type": _row("10" if left else "8" for left in trees.missing_left[own][inner]),
            "left_child": _row(map(str, name[trees.left[own][inner] - first])),
            "right_child": _row(map(str, name[trees.right[own][inner] - first])),
        }
    fields["leaf_value"] = _numbers(trees.value[own][leaf])
    if inner.any():
        zeros = _row("0" for _ in range(int(inner.sum())))
        fields |= {"internal_value": zeros, "internal_weight": zeros, "internal_count": zeros}
    fields |= {"is_linear": "0", "shrinkage": "1"}
    return f"Tree={number}\n" + "".join(f"{key}={value}\n" for key, value in fields.items()) + "\n\n"


def _row(values: Iterable[str]) -> str:
    return " ".join(values)


def _numbers(values: Any) -> str:
    return _row(repr(float(value)) for value in values)
