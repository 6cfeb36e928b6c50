"""A fitted model survives the trip through JSON, and nothing else is taken for one."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from axiom.clv import BetaGeo, BetaGeoRegression, GammaGamma, ModifiedBetaGeo

MODELS = [BetaGeo, ModifiedBetaGeo]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("prior_sd", [4.0, np.inf])
def test_a_purchase_model_comes_back_the_same(kind, prior_sd, cdnow, tmp_path) -> None:
    model = kind(prior_sd=prior_sd).fit(*cdnow.history)
    model.save(tmp_path / "model.json")
    loaded = kind.load(tmp_path / "model.json")
    assert loaded.params_ == model.params_
    assert loaded.standard_errors_ == model.standard_errors_
    assert loaded.summary() == model.summary()
    assert loaded.prior_sd == prior_sd
    np.testing.assert_array_equal(
        loaded.purchase_quantile([0.1, 0.9], 39.0, *cdnow.history),
        model.purchase_quantile([0.1, 0.9], 39.0, *cdnow.history),
    )
    assert [d.params_ for d in loaded.draws(3, seed=1)] == [d.params_ for d in model.draws(3, seed=1)]


def test_a_spend_model_comes_back_the_same(cdnow) -> None:
    model = GammaGamma(correlation_limit=0.2).fit(cdnow.x, cdnow.mean_spend)
    loaded = GammaGamma.from_json(model.to_json())
    assert loaded.params_ == model.params_
    assert (loaded.correlation_, loaded.correlation_limit) == (model.correlation_, 0.2)


def test_the_file_is_plain_json_with_version_name_and_parameters(cdnow) -> None:
    stored = json.loads(BetaGeo().fit(*cdnow.history).to_json())
    assert (stored["format"], stored["model"], stored["converged"]) == (1, "beta-geo", True)
    assert set(stored["params"]) == {"r", "alpha", "a", "b"}


def test_models_pickle(cdnow) -> None:
    model = BetaGeo().fit(*cdnow.history)
    assert pickle.loads(pickle.dumps(model)).params_ == model.params_


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:40], "must be JSON"),
        (lambda _: "[]", "not a stored model of format 1"),
        (lambda text: text.replace('"format": 1', '"format": 99'), "not a stored model of format 1"),
        (lambda text: text.replace("beta-geo", "pareto-nbd"), "holds the model 'pareto-nbd', not 'beta-geo'"),
        (lambda text: text.replace('"theta"', '"eta"'), "the stored beta-geo is incomplete"),
        (
            lambda text: text.replace('"converged": true', '"converged": true, "theta": [1.0]'),
            "has 1 working parameters",
        ),
    ],
)
def test_damaged_files_are_refused(damage, message, cdnow) -> None:
    text = BetaGeo().fit(*cdnow.history).to_json()
    with pytest.raises(ValueError, match=message):
        BetaGeo.from_json(damage(text))


def test_the_summary_shows_estimates_errors_and_the_state(cdnow) -> None:
    lines = BetaGeo().fit(*cdnow.history).summary().splitlines()
    assert lines[0].startswith("beta-geo: 2357 customers, log likelihood -9582.42")
    assert "converged in" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == ["r", "alpha", "a", "b"]


def test_confidence_intervals_are_symmetric_on_the_log_scale(cdnow) -> None:
    model = BetaGeo().fit(*cdnow.history)
    for (low, high), value in zip(model.confidence_intervals(0.9).values(), model.params_.values(), strict=True):
        assert low < value < high
        assert low * high == pytest.approx(value**2)
    with pytest.raises(ValueError, match="level must lie in"):
        model.confidence_intervals(1.0)


def test_a_regression_comes_back_with_its_names(cdnow) -> None:
    z = np.random.default_rng(0).normal(size=cdnow.x.size)
    model = BetaGeoRegression().fit(*cdnow.history, rate=z, rate_names=["age"])
    loaded = BetaGeoRegression.from_json(model.to_json())
    assert loaded.params_ == model.params_
    assert loaded.coefficients_ == model.coefficients_
    np.testing.assert_array_equal(
        loaded.customers(z).expected_purchases(9.0, *cdnow.history),
        model.customers(z).expected_purchases(9.0, *cdnow.history),
    )
