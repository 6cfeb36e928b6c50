"""Bad input is refused with a message that names the rows and the rule, or warned about; never half used."""

from __future__ import annotations

import numpy as np
import pytest

from axiom.clv import BetaGeo, GammaGamma, ModifiedBetaGeo

GOOD = {"x": [0, 2, 5, 1], "t_x": [0.0, 3.0, 9.0, 4.0], "T": [10.0, 10.0, 10.0, 8.0]}
BROKEN = [
    ({"t_x": [0.0, 11.0, 9.0, 4.0]}, r"t_x .* must not be after T .*1 of 4 rows \(index 1\)"),
    ({"t_x": [0.0, 0.0, 9.0, 0.0]}, r"x > 0 must have t_x > 0.*2 of 4 rows \(index 1, 3\)"),
    ({"t_x": [1.0, 3.0, 9.0, 4.0]}, r"x = 0 must have t_x = 0.*index 0"),
    ({"t_x": [0.0, -3.0, 9.0, 4.0]}, r"t_x .* must not be negative.*index 1"),
    ({"x": [0, -2, 5, 1]}, r"x .* must not be negative.*index 1"),
    ({"x": [0, 2.5, 5, 1]}, r"x .* must be whole numbers.*index 1"),
    ({"T": [-1.0, 10.0, 10.0, 8.0]}, r"T .* must not be negative.*index 0"),
    ({"x": [0, np.nan, 5, 1]}, r"x must be finite.*index 1"),
    ({"t_x": [0.0, 3.0, np.inf, 4.0]}, r"t_x must be finite.*index 2"),
    ({"T": [10.0, 10.0, 10.0, np.nan]}, r"T must be finite.*index 3"),
    ({"x": ["a", "b", "c", "d"]}, r"x must be numbers"),
]
MODELS = [BetaGeo, ModifiedBetaGeo]


@pytest.mark.parametrize(("change", "message"), BROKEN)
@pytest.mark.parametrize("kind", MODELS)
def test_a_broken_history_is_refused_by_fit(kind, change, message) -> None:
    with pytest.raises(ValueError, match=message):
        kind().fit(**(GOOD | change))


@pytest.mark.parametrize(("change", "message"), BROKEN)
def test_a_broken_history_is_refused_by_predictions(change, message) -> None:
    model = BetaGeo.from_params({"r": 0.2, "alpha": 4.0, "a": 0.8, "b": 2.4})
    history = GOOD | change
    for predict in (
        lambda: model.expected_purchases(10.0, **history),
        lambda: model.probability_alive(**history),
        lambda: model.purchase_quantile(0.5, 10.0, **history),
        lambda: model.discounted_purchases(0.1, **history),
        lambda: GammaGamma.from_params({"p": 6.0, "q": 4.0, "gamma": 15.0}).value_quantile(
            0.5, model, 10.0, **history, mean_spend=[0.0, 1.0, 2.0, 3.0]
        ),
    ):
        with pytest.raises(ValueError, match=message):
            predict()


def test_many_broken_rows_are_counted_and_the_first_named() -> None:
    with pytest.raises(ValueError, match=r"60 of 100 rows \(index 40, 41, 42, 43, 44, …\)"):
        BetaGeo().fit(np.ones(100), np.full(100, 5.0), np.where(np.arange(100) < 40, 6.0, 4.0))


@pytest.mark.parametrize(
    "change",
    [{"T": [10.0, 10.0]}, {"x": [[0, 2, 5, 1]]}, {"weights": [1.0, 2.0]}, {"x": 3, "t_x": 2.0, "T": 5.0}],
)
def test_shapes_that_do_not_match_are_refused(change) -> None:
    with pytest.raises(ValueError, match="one-dimensional and of one length"):
        BetaGeo().fit(**(GOOD | change))


def test_shapes_that_do_not_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match="must have one shape"):
        BetaGeo.from_params({"r": 1, "alpha": 1, "a": 1, "b": 1}).probability_alive([1, 2], [1.0, 2.0, 3.0], 4.0)


@pytest.mark.parametrize("weights", [[1, 0, 1, 1], [1, -1, 1, 1]])
def test_weights_must_be_positive(weights) -> None:
    with pytest.raises(ValueError, match=r"weights must be positive.*index 1"):
        BetaGeo().fit(**GOOD, weights=weights)


