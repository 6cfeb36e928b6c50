"""scikit-learn's trees (single, forest, histogram boosting) and XGBoost's, exported to arrays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logit

from axiom.errors import MisuseError
from axiom.training.catalogue.model import Entry, FitData
from axiom.training.catalogue.trees import TreeBuilder, TreeScorer

if TYPE_CHECKING:
    from collections.abc import Mapping


def from_sklearn_trees(trees: list[Any]) -> TreeScorer:
    """The mean of scikit-learn classification trees; they compare 32-bit values."""
    builder = TreeBuilder()
    for tree in (model.tree_ for model in trees):
        leaf = tree.children_left < 0
        churned = tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1)
        builder.tree(
            feature=np.where(leaf, 0, tree.feature),
            threshold=np.where(leaf, 0.0, tree.threshold),
            left=tree.children_left,
            right=tree.children_right,
            missing_left=tree.missing_go_to_left.astype(bool),
            value=np.where(leaf, churned / len(trees), 0.0),
            cover=tree.weighted_n_node_samples,
            leaf=leaf,
        )
    return builder.build(base=0.0, link="identity", single=True)


def _from_histograms(model: Any) -> TreeScorer:
    builder = TreeBuilder()
    for (predictor,) in model._predictors:  # noqa: SLF001 - the fitted trees have no public name
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        builder.tree(
            feature=np.where(leaf, 0, nodes["feature_idx"]),
            threshold=np.where(leaf, 0.0, nodes["num_threshold"]),
            left=nodes["left"],
            right=nodes["right"],
            missing_left=nodes["missing_go_to_left"].astype(bool),
            value=np.where(leaf, nodes["value"], 0.0),
            cover=nodes["count"].astype(float),
            leaf=leaf,
        )
    base = float(np.ravel(model._baseline_prediction)[0])  # noqa: SLF001 - likewise
    return builder.build(base=base, link="logit", single=False)


def _from_xgboost(booster: Any) -> TreeScorer:
    learner = json.loads(booster.save_raw("json"))["learner"]
    builder = TreeBuilder()
    for tree in learner["gradient_booster"]["model"]["trees"]:
        left = np.array(tree["left_children"])
        leaf = left < 0
        # XGBoost asks value < threshold in 32 bits: value <= the next smaller 32-bit number.
        threshold = np.nextafter(np.array(tree["split_conditions"], dtype=np.float32), np.float32(-np.inf))
        builder.tree(
            feature=np.where(leaf, 0, tree["split_indices"]),
            threshold=np.where(leaf, 0.0, threshold.astype(float)),
            left=left,
            right=np.array(tree["right_children"]),
            missing_left=np.array(tree["default_left"], dtype=bool),
            value=np.where(leaf, tree["split_conditions"], 0.0),
            cover=np.array(tree["sum_hessian"], dtype=float),
            leaf=leaf,
        )
    rate = float(learner["learner_model_param"]["base_score"].strip("[]"))
    return builder.build(base=float(logit(rate)), link="logit", single=True)


def _fit_tree(data: FitData, params: Mapping[str, Any]) -> TreeScorer:
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(
        max_depth=params["max_depth"], min_samples_leaf=params["min_rows"], random_state=data.seed
    )
    return from_sklearn_trees([model.fit(data.Z, data.y, sample_weight=data.w)])


def fit_forest(data: FitData, params: Mapping[str, Any]) -> TreeScorer:
    """Fit a random forest."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(
        n_estimators=params["trees"],
        min_samples_leaf=params["min_rows"],
        max_features=params["columns"],
        max_leaf_nodes=params["max_leaves"],
        n_jobs=params["threads"],
        random_state=data.seed,
    )
    return from_sklearn_trees(model.fit(data.Z, data.y, sample_weight=data.w).estimators_)


def _fit_boosting(data: FitData, params: Mapping[str, Any]) -> TreeScorer:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=params["trees"],
        learning_rate=params["learning_rate"],
        max_leaf_nodes=params["max_leaves"],
        min_samples_leaf=params["min_rows"],
        l2_regularization=params["l2"],
        early_stopping=False,  # it would hold out random rows
        random_state=data.seed,
    )
    return _from_histograms(model.fit(data.Z, data.y, sample_weight=data.w))


def _fit_xgboost(data: FitData, params: Mapping[str, Any]) -> TreeScorer:
    try:
        import xgboost
    except ImportError:
        raise MisuseError("xgboost is not installed", hint="install Axiom with its extra: axiom[xgboost]") from None
    settings = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "eta": params["learning_rate"],
        "max_depth": params["max_depth"],
        "min_child_weight": params["min_weight"],
        "lambda": params["l2"],
        "subsample": params["rows"],
        "colsample_bytree": params["columns"],
        "base_score": float(np.average(data.y, weights=data.w)),
        "nthread": params["threads"],
        "seed": data.seed,
    }
    rows = xgboost.DMatrix(data.Z, label=data.y, weight=data.w, nthread=params["threads"])
    return _from_xgboost(xgboost.train(settings, rows, num_boost_round=params["trees"]))


_RATE = {"type": "float", "low": 0.01, "high": 0.2, "log": True}
_TREES = {"type": "int", "low": 50, "high": 800, "log": True}
_MIN_ROWS = {"type": "int", "low": 5, "high": 200, "log": True}
_L2 = {"type": "float", "low": 1e-3, "high": 100.0, "log": True}

DECISION_TREE = Entry(
    "decision_tree",
    "decision tree",
    2,
    _fit_tree,
    defaults={"max_depth": 5, "min_rows": 50},
    space={"max_depth": {"type": "int", "low": 2, "high": 10}, "min_rows": _MIN_ROWS},
    scale=False,
)
RANDOM_FOREST = Entry(
    "random_forest",
    "random forest",
    8,
    fit_forest,
    defaults={"trees": 200, "min_rows": 20, "columns": "sqrt", "max_leaves": 256, "threads": 1},
    space={
        "trees": {"type": "int", "low": 100, "high": 500},
        "min_rows": _MIN_ROWS,
        "columns": {"type": "choice", "values": ["sqrt", 0.3, 0.6]},
        "max_leaves": {"type": "int", "low": 16, "high": 512, "log": True},
    },
    scale=False,
)
GRADIENT_BOOSTING = Entry(
    "gradient_boosting",
    "gradient boosting (histograms)",
    10,
    _fit_boosting,
    defaults={"trees": 150, "learning_rate": 0.05, "max_leaves": 7, "min_rows": 20, "l2": 1.0},
    space={
        "trees": _TREES,
        "learning_rate": _RATE,
        "max_leaves": {"type": "int", "low": 4, "high": 63, "log": True},
        "min_rows": _MIN_ROWS,
        "l2": _L2,
    },
    impute=False,
    scale=False,
)
XGBOOST = Entry(
    "xgboost",
    "XGBoost",
    12,
    _fit_xgboost,
    defaults={
        "trees": 200,
        "learning_rate": 0.05,
        "max_depth": 3,
        "min_weight": 5.0,
        "l2": 1.0,
        "rows": 0.8,
        "columns": 0.7,
        "threads": 1,
    },
    space={
        "trees": _TREES,
        "learning_rate": _RATE,
        "max_depth": {"type": "int", "low": 2, "high": 8},
        "min_weight": {"type": "float", "low": 1.0, "high": 50.0, "log": True},
        "l2": _L2,
        "rows": {"type": "float", "low": 0.5, "high": 1.0},
        "columns": {"type": "float", "low": 0.3, "high": 1.0},
    },
    impute=False,
    scale=False,
    extra="xgboost",
)
