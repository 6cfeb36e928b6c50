"""LightGBM, stored as its own text and scored by its own code in batches, by our arrays one row at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import CorruptError
from axiom.training.catalogue.model import Entry, FitData, RowScorer, Scorer
from axiom.training.catalogue.trees import TreeBuilder, TreeScorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class BoosterScorer(Scorer):
    """A LightGBM model.

    Attributes:
        text: the model in LightGBM's text format.
    """

    text: bytes

    @cached_property
    def booster(self) -> Any:
        """The live LightGBM booster.

        Raises:
            CorruptError: the text is no LightGBM model.
        """
        import lightgbm

        try:
            return lightgbm.Booster(model_str=self.text.decode())
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
            raise CorruptError(f"the stored LightGBM model cannot be read ({error})") from error

    def probability(self, Z: FloatArray) -> FloatArray:
        """See `Scorer.probability`."""
        return np.asarray(self.booster.predict(Z))

    def one_row(self) -> RowScorer:
        """See `Scorer.one_row`. Our arrays: a call into the library costs more than the trees."""
        return self.trees.one_row()

    @cached_property
    def trees(self) -> TreeScorer:
        """The same trees as arrays."""
        builder = TreeBuilder()
        for tree in self.booster.dump_model()["tree_info"]:
            nodes: list[dict[str, Any]] = []
            _flatten(tree["tree_structure"], nodes)
            columns = {name: np.array([node[name] for node in nodes]) for name in nodes[0]}
            builder.tree(**columns)
        return builder.build(base=0.0, link="logit", single=False)


def _flatten(node: Mapping[str, Any], nodes: list[dict[str, Any]]) -> int:
    place = len(nodes)
    leaf = "split_feature" not in node
    # Where training had no missing value LightGBM takes NaN for 0; the encoder has filled those columns.
    nodes.append(
        {
            "feature": 0 if leaf else node["split_feature"],
            "threshold": 0.0 if leaf else node["threshold"],
            "left": place,
            "right": place,
            "missing_left": leaf or bool(node["default_left"]),
            "value": node["leaf_value"] if leaf else 0.0,
            "cover": float(node.get("leaf_count", 0) if leaf else node["internal_count"]),
            "leaf": leaf,
        }
    )
    if not leaf:
        nodes[place]["left"] = _flatten(node["left_child"], nodes)
        nodes[place]["right"] = _flatten(node["right_child"], nodes)
    return place


def _fit(data: FitData, params: Mapping[str, Any]) -> BoosterScorer:
    import lightgbm

    settings = {
        "objective": "binary",
        "learning_rate": params["learning_rate"],
        "num_leaves": params["num_leaves"],
        "min_data_in_leaf": params["min_rows"],
        "lambda_l2": params["l2"],
        "feature_fraction": params["columns"],
        "bagging_fraction": params["rows"],
        "bagging_freq": 1,
        "num_threads": params["threads"],
        "seed": data.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    rows = lightgbm.Dataset(data.Z, data.y.astype(float), weight=data.w, free_raw_data=True)
    booster = lightgbm.train(settings, rows, num_boost_round=params["trees"])
    return BoosterScorer(booster.model_to_string(num_iteration=-1).encode())


LIGHTGBM = Entry(
    "lightgbm",
    "LightGBM",
    11,
    _fit,
    defaults={
        "trees": 120,
        "learning_rate": 0.03,
        "num_leaves": 7,
        "min_rows": 20,
        "l2": 1.0,
        "columns": 0.7,
        "rows": 0.8,
        "threads": 1,
    },
    space={
        "trees": {"type": "int", "low": 50, "high": 800, "log": True},
        "learning_rate": {"type": "float", "low": 0.01, "high": 0.2, "log": True},
        "num_leaves": {"type": "int", "low": 4, "high": 63, "log": True},
        "min_rows": {"type": "int", "low": 5, "high": 200, "log": True},
        "l2": {"type": "float", "low": 1e-3, "high": 100.0, "log": True},
        "columns": {"type": "float", "low": 0.3, "high": 1.0},
        "rows": {"type": "float", "low": 0.5, "high": 1.0},
    },
    impute=False,
    scale=False,
)
