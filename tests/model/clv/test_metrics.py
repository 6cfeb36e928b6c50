from __future__ import annotations

import numpy as np
import pytest

from axiom.maths import forecast
from axiom.maths.intervals import bootstrap, each_draw
from axiom.training.clv.metrics import Linear, mean, paired_test, point_metrics
from axiom.training.clv.series import IDENTITY, Series, covered, metric_names, scores

NAMES = ("pinball", "mae", "rmse", "mase", "smape", "mape", "r2", "bias")


def series(n: int = 800, seed: int = 3, **changes: object) -> Series:
    rng = np.random.default_rng(seed)
    expected = rng.gamma(1.0, 1.0, n)
    parts = {
        "customer": np.arange(n),
        "actual": rng.poisson(expected).astype(float),
        "expected": expected,
        "naive": rng.gamma(1.0, 1.0, n),
        "pinball": rng.random(n),
        "pit": rng.random(n),
        "recalibrated": {0.8: np.full(n, np.nan)},
    }
    return Series(**{**parts, **changes})  # type: ignore[arg-type]


def defined(found: Linear | str) -> Linear:
    assert isinstance(found, Linear), found
    return found


def test_values_are_those_of_the_forecast_mathematics() -> None:
    s = series()
    found = {name: defined(metric).value for name, metric in point_metrics(s).items()}
    assert found == pytest.approx(
        {
            "pinball": s.pinball.mean(),
            "mae": forecast.mae(s.actual, s.expected),
            "rmse": forecast.rmse(s.actual, s.expected),
            "mase": forecast.mase(s.actual, s.expected, s.naive),
            "smape": forecast.smape(s.actual, s.expected),
            "mape": forecast.mape(s.actual, s.expected).value,
            "r2": forecast.r_squared(s.actual, s.expected),
            "bias": forecast.total_bias(s.actual, s.expected),
        },
        rel=1e-12,
    )


@pytest.mark.parametrize(
    ("name", "statistic"),
    [
        ("mae", lambda s, w: forecast.mae(s.actual, s.expected, w)),
        ("rmse", lambda s, w: forecast.rmse(s.actual, s.expected, w)),
        ("mase", lambda s, w: forecast.mase(s.actual, s.expected, s.naive, w)),
        ("mape", lambda s, w: forecast.mape(s.actual, s.expected, w).value),
        ("r2", lambda s, w: forecast.r_squared(s.actual, s.expected, w)),
        ("bias", lambda s, w: forecast.total_bias(s.actual, s.expected, w)),
    ],
)
def test_intervals_agree_with_the_bootstrap(name: str, statistic: object) -> None:
    s = series(n=2000)
    interval = defined(point_metrics(s)[name]).interval(0.95)
    drawn = bootstrap(each_draw(lambda w: statistic(s, w)), 2000, draws=600, seed=1)  # type: ignore[operator]
    assert interval.high - interval.low == pytest.approx(drawn.high - drawn.low, rel=0.12)


def test_influences_sum_to_nothing() -> None:
    for name, metric in point_metrics(series()).items():
        assert abs(defined(metric).influence.sum()) < 1e-10, name


def test_a_customer_at_two_origins_is_not_two_independent_facts() -> None:
    s = series()
    twice = Series.joined([s, s])
    assert defined(point_metrics(twice)["mae"]).error == pytest.approx(defined(point_metrics(s)["mae"]).error)


def test_different_customers_at_two_origins_are() -> None:
    s = series()
    other = series(customer=np.arange(800) + 800)
    error = defined(point_metrics(Series.joined([s, other]))["mae"]).error
    assert error == pytest.approx(defined(point_metrics(s)["mae"]).error / np.sqrt(2), rel=1e-3)


def test_nobody_buying_leaves_what_divides_by_purchases_undefined_and_says_so() -> None:
    found = point_metrics(series(actual=np.zeros(800)))
    assert {name for name in NAMES if isinstance(found[name], str)} == {"mape", "r2", "bias"}
    assert found["bias"] == "nobody bought in the label window"
    assert found["r2"] == "every customer did the same (0)"


def test_a_perfect_naive_forecast_leaves_mase_undefined() -> None:
    s = series()
    assert isinstance(point_metrics(series(naive=s.actual))["mase"], str)


def test_a_single_customer_has_values_and_no_intervals() -> None:
    s = series(n=1, actual=np.array([2.0]))
    found = scores(s.metrics("purchases", (0.8,)), 0.95)
    assert {score.value for score in found.values()} == {None}
    assert found["mae_purchases"].why == "a single customer has no interval"


def test_a_perfect_forecast_has_no_error_at_all() -> None:
    s = series()
    found = point_metrics(series(expected=s.actual))
    assert defined(found["rmse"]).interval(0.95).high == 0
    assert defined(found["r2"]).value == 1


def test_limits_stay_where_the_metric_can_be() -> None:
    s = series(n=4, pit=np.array([0.5, 0.4, 0.6, 0.01]))
    coverage = scores(s.metrics("purchases", (0.8,)), 0.95)["coverage_80_purchases"].value
    assert coverage is not None
    assert coverage.high == 1.0


def test_coverage_is_the_share_of_pit_values_between_the_levels() -> None:
    s = series()
    share = covered(s.pit, 0.8, IDENTITY).mean()
    assert share == forecast.pit_coverage(s.pit, 0.1, 0.9).value


def test_recalibrated_coverage_rests_on_the_origins_that_have_it() -> None:
    s = series(recalibrated={0.8: np.r_[np.full(400, np.nan), np.ones(300), np.zeros(100)]})
    found = s.metrics("purchases", (0.8,))["recalibrated_80_purchases"]
    assert defined(found).value == 0.75


def test_a_paired_difference_is_sharper_than_two_intervals() -> None:
    s = series()
    near = series(expected=s.expected * 1.02)
    test = paired_test(point_metrics(near)["mae"], point_metrics(s)["mae"], 0.95)
    assert test is not None
    alone = defined(point_metrics(s)["mae"]).interval(0.95)
    assert test.difference.high - test.difference.low < 0.2 * (alone.high - alone.low)


def test_a_model_does_not_differ_from_itself() -> None:
    metric = point_metrics(series())["rmse"]
    test = paired_test(metric, metric, 0.95)
    assert test is not None
    assert (test.difference.value, test.p_value) == (0.0, 1.0)


def test_what_rests_on_other_rows_is_not_compared() -> None:
    one, other = mean(np.arange(3.0), np.array([1, 2, 3])), mean(np.arange(3.0), np.array([1, 2, 4]))
    with pytest.raises(ValueError, match="same rows"):
        one.minus(other)
    assert paired_test(one, other, 0.95) is None
    assert paired_test(one, "not defined", 0.95) is None


def test_every_metric_has_its_place_in_the_table() -> None:
    made = {name for what in ("purchases", "spend") for name in series().metrics(what, (0.8,))}
    assert set(metric_names((0.8,))) == made | {"log_score"}
