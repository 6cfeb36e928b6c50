"""One row through a compiled churn model is what the model says of that row in a batch, whatever its kind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from axiom.errors import BadInputError, CorruptError
from axiom.maths.calibration import ReliabilityBand
from axiom.scoring.compiled import CompiledChurn
from axiom.scoring.compiled_booster import NORMAL, OneRowBooster
from axiom.scoring.loading import ModelFiles
from axiom.scoring.online.vectors import VectorLayout
from axiom.training.actions import load_actions
from axiom.training.catalogue.layout import Layout

if TYPE_CHECKING:
    from axiom.training.churn_model import ChurnModel

SAME = 1e-12


def test_one_row_of_every_model_is_scored_as_the_batch_is(bench: Any) -> None:
    answers = [bench.bound.score(vector) for vector in bench.vectors]
    np.testing.assert_allclose([one.p_churn for one in answers], bench.model.predict_proba(bench.X), rtol=0, atol=SAME)
    np.testing.assert_allclose(
        [one.p_raw for one in answers], bench.model.model.predict_proba(bench.X), rtol=0, atol=SAME
    )


def test_many_rows_are_scored_as_one_row_is(bench: Any) -> None:
    many = bench.bound.score_many(bench.vectors)
    for one, vector in zip(many, bench.vectors, strict=True):
        assert one[:2] == pytest.approx(bench.bound.score(vector)[:2], rel=0, abs=SAME)


def test_one_row_of_every_cox_model_is_scored_as_the_batch_is(cox_bench: Any) -> None:
    answers = [cox_bench.bound.score(vector) for vector in cox_bench.vectors]
    expected = cox_bench.model.predict_proba(cox_bench.X)
    np.testing.assert_allclose([one.p_churn for one in answers], expected, rtol=0, atol=SAME)
    np.testing.assert_array_equal([one.p_churn for one in cox_bench.bound.score_many(cox_bench.vectors)], expected)


def test_cox_refuses_a_time_beyond_the_follow_up_and_an_unknown_one(clocked: Any) -> None:
    place = list(clocked.model.features).index("months")
    column = int(clocked.bound._binding.place[place])
    for elapsed, said in ((np.nan, "must be known"), (-1.0, "not negative"), (500.0, "beyond the follow-up")):
        vector = clocked.vectors[0].copy()
        vector[column] = elapsed
        with pytest.raises(BadInputError, match=said):
            clocked.bound.score(vector)
    with pytest.raises(BadInputError, match="beyond the follow-up"):
        clocked.bound.score_many(vector[None, :])


def test_threads_may_share_a_bound_model(models: dict[str, ChurnModel], linear: Any) -> None:
    model = models["lightgbm"]
    layout = VectorLayout(Layout(model.features, dict(model.model.encoder.layout.levels)), model.feature_set)
    bound = CompiledChurn("churn@1", model).bind(layout, load_actions())
    rows = list(layout.layout.matrix(linear.X)) * 20
    alone = [(bound.score(row), bound.explain(row)) for row in rows[:60]] * 20
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda row: (bound.score(row), bound.explain(row)), rows))
    assert together == alone


def test_cox_refuses_a_code_without_a_category(clocked: Any) -> None:
    vector = clocked.vectors[0].copy()
    for code in (4.0, -2.0):
        vector[clocked.bound._binding.place[list(clocked.model.features).index("plan")]] = code
        with pytest.raises(BadInputError, match="a code that none of its 4 categories has"):
            clocked.bound.score(vector)
        with pytest.raises(BadInputError, match="a code that none of its 4 categories has"):
            clocked.bound.score_many(vector[None, :])


def test_no_row_is_no_answer(linear: Any) -> None:
    assert linear.bound.score_many(linear.vectors[:0]) == []


def test_the_band_is_read_at_the_calibrated_probability(models: dict[str, ChurnModel], linear: Any) -> None:
    band = ReliabilityBand(
        np.array([0.1, 0.6]), np.array([50.0, 60.0]), np.array([0.05, 0.5]), np.array([0.1, 0.6]), np.array([0.2, 0.7])
    )
    model = replace(models["logistic"], band=band)
    layout = VectorLayout(Layout(model.features, dict(model.model.encoder.layout.levels)), model.feature_set)
    bound = CompiledChurn("churn@2", model).bind(layout)
    matrix = layout.layout.matrix(linear.X)
    expected = np.array(band.interval(model.predict_proba(linear.X))).T
    np.testing.assert_allclose([bound.score(row)[2:] for row in matrix], expected, atol=SAME)
    np.testing.assert_array_equal([one[2:] for one in bound.score_many(matrix)], expected)
    assert linear.bound.score(linear.vectors[0])[2:] == (None, None, None)


def test_a_registered_version_says_what_it_is(models: dict[str, ChurnModel]) -> None:
    compiled = CompiledChurn.of(ModelFiles("churn@7", "0" * 64, models["lightgbm"].to_files()))
    assert (compiled.version, compiled.horizon_days, compiled.threshold) == ("churn@7", 30.0, 0.3)
    assert (compiled.feature_set, compiled.explainable, compiled.definitions) == ("abc123", True, None)
    assert not CompiledChurn("churn@8", models["mlp"]).explainable


def test_another_feature_set_is_refused(linear: Any) -> None:
    layout = VectorLayout(Layout(linear.model.features, dict(linear.model.model.encoder.layout.levels)), "other")
    with pytest.raises(BadInputError, match="feature-set version 'other', churn@1 was trained on 'abc123'"):
        CompiledChurn("churn@1", linear.model).bind(layout)


def test_a_feature_that_is_not_there_is_refused(linear: Any) -> None:
    layout = VectorLayout(Layout(("tickets",), {}), linear.model.feature_set)
    with pytest.raises(BadInputError, match="4 of the 5 features of churn@1 are not in the vectors"):
        CompiledChurn("churn@1", linear.model).bind(layout)


def test_a_number_where_the_model_knows_text_is_refused(linear: Any) -> None:
    layout = VectorLayout(Layout(linear.model.features, {}), linear.model.feature_set)
    with pytest.raises(BadInputError, match="'region' is a number in the vectors and text in churn@1"):
        CompiledChurn("churn@1", linear.model).bind(layout)


def test_a_vector_of_another_length_is_refused(bench: Any) -> None:
    for ask in (bench.bound.score, bench.bound.explain):
        with pytest.raises(BadInputError, match="a vector of 5 features, the layout has 6"):
            ask(bench.vectors[0, :5])
    with pytest.raises(BadInputError, match="a vector of 5 features"):
        bench.bound.score_many(bench.vectors[:, :5])


def test_a_code_without_a_category_is_refused(linear: Any) -> None:
    vector = linear.vectors[0].copy()
    for code in (4.0, -7.0):
        vector[2] = code
        with pytest.raises(BadInputError, match="a code that none of its 4 categories has"):
            linear.bound.score(vector)
        with pytest.raises(BadInputError, match="a code that none of its 4 categories has"):
            linear.bound.score_many(vector[None, :])


def test_a_category_that_the_layout_may_have_lost_is_refused(linear: Any) -> None:
    layout = VectorLayout(Layout(linear.model.features, {"region": ("west",)}), linear.model.feature_set)
    bound = CompiledChurn("churn@1", linear.model).bind(layout, load_actions())
    vector = layout.layout.vector({"region": "north", "tickets": 1.0, "spend": 5.0, "txn_days_since_last": 3.0})
    with pytest.raises(BadInputError, match="the layout does not know, and the model knows more"):
        bound.score(vector)
    with pytest.raises(BadInputError, match="the layout does not know, and the model knows more"):
        bound.score_many(vector[None, :])


def test_a_damaged_booster_is_told() -> None:
    with pytest.raises(CorruptError, match="LightGBM"):
        OneRowBooster(b"no model", 3, NORMAL)
