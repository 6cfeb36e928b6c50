"""A CLV model bound to the vectors of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from axiom.clv import BetaGeo, GammaGamma
from axiom.errors import BadInputError, CorruptError
from axiom.scoring.compiled import CompiledClv
from axiom.scoring.loading import ModelFiles
from axiom.scoring.online.vectors import VectorLayout
from axiom.training.catalogue.layout import Layout
from axiom.training.clv.model import ClvModel
from axiom.training.clv.probabilistic import FittedProbabilistic
from axiom.training.clv.rows import RFM_COLUMNS, RfmArrays

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray

NAMES = ("tickets", "mean_spend", "T", "t_x", "x")
LAYOUT = VectorLayout(Layout(NAMES, {}), "any")


@pytest.fixture(scope="module")
def model() -> ClvModel:
    purchases = BetaGeo.from_params({"r": 0.6, "alpha": 20.0, "a": 0.8, "b": 2.4})
    spend = GammaGamma.from_params({"p": 6.0, "q": 4.0, "gamma": 15.0})
    return ClvModel("bg_nbd", FittedProbabilistic("bg_nbd", purchases, spend), 90)


@pytest.fixture(scope="module")
def matrix() -> FloatArray:
    """Customers: usual, one who has never bought, one without a known spend, a very frequent one."""
    rng = np.random.default_rng(0)
    T = rng.integers(1, 600, 40).astype(float)
    x = np.minimum(rng.poisson(3, 40), T).astype(float)
    t_x = np.where(x > 0, np.ceil(T * rng.uniform(0.2, 1.0, 40)), 0.0)
    z = np.where(x > 0, rng.gamma(6, 5, 40), np.nan)
    rows = np.column_stack([rng.normal(size=40), z, T, t_x, x])
    rows[3, 1:] = np.nan
    rows[4, 1:] = (np.nan, 50.0, 40.0, 3.0)
    rows[5, 1:] = (20.0, 20.0, 20.0, 19.0)
    return rows


def rfm(matrix: FloatArray) -> RfmArrays:
    return RfmArrays(*(matrix[:, NAMES.index(name)] for name in RFM_COLUMNS))


def test_one_row_and_many_are_what_the_model_says(model: ClvModel, matrix: FloatArray) -> None:
    bound = CompiledClv("clv@1", model).bind(LAYOUT)
    known = np.flatnonzero(~np.isnan(matrix[:, 4]))
    said = model.predict(rfm(matrix[known]))
    expected = np.column_stack(
        [said.p_alive, said.expected_purchases, said.p_no_purchase, said.clv_mean, *said.clv_quantiles]
    )
    one, many = [bound.score(row) for row in matrix], bound.score_many(matrix)
    assert one[3] is None
    assert many[3] is None
    np.testing.assert_allclose(np.array([one[i] for i in known]), expected, rtol=1e-6, atol=1e-9)
    assert many == one


def test_a_whole_base_takes_the_batch_path_and_says_the_same(model: ClvModel, matrix: FloatArray) -> None:
    bound = CompiledClv("clv@1", model).bind(LAYOUT)
    base = bound.score_many(np.tile(matrix, (150, 1)))
    assert base[3] is None
    known = [place for place, one in enumerate(base[:40]) if one is not None]
    one = np.array([bound.score(matrix[place]) for place in known])
    np.testing.assert_allclose(np.array([base[place] for place in known]), one, rtol=1e-6, atol=1e-9)
    assert base[:40] == base[-40:]


def test_nobody_who_bought_is_no_forecast(model: ClvModel) -> None:
    assert CompiledClv("clv@1", model).bind(LAYOUT).score_many(np.full((2, 5), np.nan)) == [None, None]


def test_a_customer_too_busy_for_the_fast_path_is_forecast_all_the_same() -> None:
    purchases = BetaGeo.from_params({"r": 900.0, "alpha": 1.0, "a": 1.0, "b": 50.0})
    busy = ClvModel("bg_nbd", FittedProbabilistic("bg_nbd", purchases), 90)
    row = np.array([0.0, 20.0, 20.0, 20.0, 19.0])
    found = CompiledClv("clv@1", busy).bind(LAYOUT).score(row)
    assert found.expected_purchases == pytest.approx(busy.predict(rfm(row[None, :])).expected_purchases[0])
    assert (found.mean, found.p05, found.p95) == (None, None, None)


@pytest.mark.parametrize(
    ("values", "said"),
    [((20.0, 5.0, 9.0, 2.0), "t_x"), ((20.0, 9.0, 5.0, 1.5), "whole"), ((20.0, np.nan, 5.0, 2.0), "finite")],
)
def test_a_history_that_cannot_be_is_refused(model: ClvModel, values: tuple[float, ...], said: str) -> None:
    bound = CompiledClv("clv@1", model).bind(LAYOUT)
    row = np.array([0.0, *values])
    with pytest.raises(BadInputError, match=said):
        bound.score(row)
    with pytest.raises(BadInputError, match=said):
        bound.score_many(row[None, :])


def test_a_vector_of_another_length_is_refused(model: ClvModel) -> None:
    bound = CompiledClv("clv@1", model).bind(LAYOUT)
    with pytest.raises(BadInputError, match="a vector of 4 features, the layout has 5"):
        bound.score(np.zeros(4))
    with pytest.raises(BadInputError, match="a vector of 6 features"):
        bound.score_many(np.zeros((1, 6)))


def test_vectors_without_the_summary_are_refused(model: ClvModel) -> None:
    with pytest.raises(BadInputError, match="1 of the 4 features of clv@1 are not in the vectors: mean_spend"):
        CompiledClv("clv@1", model).bind(VectorLayout(Layout(("x", "t_x", "T"), {}), "any"))


def test_a_registered_version_says_what_it_is(model: ClvModel) -> None:
    compiled = CompiledClv.of(ModelFiles("clv@2", "0" * 64, model.to_files()))
    assert (compiled.version, compiled.horizon_days, compiled.feature_set) == ("clv@2", 90, "")
    assert (compiled.features, compiled.levels, compiled.definitions) == (RFM_COLUMNS, {}, None)
    with pytest.raises(CorruptError, match=r"feature_set\.json"):
        CompiledClv.of(ModelFiles("clv@2", "0" * 64, {**model.to_files(), "feature_set.json": b"{}"}))


def test_a_challenger_that_reads_features_takes_the_batch_path(matrix: FloatArray) -> None:
    fitted, features, layout, rows = challenger(matrix)
    with pytest.raises(BadInputError, match="does not hold its feature set"):
        CompiledClv("clv@3", fitted).bind(layout)
    from axiom.features.definitions import Feature, FeatureSet

    definitions = FeatureSet("own", (Feature("tenure"),))
    with pytest.raises(BadInputError, match="feature-set version 'any'"):
        CompiledClv("clv@3", fitted, definitions).bind(layout)
    right = VectorLayout(layout.layout, definitions.version)
    bound = CompiledClv("clv@3", fitted, definitions).bind(right)
    said = fitted.predict(rfm(rows), features)
    found = [bound.score(row) for row in rows]
    np.testing.assert_allclose([one.expected_purchases for one in found], said.expected_purchases, rtol=1e-12)
    np.testing.assert_allclose([one.p95 for one in found], said.clv_quantiles[2], rtol=1e-6, atol=1e-9)


def challenger(matrix: FloatArray) -> tuple[ClvModel, pa.Table, VectorLayout, FloatArray]:
    """A learnt model that reads `tickets` and `plan`, some rows, and their vectors."""
    from datetime import UTC, datetime, timedelta

    from axiom.training.clv.candidate import Known
    from axiom.training.clv.candidates import candidate
    from axiom.training.clv.rows import Origin, Snapshot

    rng = np.random.default_rng(1)
    rows = np.tile(matrix[~np.isnan(matrix[:, 4])], (6, 1))
    n = len(rows)
    plan = rng.choice(["basic", "gold"], n)
    features = pa.table({"tickets": rows[:, 0], "plan": plan})
    who = np.array([f"c{i}" for i in range(n)], dtype=object)
    purchases = rng.poisson(np.where(plan == "gold", 2.0, 0.5)).astype(float)
    spend = purchases * rng.gamma(6, 5, n)
    now, horizon = datetime(2024, 4, 1, tzinfo=UTC), timedelta(days=90)
    past = Origin(now - horizon, who, rfm(rows), purchases, spend, features)
    fitted = candidate("lightgbm_poisson").fit(Known(Snapshot(now, who, rfm(rows), features), (past,), horizon))
    layout = VectorLayout(Layout((*NAMES, "plan"), {"plan": ("gold", "basic")}), "any")
    codes = np.where(plan == "gold", 0.0, 1.0)[:, None]
    some = slice(0, 20)
    vectors = np.hstack([rows, codes])[some]
    return ClvModel("lightgbm_poisson", fitted, 90), features.slice(0, 20), layout, vectors
