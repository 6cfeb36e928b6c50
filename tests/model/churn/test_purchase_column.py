"""The column of the purchase model: what BG/NBD says, the same in training, in batches and for one customer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from axiom.clv.beta_geo import BetaGeo
from axiom.clv.geometric_law import none_log_odds
from axiom.clv.one_future import GeometricFuture
from axiom.scoring.compiled_encoder import RowEncoder
from axiom.training.catalogue import estimator
from axiom.training.catalogue.purchases import NAME, learn_purchases
from axiom.training.churn import ChurnModel, ChurnOptions, train_churn
from axiom.training.explain import contributions
from axiom.training.table import ChurnTable

HORIZON = 60.0
THETA = np.log([0.02, 0.8, 0.4, 0.5])


def table(n: int = 400, seed: int = 0, cutoffs: int = 1) -> ChurnTable:
    """Customers with a purchase history, every tenth of whom has not bought yet."""
    rng = np.random.default_rng(seed)
    age = rng.integers(30, 300, n).astype(float)
    x = rng.poisson(age * 0.02).astype(float)
    t_x = np.where(x > 0, np.ceil(rng.uniform(0, age)), 0.0)
    never = np.arange(n) % 10 == 0
    x, t_x, age = (np.where(never, np.nan, column) for column in (x, t_x, age))
    days = np.datetime64("2024-01-01", "us") + np.arange(n) * cutoffs // n * np.timedelta64(60, "D")
    return ChurnTable(
        as_of=days.astype("datetime64[us]"),
        customer_id=np.array([f"c{i}" for i in range(n)], dtype=object),
        X=pa.table({"visits": rng.poisson(3, n).astype(float), "x": x, "t_x": t_x, "T": age}),
        churned=rng.random(n) < np.where(never, 0.5, 0.3),
        x=x,
        t_x=t_x,
        T=age,
        horizon_days=HORIZON,
    )


@given(
    x=st.integers(0, 3000),
    share=st.floats(0.001, 1),
    T=st.floats(1, 4000),
    t=st.floats(0.01, 2000),
    shifts=st.tuples(*[st.floats(-4, 4)] * 4),
)
def test_the_log_odds_are_those_of_the_purchase_model_for_arrays_and_for_one(
    x: int, share: float, T: float, t: float, shifts: tuple[float, ...]
) -> None:
    theta, t_x = THETA + np.array(shifts), share * T if x else 0.0
    model = BetaGeo()
    model.theta_ = theta
    some = float(model.tail(1, t, x, t_x, T))
    one = [np.array([float(value)]) for value in (x, t_x, T)]
    found = float(none_log_odds(theta, t, one[0], one[1], one[2], first=0)[0])
    assert GeometricFuture(theta, 0, t).none_log_odds(x, t_x, T) == pytest.approx(found, rel=1e-10, abs=1e-10)
    assert np.isfinite(found)
    if 1e-12 < some < 1 - 1e-6:  # beyond, 1 - P loses the digits that the log-odds keep
        assert found == pytest.approx(logit(1.0 - some), rel=1e-6, abs=1e-6)


def test_it_is_fitted_to_the_customers_of_the_latest_cutoff_alone() -> None:
    rows = table(cutoffs=2)
    column, _ = learn_purchases(rows)
    assert column is not None
    last = rows.rows(rows.as_of == rows.as_of.max())
    assert last.x is not None
    assert last.t_x is not None
    assert last.T is not None
    seen = ~np.isnan(last.T)
    expected = BetaGeo().fit(last.x[seen], last.t_x[seen], last.T[seen])
    np.testing.assert_array_equal(column.theta, expected.theta_)


def test_who_has_not_bought_yet_counts_as_a_new_customer() -> None:
    column, _ = learn_purchases(table())
    assert column is not None
    unknown, new, odd = column(np.array([[3.0, np.nan, np.nan, np.nan], [3.0, 0, 0, 0], [3.0, -1, 7, -5]]))
    assert unknown == new == odd


@pytest.mark.parametrize("model", ["logistic", "lightgbm", "random_forest", "mlp"])
def test_the_column_goes_with_the_model_into_files_rows_and_explanations(model: str) -> None:
    rows = table()
    column, _ = learn_purchases(rows)
    fitted = estimator(model).fit(rows, purchases=column)
    assert fitted.encoder.names.count(NAME) == 1
    again = type(fitted).from_files(fitted.to_files())
    np.testing.assert_array_equal(again.predict_proba(rows.X), fitted.predict_proba(rows.X))
    M, encode = fitted.encoder.layout.matrix(rows.X), RowEncoder(fitted.encoder)
    np.testing.assert_allclose([encode(row) for row in M], fitted.encoder.transform(M), rtol=1e-12, atol=1e-12)
    if model != "mlp":
        explained = contributions(fitted, rows.X)
        assert explained.features == rows.features
        said = explained.base + explained.values.sum(axis=1)
        p = fitted.predict_proba(rows.X)
        np.testing.assert_allclose(said, logit(p) if explained.scale == "log-odds" else p, atol=1e-6)


def test_it_is_there_where_churn_is_about_purchases_and_can_be_left_out() -> None:
    rows = table(n=1200, cutoffs=4)

    def names(options: dict[str, Any], rows: ChurnTable) -> tuple[str, ...]:
        asked = ChurnOptions(models=("logistic",), draws=100, **options)
        result = train_churn(rows, timedelta(days=HORIZON), asked)
        return ChurnModel.from_files(result.files).model.encoder.names

    assert NAME in names({}, rows)
    assert NAME not in names({"purchase_column": False}, rows)
    assert NAME not in names({}, replace(rows, x=None, t_x=None, T=None))


def test_too_few_buyers_and_histories_that_do_not_fit_are_said_and_leave_it_out() -> None:
    few, notes = learn_purchases(table(n=40))
    assert few is None
    assert "36 customers have bought" in notes[0]
    rows = table()
    never_again = replace(rows, x=np.zeros(len(rows)), t_x=np.ones(len(rows)))
    none, notes = learn_purchases(never_again)
    assert none is None
    assert "do not fit" in notes[0]


def test_impossible_histories_of_a_request_give_a_number_not_a_failure() -> None:
    column, _ = learn_purchases(table())
    assert column is not None
    assert np.isfinite(column(np.array([[1.0, 5.0, 90.0, 30.0], [1.0, 1e308, 0.0, 1e308]]))[0])
