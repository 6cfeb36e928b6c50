"""The stored model: what it answers, that storage keeps every bit, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.errors import BadInputError, CorruptError, MisuseError
from axiom.training.churn_model import ChurnModel
from axiom.training.survival_fit import SurvivalOptions, fit_cox
from axiom.training.survival_model import SurvivalModel, load_churn_predictor
from axiom.training.survival_table import censored_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from axiom.training.survival_table import SurvivalRows, SurvivalTable

PLAIN = SurvivalOptions(scale=False, draws=100)


@pytest.fixture(scope="module")
def table(months: Callable[..., SurvivalTable]) -> SurvivalTable:
    return months(500)


@pytest.fixture(scope="module")
def model(table: SurvivalTable) -> SurvivalModel:
    return fit_cox(table, replace(PLAIN, strata=("plan",)), horizon=6.0).model


@pytest.fixture(scope="module")
def returning(at_cutoffs: Callable[..., SurvivalRows]) -> tuple[SurvivalModel, pa.Table]:
    rows = at_cutoffs(outcome="return").table
    return fit_cox(rows, SurvivalOptions(), horizon=30.0, feature_set="v1").model, rows.X


def with_tenure(table: SurvivalTable, tenure: float) -> pa.Table:
    return table.X.append_column("months", pa.array(np.full(len(table), tenure)))


def test_storage_keeps_every_prediction(model: SurvivalModel, table: SurvivalTable) -> None:
    files = model.to_files()
    again = SurvivalModel.from_files(files)
    X = with_tenure(table, 2.0)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.covariance, model.covariance)
    assert (again.strata.names, again.features, again.unit) == (model.strata.names, model.features, "months")
    assert again.to_files() == files


def test_damaged_files_are_refused(model: SurvivalModel) -> None:
    files = model.to_files()
    with pytest.raises(CorruptError):
        load_churn_predictor({**files, "arrays.npz": files["arrays.npz"][:50]})


def test_another_kind_of_model_is_told_apart(model: SurvivalModel) -> None:
    with pytest.raises(CorruptError):
        ChurnModel.from_files(model.to_files())


@settings(max_examples=25, deadline=None)
@given(row=st.integers(0, 499), tenure=st.floats(0, 12))
def test_one_row_is_scored_as_the_batch_is(row: int, tenure: float, model: SurvivalModel, table: SurvivalTable) -> None:
    X = with_tenure(table.rows(np.array([row])), tenure)
    vector = np.r_[model.encoder.layout.matrix(X)[0], tenure]
    assert model.features[-1] == "months"
    assert model.compile()(vector) == pytest.approx(model.predict_proba(X)[0], abs=1e-12)


def test_one_row_from_a_cut_off_is_scored_as_the_batch_is(returning: tuple[SurvivalModel, pa.Table]) -> None:
    model, X = returning
    vectors, score = model.encoder.layout.matrix(X.slice(0, 20)), model.compile()
    np.testing.assert_allclose([score(v) for v in vectors], model.predict_proba(X.slice(0, 20)), atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(first=st.floats(0.5, 8), more=st.floats(0.1, 8), elapsed=st.floats(0, 4))
def test_survival_falls_and_conditions_chain(
    first: float, more: float, elapsed: float, model: SurvivalModel, table: SurvivalTable
) -> None:
    X = table.X.slice(0, 30)
    short, long = model.p_churn(X, first, elapsed), model.p_churn(X, first + more, elapsed)
    assert (short <= long + 1e-12).all()
    chained = model.conditional_survival(X, first, elapsed) * model.conditional_survival(X, more, elapsed + first)
    np.testing.assert_allclose(chained, 1 - long, atol=1e-12)
    unconditional = model.survival(X, np.array([elapsed, elapsed + first]))
    np.testing.assert_allclose(1 - short, unconditional[:, 1] / unconditional[:, 0], atol=1e-12)


def test_the_median_is_where_survival_reaches_a_half(model: SurvivalModel, table: SurvivalTable) -> None:
    medians = model.time_to_event(table.X, elapsed=0.0)
    reached = np.flatnonzero(np.isfinite(medians))[:30]
    assert len(reached) == 30
    for row in reached.tolist():
        at = model.survival(table.X.slice(row, 1), np.array([medians[row] * (1 - 1e-9), medians[row]]))[0]
        assert at[0] > 0.5 >= at[1] - 1e-9
    later = model.time_to_event(table.X, elapsed=3.0)[reached]
    assert (later > 0).all()


def test_nothing_is_said_beyond_the_follow_up(model: SurvivalModel, table: SurvivalTable) -> None:
    with pytest.raises(MisuseError, match="says nothing beyond"):
        model.p_churn(table.X, 1000.0, 0.0)
    with pytest.raises(MisuseError, match="horizon 0 months"):
        model.p_churn(table.X, 0.0, 0.0)
    old = model.p_churn(table.X, 6.0, elapsed=float(model.last_time.max()) - 1.0)
    assert np.isnan(old).all()


def test_a_tenure_must_be_known(model: SurvivalModel, table: SurvivalTable) -> None:
    with pytest.raises(BadInputError, match="no column 'months'"):
        model.predict_proba(table.X)
    with pytest.raises(BadInputError, match="must be known and not negative"):
        model.p_churn(table.X, 6.0, elapsed=-1.0)


def test_a_missing_feature_and_a_stale_feature_set_are_refused(returning: tuple[SurvivalModel, pa.Table]) -> None:
    model, X = returning
    with pytest.raises(BadInputError, match=r"1 of the 3 features .* usage"):
        model.predict_proba(X.drop_columns(["usage"]))
    with pytest.raises(BadInputError, match="trained on 'v1'"):
        model.check_feature_set("v2")
    model.check_feature_set("v1")


def test_staying_away_is_likelier_for_those_who_return_slowly(returning: tuple[SurvivalModel, pa.Table]) -> None:
    model, X = returning
    p = model.predict_proba(X)
    assert np.corrcoef(p, X["usage"].to_numpy())[0, 1] < -0.9
    assert (model.p_churn(X, 10.0) > model.p_churn(X, 30.0)).all()  # longer silence is rarer
    assert ((p > 0) & (p < 1)).all()


def test_a_window_is_half_open(at_cutoffs: Callable[..., SurvivalRows]) -> None:
    rows = at_cutoffs().table
    whole = replace(rows, duration=np.floor(rows.duration))  # days, events on day 0 and on day 30 among them
    model = fit_cox(whole, SurvivalOptions(), horizon=30.0).model
    before, after = model.survival(whole.X, np.array([29.5, 30.5])).T
    np.testing.assert_allclose(model.p_churn(whole.X, 30.0), 1 - before, atol=1e-12)
    assert (after < before).all()


def test_rows_as_they_stood_at_a_moment(at_cutoffs: Callable[..., SurvivalRows], horizon: timedelta) -> None:
    from datetime import UTC, datetime

    rows = at_cutoffs().table
    moment = datetime(2024, 6, 1, tzinfo=UTC)
    early = rows.rows(rows.as_of < np.datetime64("2024-05-15", "us"))
    known = censored_at(early, moment)
    left = (np.datetime64("2024-06-01", "us") - early.as_of) / np.timedelta64(1, "D")
    assert (known.duration <= left).all()
    np.testing.assert_array_equal(known.event, early.event & (early.duration < left))
    assert (known.duration[known.event] == early.duration[known.event]).all()
    assert known.event.sum() < early.event.sum()
