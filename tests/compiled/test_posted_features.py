"""Features by name become a vector, or are refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.clv import BetaGeo
from axiom.errors import BadInputError
from axiom.scoring.compiled import CompiledChurn, CompiledClv, posted_layout
from axiom.scoring.history import vector_of_features
from axiom.training.clv.model import ClvModel
from axiom.training.clv.probabilistic import FittedProbabilistic

if TYPE_CHECKING:
    from axiom.training.churn_model import ChurnModel

GOOD: dict[str, Any] = {"txn_days_since_last": 3, "tickets": 1.0, "spend": 20.5, "region": "north", "nps": None}


@pytest.fixture(scope="module")
def churn(models: dict[str, ChurnModel]) -> CompiledChurn:
    return CompiledChurn("churn@1", models["logistic"])


@pytest.fixture(scope="module")
def clv() -> CompiledClv:
    purchases = BetaGeo.from_params({"r": 0.6, "alpha": 20.0, "a": 0.8, "b": 2.4})
    return CompiledClv("clv@1", ClvModel("bg_nbd", FittedProbabilistic("bg_nbd", purchases), 90))


def test_the_score_is_that_of_the_row(churn: CompiledChurn, linear: Any) -> None:
    layout = posted_layout([churn])
    bound = churn.bind(layout)
    for place, row in enumerate(linear.X.to_pylist()):
        assert bound.score(vector_of_features(layout, row)) == linear.bound.score(linear.vectors[place])


def test_one_layout_serves_both_models(churn: CompiledChurn, clv: CompiledClv) -> None:
    layout = posted_layout([churn, clv])
    assert layout.layout.names == (*churn.features, "x", "t_x", "T", "mean_spend")
    assert layout.feature_set == "abc123"
    vector = vector_of_features(layout, {**GOOD, "x": 2, "t_x": 10, "T": 20, "mean_spend": None})
    assert 0 < churn.bind(layout).score(vector).p_churn < 1
    assert clv.bind(layout).score(vector).p_alive < 1
    assert np.isnan(vector[[4, 8]]).all()


def test_models_of_two_feature_sets_have_no_layout_in_common(
    churn: CompiledChurn, models: dict[str, ChurnModel]
) -> None:
    from dataclasses import replace

    other = CompiledChurn("churn@2", replace(models["lightgbm"], feature_set="def456"))
    with pytest.raises(BadInputError, match="churn@1 reads abc123, churn@2 reads def456"):
        posted_layout([churn, other])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": 1}, "unknown features: colour"),
        ({"tickets": "1"}, "feature 'tickets' must be a number or null, not '1'"),
        ({"tickets": True}, "feature 'tickets' must be a number or null, not True"),
        ({"tickets": [1]}, r"feature 'tickets' must be a number or null, not \[1\]"),
        ({"tickets": float("nan")}, "feature 'tickets' is nan, not a finite number"),
        ({"tickets": float("-inf")}, "feature 'tickets' is -inf, not a finite number"),
        ({"tickets": 10**400}, "feature 'tickets' is 10{9,}.*, not a finite number"),
        ({"region": 3}, "feature 'region' must be text or null, not 3"),
    ],
)
def test_values_that_are_none_are_refused_by_name(churn: CompiledChurn, change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        vector_of_features(posted_layout([churn]), {**GOOD, **change})


def test_lacking_features_are_refused_by_name(churn: CompiledChurn) -> None:
    with pytest.raises(BadInputError, match="2 of 5 features are lacking: tickets, nps") as refused:
        vector_of_features(posted_layout([churn]), {n: v for n, v in GOOD.items() if n not in ("tickets", "nps")})
    assert "null" in str(refused.value)
