"""What challengers refuse, what they put up with, and that they say so."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from axiom.errors import AxiomError, BadInputError, CorruptError, MisuseError
from axiom.training.clv import backtest_clv
from axiom.training.clv.candidates import candidate
from axiom.training.clv.options import ClvOptions
from axiom.training.clv_challengers.law import Spread

QUICK = {
    "linear": {},
    "multiple": {},
    "polynomial": {},
    "lightgbm_poisson": {"trees": 20},
    "lightgbm_tweedie": {"trees": 20},
    "lightgbm_offset": {"trees": 20},
    "xgboost": {"trees": 20},
}
DAYS = 60
everyone = pytest.mark.parametrize("name", QUICK)


def learn(name, known):
    return candidate(name, **QUICK[name]).fit(known)


def with_features(known, change):
    past = tuple(replace(origin, features=change(origin.features)) for origin in known.past)
    return replace(known, past=past, now=replace(known.now, features=change(known.now.features)))


def born(rows):
    return pa.array(np.full(rows, "2001-01-01", dtype="datetime64[s]"))


def of_rows(origin, rows):
    return origin.rows(np.asarray(rows))


@everyone
def test_without_a_past_origin_there_is_nothing_to_learn(known, name):
    with pytest.raises(BadInputError, match="past cut-offs"):
        learn(name, replace(known, past=()))


@everyone
def test_one_row_is_refused_with_the_numbers(known, name):
    with pytest.raises(BadInputError, match=r"have 0 rows and 0 customers.*one customer"):
        learn(name, replace(known, past=(of_rows(known.past[0], [0]),)))


@everyone
def test_an_origin_where_nobody_bought_afterwards_is_refused(known, name):
    origin = known.past[0]
    quiet = replace(origin, purchases=np.zeros(len(origin)), spend=np.zeros(len(origin)))
    with pytest.raises(BadInputError, match="0 customers who bought"):
        learn(name, replace(known, past=(quiet,)))


@everyone
def test_one_customer_can_be_forecast_and_so_can_nobody(known, future, name):
    model = learn(name, known)
    one = of_rows(future, [5])
    every = model.forecast(future.rfm, future.features, DAYS)
    alone = model.forecast(one.rfm, one.features, DAYS)
    np.testing.assert_allclose(alone.expected_purchases, every.expected_purchases[[5]], rtol=1e-12)
    nobody = of_rows(future, np.zeros(0, dtype=np.int64))
    assert model.forecast(nobody.rfm, nobody.features, DAYS).expected_purchases.shape == (0,)


@everyone
def test_missing_constant_and_empty_columns_are_put_up_with_and_named(known, future, name):
    def spoil(features):
        n = features.num_rows
        visits = np.where(np.arange(n) % 5 == 0, np.nan, features["visits"].to_numpy())
        return (
            features.set_column(0, "visits", pa.array(visits))
            .append_column("always_7", pa.array(np.full(n, 7.0)))
            .append_column("never", pa.nulls(n, pa.float64()))
        )

    model = learn(name, with_features(known, spoil))
    if name != "linear":
        assert "always_7" in " ".join(model.warnings)
        assert "never" in " ".join(model.warnings)
    assert not {"always_7", "never"} & set(model.features)
    # A dropped column need not be there when it comes to forecasting, and a value may be missing.
    features = future.features.set_column(0, "visits", pa.nulls(len(future), pa.float64()))
    assert np.isfinite(model.forecast(future.rfm, features, DAYS).expected_purchases).all()


@everyone
def test_an_unseen_category_is_put_up_with(known, future, name):
    model = learn(name, known)
    features = future.features.set_column(1, "channel", pa.array(["fair"] * len(future)))
    assert np.isfinite(model.forecast(future.rfm, features, DAYS).expected_purchases).all()


@pytest.mark.parametrize("name", [name for name in QUICK if name != "linear"])
def test_a_feature_that_is_gone_is_refused(known, future, name):
    model = learn(name, known)
    with pytest.raises(BadInputError, match="visits"):
        model.forecast(future.rfm, future.features.drop_columns(["visits"]), DAYS)
    with pytest.raises(BadInputError, match="not in the table"):
        model.forecast(future.rfm, None, DAYS)


@everyone
def test_an_infinite_or_a_dated_feature_is_refused(known, name):
    if name == "linear":
        assert learn(name, known).features == ()
        return
    with pytest.raises(BadInputError, match="infinite"):
        learn(name, with_features(known, lambda f: f.set_column(0, "visits", pa.array(np.full(f.num_rows, np.inf)))))
    with pytest.raises(BadInputError, match="numbers or text"):
        learn(name, with_features(known, lambda f: f.append_column("born", born(f.num_rows))))


@everyone
def test_without_features_the_rfm_summary_is_enough(known, future, name):
    bare = replace(
        known,
        now=replace(known.now, features=None),
        past=tuple(replace(origin, features=None) for origin in known.past),
    )
    model = learn(name, bare)
    assert model.features == ()
    assert np.isfinite(model.forecast(future.rfm, None, DAYS).expected_purchases).all()


@everyone
def test_without_amounts_there_is_no_money(known, future, name):
    def poor(rfm):
        return replace(rfm, mean_spend=np.full(len(rfm), np.nan))

    past = tuple(replace(origin, spend=None, rfm=poor(origin.rfm)) for origin in known.past)
    model = learn(name, replace(known, past=past, now=replace(known.now, rfm=poor(known.now.rfm))))
    forecast = model.forecast(poor(future.rfm), future.features, DAYS)
    assert not model.has_spend
    assert forecast.expected_spend is None


@everyone
def test_another_horizon_is_refused(known, future, name):
    with pytest.raises(BadInputError, match="taught 60 days"):
        learn(name, known).forecast(future.rfm, future.features, 90)


@pytest.mark.parametrize(
    ("name", "params", "what"),
    [
        ("linear", {"trees": 3}, "no hyper-parameter trees"),
        ("polynomial", {"degree": 9}, r"degree must lie in \[1, 4\]"),
        ("polynomial", {"degree": 2.5}, "whole number"),
        ("multiple", {"l2": "much"}, "must be a number"),
        ("multiple", {"l2": float("nan")}, "must lie in"),
        ("lightgbm_tweedie", {"power": 2.0}, "power must lie in"),
        ("lightgbm_poisson", {"trees": 0}, "trees must lie in"),
        ("lightgbm_offset", {"base": "prophet"}, "base must be one of bg_nbd, mbg_nbd, pareto_nbd"),
        ("xgboost", {"threads": True}, "must be a number"),
    ],
)
def test_a_wrong_hyper_parameter_is_refused(name, params, what):
    with pytest.raises(MisuseError, match=what):
        candidate(name, **params)


def test_without_xgboost_the_way_out_is_named(known, monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(AxiomError, match=r"axiom\[xgboost\]"):
        learn("xgboost", known)


def test_belief_in_p_alive_is_learnt():
    """Nothing where P(alive) is noise, nearly all where it is true."""
    rng = np.random.default_rng(4)
    alive, mean = rng.uniform(0.1, 1.0, 20_000), np.full(20_000, 1.5)
    noise = Spread.fit(rng.negative_binomial(2.0, 2.0 / 3.5, 20_000).astype(float), mean, alive)
    assert noise.belief < 0.05
    assert noise.size == pytest.approx(2.0, rel=0.1)
    truth = np.where(rng.random(20_000) < alive, rng.poisson(rng.gamma(5.0, 1.5 / alive / 5.0)), 0).astype(float)
    found = Spread.fit(truth, mean, alive)
    assert found.belief > 0.92
    assert found.size == pytest.approx(5.0, rel=0.25)


def test_the_backtest_judges_them_like_everybody_else(shop, horizon):
    origins = [shop.origin(cutoff) for cutoff in (120, 180, 240)]
    options = ClvOptions(
        candidates=("bg_nbd", "multiple", "lightgbm_offset"), params={"lightgbm_offset": {"trees": 20}}
    )
    found = backtest_clv(origins, horizon, options=options)
    judged = {(judgement.candidate, judgement.as_of[:10]): judgement for judgement in found.judgements}
    assert "past cut-offs" in judged["multiple", "2023-05-01"].failed
    assert all(found.contender(name).scores for name in options.candidates)
    assert len(found.compared) == 2


@everyone
def test_a_past_origin_before_anybody_came_back_is_left_out_with_a_warning(known, name):
    early = known.past[0]
    nobody = np.zeros(len(early))
    fresh = replace(early, rfm=replace(early.rfm, x=nobody, t_x=nobody, mean_spend=np.full(len(early), np.nan)))
    model = learn(name, replace(known, past=(fresh, *known.past[1:])))
    assert model.summary["origins"] == 2
    assert "2023-05-01 is left out: nobody repeats" in model.warnings[0]


@pytest.mark.parametrize("name", ["lightgbm_poisson", "xgboost"])
def test_damaged_trees_are_called_corrupt(known, future, name):
    files = learn(name, known).to_files()
    files["head.text.txt"] = b"tree of life"
    damaged = candidate(name).load(files)
    with pytest.raises(CorruptError, match="cannot be read"):
        damaged.forecast(future.rfm, future.features, DAYS)