def test_no_customers_are_refused() -> None:
    with pytest.raises(ValueError, match="there are no customers"):
        BetaGeo().fit([], [], [])


def test_one_customer_is_refused() -> None:
    with pytest.raises(ValueError, match="one customer is not a population"):
        BetaGeo().fit([2], [3.0], [10.0])


def test_nobody_repeating_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody repeats"):
        BetaGeo().fit([0, 0, 0], [0.0, 0.0, 0.0], [3.0, 4.0, 5.0])


def test_customers_never_observed_are_warned_about_and_change_nothing() -> None:
    with pytest.warns(UserWarning, match=r"2 customers have T = 0 \(index 4, 5\)"):
        with_them = BetaGeo().fit([*GOOD["x"], 0, 0], [*GOOD["t_x"], 0, 0], [*GOOD["T"], 0, 0])
    assert with_them.theta_ == pytest.approx(BetaGeo().fit(**GOOD).theta_, abs=1e-7)


def test_a_population_that_was_never_observed_is_refused() -> None:
    with pytest.warns(UserWarning, match="T = 0"), pytest.raises(ValueError, match="every T is 0"):
        BetaGeo().fit([0, 0], [0, 0], [0, 0])


@pytest.mark.parametrize("kind", MODELS)
def test_identical_customers_are_warned_about_and_still_converge(kind) -> None:
    with pytest.warns(UserWarning, match="all customers have the same history"):
        model = kind().fit(np.full(50, 3), np.full(50, 6.0), np.full(50, 10.0))
    assert model.converged_
    assert np.isfinite(model.expected_purchases(5.0, 3, 6.0, 10.0))


@pytest.mark.parametrize("t", [-1.0, np.nan, np.inf])
def test_a_future_that_is_no_length_of_time_is_refused(t) -> None:
    model = BetaGeo.from_params({"r": 0.2, "alpha": 4.0, "a": 0.8, "b": 2.4})
    for predict in (model.expected_purchases, lambda t: model.purchase_quantile(0.5, t), lambda t: model.tail(1, t)):
        with pytest.raises(ValueError, match="t "):
            predict(t)


@pytest.mark.parametrize("q", [0.0, 1.0, -0.1, 1.5, np.nan])
def test_levels_outside_of_zero_and_one_are_refused(q) -> None:
    model = BetaGeo.from_params({"r": 0.2, "alpha": 4.0, "a": 0.8, "b": 2.4})
    spend = GammaGamma.from_params({"p": 6.0, "q": 4.0, "gamma": 15.0})
    for predict in (
        lambda: model.purchase_quantile(q, 1.0),
        lambda: model.next_purchase_quantile(q),
        lambda: spend.value_quantile(q, model, 1.0, 1, 2.0, 3.0, 10.0),
    ):
        with pytest.raises(ValueError, match="q "):
            predict()


@pytest.mark.parametrize("n", [-1, 1.5, np.nan])
def test_counts_that_are_no_counts_are_refused(n) -> None:
    with pytest.raises(ValueError, match="n "):
        BetaGeo.from_params({"r": 0.2, "alpha": 4.0, "a": 0.8, "b": 2.4}).purchase_pmf(n, 1.0)


@pytest.mark.parametrize("rate", [0.0, -0.1, np.inf, np.nan])
def test_discounting_needs_a_positive_rate(rate) -> None:
    with pytest.raises(ValueError, match="must be positive and finite"):
        BetaGeo.from_params({"r": 0.2, "alpha": 4.0, "a": 0.8, "b": 2.4}).discounted_purchases(rate)


def test_dates_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="t_1 must not be after t_2"):
        BetaGeo.from_params({"r": 0.2, "alpha": 4.0, "a": 0.8, "b": 2.4}).expected_purchases_between(3.0, 2.0)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"r": 1.0, "alpha": 1.0, "a": 1.0}, "has the parameters r, alpha, a, b"),
        ({"r": 1.0, "alpha": 1.0, "a": 1.0, "b": -1.0}, "b must be positive and finite"),
        ({"r": np.nan, "alpha": 1.0, "a": 1.0, "b": 1.0}, "r must be positive and finite"),
    ],
)
def test_parameters_that_are_none_are_refused(params, message) -> None:
    with pytest.raises(ValueError, match=message):
        BetaGeo.from_params(params)
    with pytest.raises(ValueError, match=message):
        BetaGeo().fit(**GOOD, start=params)


