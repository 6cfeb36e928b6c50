"""Every challenger learns what there is to learn, is honest about it, and comes back from storage unchanged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from axiom.training.clv.candidates import candidate, candidate_names
from axiom.training.clv.model import ClvModel
from axiom.training.clv_challengers import CHALLENGERS

QUICK = {
    "linear": {},
    "multiple": {},
    "polynomial": {},
    "lightgbm_poisson": {"trees": 60},
    "lightgbm_tweedie": {"trees": 60},
    "lightgbm_offset": {"trees": 60},
    "xgboost": {"trees": 60},
}
DAYS = 60
COLUMN = {"visits", "channel", "nps"}


@pytest.fixture(scope="session")
def fitted(known):
    return {name: candidate(name, **params).fit(known) for name, params in QUICK.items()}


@pytest.fixture(scope="session")
def forecasts(fitted, future):
    return {name: model.forecast(future.rfm, future.features, DAYS) for name, model in fitted.items()}


def test_every_challenger_is_a_candidate_behind_the_probabilistic_ones():
    assert set(QUICK) == set(CHALLENGERS)
    assert candidate_names()[-len(QUICK) :] == tuple(QUICK)
    for name in QUICK:
        one = candidate(name)
        assert one.name == name
        assert one.title
        assert set(one.space) <= set(one.params)


@pytest.mark.parametrize("name", QUICK)
def test_forecasts_are_finite_ordered_and_consistent(forecasts, future, name):
    forecast, n = forecasts[name], len(future)
    for array in (forecast.p_alive, forecast.expected_purchases, forecast.expected_spend):
        assert array.shape == (n,)
        assert np.isfinite(array).all()
        assert (array >= 0).all()
    counts = np.arange(1500.0)
    pmf = np.stack([forecast.pmf(np.full(n, count)) for count in counts])
    tail = np.stack([forecast.tail(np.full(n, count)) for count in counts])
    np.testing.assert_allclose(pmf.sum(axis=0), 1.0, atol=1e-9)
    np.testing.assert_allclose(tail[1:].sum(axis=0), forecast.expected_purchases, rtol=1e-8)
    np.testing.assert_allclose(1.0 - np.cumsum(pmf, axis=0)[:-1], tail[1:], atol=1e-9)
    quantile = forecast.purchase_quantiles([0.05, 0.5, 0.95])
    assert (np.diff(quantile, axis=0) >= 0).all()
    assert (forecast.tail(quantile[2] + 1) <= 0.05 + 1e-12).all()


@pytest.mark.parametrize("name", QUICK)
def test_money_is_a_distribution_with_the_mean_that_is_told(forecasts, future, name):
    forecast = forecasts[name]
    quantile = forecast.spend_quantiles([0.5, 0.9, 0.99])
    cdf = forecast.spend_cdf(quantile[2])
    np.testing.assert_allclose(cdf[quantile[2] > 0], 0.99, atol=1e-6)
    np.testing.assert_allclose(forecast.spend_cdf(np.zeros(len(future))), forecast.pmf(np.zeros(len(future))))
    # E[W] = ∫ P(W > w) dw, by the quantile function on a fine grid of levels.
    rows = np.arange(0, len(future), 60)
    levels = (np.arange(2000) + 0.5) / 2000
    some = replace(
        forecast,
        mean=forecast.mean[rows],
        alive=forecast.alive[rows],
        rfm=forecast.rfm[rows],
        believed=forecast.believed[rows],
        money=None if forecast.money is None else forecast.money[rows],
    )
    np.testing.assert_allclose(some.spend_quantiles(levels).mean(axis=0), some.expected_spend, rtol=0.05)


@pytest.mark.parametrize("name", QUICK)
def test_every_challenger_beats_one_rate_for_all(forecasts, future, name):
    y = future.purchases
    score = -np.log(forecasts[name].pmf(y)).mean()
    counts = np.bincount(y.astype(int)) / len(y)
    nobody_differs = -np.log(counts[y.astype(int)]).mean()
    assert score < nobody_differs - 0.02


@pytest.mark.parametrize("name", [name for name in QUICK if name != "linear"])
def test_totals_are_near_the_truth_and_keen_visitors_are_expected_to_buy_more(fitted, future, name):
    model = fitted[name]
    base = model.forecast(future.rfm, future.features, DAYS).expected_purchases
    assert base.sum() == pytest.approx(future.purchases.sum(), rel=0.25)
    visits = future.features["visits"].to_numpy()
    keener = future.features.set_column(0, "visits", pa.array(visits + 1.0))
    assert model.forecast(future.rfm, keener, DAYS).expected_purchases.sum() > 1.02 * base.sum()


def test_trees_on_top_of_the_forecast_use_what_the_history_does_not_tell(fitted, known, future):
    """In mean and in log score they are better than the forecast they start from."""
    base = candidate("mbg_nbd").fit(known).forecast(future.rfm, None, DAYS)
    on_top = fitted["lightgbm_offset"].forecast(future.rfm, future.features, DAYS)

    def squared_error(forecast):
        return np.square(forecast.expected_purchases - future.purchases).mean()

    assert squared_error(on_top) < squared_error(base)


def test_the_law_is_learnt_from_customers_who_were_left_out(forecasts, future):
    """Half of the randomised PIT values lie in the middle half, within four standard errors."""
    rng = np.random.default_rng(0)
    for name in ("multiple", "lightgbm_poisson", "lightgbm_offset"):
        forecast, y = forecasts[name], future.purchases
        below, at = 1.0 - forecast.tail(y), 1.0 - forecast.tail(y + 1)
        pit = below + rng.random(len(y)) * (at - below)
        middle = ((pit > 0.25) & (pit < 0.75)).mean()
        assert abs(middle - 0.5) < 4 * np.sqrt(0.25 / len(y))


@pytest.mark.parametrize("name", QUICK)
def test_a_stored_challenger_forecasts_the_same_and_holds_no_code(fitted, forecasts, future, name):
    model = ClvModel(name, fitted[name], DAYS)
    files = model.to_files()
    assert {file.rsplit(".", 1)[1] for file in files} <= {"json", "npz", "txt"}
    again = ClvModel.from_files(files)
    one, other = model.predict(future.rfm, future.features), again.predict(future.rfm, future.features)
    for field, value in vars(one).items():
        np.testing.assert_array_equal(getattr(other, field), value)
    assert again.features == model.features
    assert again.fitted.summary == fitted[name].summary
    assert again.to_files() == files


def test_files_of_another_challenger_are_refused(fitted):
    with pytest.raises(ValueError, match="multiple"):
        candidate("multiple").load(fitted["linear"].to_files())


@pytest.mark.parametrize("name", QUICK)
def test_the_same_seed_gives_the_same_model(fitted, known, name):
    assert candidate(name, **QUICK[name]).fit(known).to_files() == fitted[name].to_files()


@pytest.mark.parametrize("name", QUICK)
def test_features_are_named_and_the_summary_is_plain(fitted, name):
    model = fitted[name]
    assert set(model.features) == (set() if name == "linear" else COLUMN)
    assert model.converged
    assert model.has_spend
    assert model.summary["rows"] == 1800
    assert model.summary["spend"] == (
        "purchases times value" if name in ("lightgbm_poisson", "lightgbm_offset", "xgboost") else "learnt"
    )


def test_the_order_of_rows_and_of_columns_plays_no_part(fitted, future):
    back = np.arange(len(future))[::-1]
    turned = future.rows(back)
    shuffled = turned.features.select(["nps", "visits", "channel"])
    for name, model in fitted.items():
        one = model.forecast(future.rfm, future.features, DAYS).expected_purchases
        other = model.forecast(turned.rfm, shuffled, DAYS).expected_purchases
        np.testing.assert_allclose(other[back], one, rtol=1e-12, err_msg=name)