def test_an_unfitted_model_says_so() -> None:
    for ask in (lambda: BetaGeo().params_, lambda: BetaGeo().expected_purchases(1.0), lambda: GammaGamma().to_json()):
        with pytest.raises(ValueError, match="is not fitted; call fit first"):
            ask()


@pytest.mark.parametrize("prior_sd", [0.0, -1.0, np.nan])
def test_a_prior_needs_a_positive_sd(prior_sd) -> None:
    with pytest.raises(ValueError, match="prior_sd must be positive"):
        BetaGeo(prior_sd=prior_sd).fit(**GOOD)
    with pytest.raises(ValueError, match="prior_sd must be positive"):
        GammaGamma(prior_sd=prior_sd).fit([1, 2], [3.0, 4.0])


def test_draws_need_a_positive_count() -> None:
    with pytest.raises(ValueError, match="parameter_draws must be positive"):
        BetaGeo().fit(**GOOD).purchase_quantile(0.5, 1.0, parameter_draws=-1)


@pytest.mark.parametrize("amount", [0.0, -5.0])
def test_amounts_must_be_positive(amount) -> None:
    with pytest.raises(ValueError, match=r"mean_spend must be positive where x > 0.*index 2"):
        GammaGamma().fit([1, 2, 3, 0], [5.0, 6.0, amount, 0.0])
    with pytest.raises(ValueError, match=r"mean_spend must be positive where x > 0.*index 1"):
        GammaGamma.from_params({"p": 6.0, "q": 4.0, "gamma": 15.0}).expected_spend([1, 2], [4.0, amount])


@pytest.mark.parametrize("amount", [np.nan, np.inf])
def test_amounts_must_be_known(amount) -> None:
    with pytest.raises(ValueError, match=r"mean_spend must be finite where x > 0.*index 0"):
        GammaGamma().fit([1, 2], [amount, 6.0])


def test_a_spend_model_needs_two_repeat_buyers() -> None:
    with pytest.raises(ValueError, match="1 repeat buyers are too few"):
        GammaGamma().fit([1, 0, 0], [5.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="0 repeat buyers are too few"):
        GammaGamma().fit([0, 0], [0.0, 0.0])


def test_spend_that_is_the_same_for_all_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"all repeat buyers spend the same \(9.99 a purchase\).*multiply"):
        GammaGamma().fit([1, 2, 5], [9.99, 9.99, 9.99])


def test_a_spend_model_refuses_shapes_counts_and_weights() -> None:
    with pytest.raises(ValueError, match="one-dimensional and of one length"):
        GammaGamma().fit([1, 2, 3], [5.0, 6.0])
    with pytest.raises(ValueError, match="must be whole and not negative"):
        GammaGamma().fit([1, 2.5], [5.0, 6.0])
    with pytest.raises(ValueError, match="weights must be positive"):
        GammaGamma().fit([1, 2], [5.0, 6.0], weights=[1.0, 0.0])
    with pytest.raises(ValueError, match="x and mean_spend must have one shape"):
        GammaGamma.from_params({"p": 6.0, "q": 4.0, "gamma": 15.0}).expected_spend([1, 2, 3], [4.0, 5.0])


def test_a_mean_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="q must exceed 1"):
        GammaGamma.from_params({"p": 6.0, "q": 0.9, "gamma": 15.0})


def test_spend_that_depends_on_frequency_is_warned_about() -> None:
    rng = np.random.default_rng(0)
    x = 1.0 + rng.poisson(4.0, 2_000)
    with pytest.warns(UserWarning, match=r"x and mean spend correlate with 0\.[5-9]"):
        model = GammaGamma().fit(x, x * rng.gamma(9.0, 1.0, x.size))
    assert model.correlation_ > 0.5
    assert GammaGamma(correlation_limit=0.99).fit(x, x * rng.gamma(9.0, 1.0, x.size)).converged_


def test_a_fit_that_does_not_converge_says_so(monkeypatch) -> None:
    from axiom.clv import fitted
    from axiom.clv.newton import maximise

    monkeypatch.setattr(fitted, "maximise", lambda objective, start: maximise(objective, start, max_iter=1))
    with pytest.warns(UserWarning, match="beta-geo did not converge"):
        model = BetaGeo().fit(**GOOD)
    assert not model.converged_
    assert "NOT CONVERGED" in model.summary()
