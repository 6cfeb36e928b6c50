"""Cox regression: published numbers, equality with lifelines, derivatives, invariances, predictions, bad input."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi
from lifelines.statistics import proportional_hazard_test
from scipy import stats

from axiom.maths.survival import CoxPH, concordance_index, kaplan_meier, proportionality_test
from axiom.maths.survival.partial_likelihood import RiskSets


@pytest.fixture(scope="module")
def rossi() -> pd.DataFrame:
    return load_rossi().astype(float)


def lifelines_fit(frame: pd.DataFrame, penalizer: float = 0.0, **options) -> CoxPHFitter:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about real-valued weights
        # Left to itself it stops about 4e-6 short of the maximum on these data.
        tight = {"precision": 1e-12, "r_precision": 1e-16}
        return CoxPHFitter(penalizer=penalizer).fit(frame, "t", "e", fit_options=tight, **options)


def frame_of(followed, **more) -> pd.DataFrame:
    frame = pd.DataFrame(followed.x, columns=["x0", "x1", "x2"])
    return frame.assign(t=followed.durations, e=followed.events, **more)


def halves(followed):
    """Two strata with different clocks."""
    group = np.where(np.arange(followed.events.size) % 3 == 0, "new", "old")
    return group, np.where(group == "new", followed.durations, np.ceil(followed.durations / 2))


def test_reference_numbers_of_rossi(rossi) -> None:
    # lifelines documentation, Efron ties.
    x = rossi.drop(columns=["week", "arrest"])
    model = CoxPH().fit(x, rossi["week"], rossi["arrest"], names=list(x))
    assert model.coefficients_ == pytest.approx(
        [-0.379422, -0.057438, 0.313900, -0.149796, -0.433704, -0.084871, 0.091497], abs=6e-7
    )
    assert model.log_likelihood_ == pytest.approx(-658.747659, abs=6e-7)
    risk = model.log_partial_hazard(x)
    assert concordance_index(rossi["week"], rossi["arrest"], risk) == pytest.approx(0.640329, abs=6e-7)
    assert model.converged_
    assert model.n_events_ == 114


def test_summary_equals_that_of_lifelines(rossi) -> None:
    x = rossi.drop(columns=["week", "arrest"])
    terms = CoxPH().fit(x, rossi["week"], rossi["arrest"], names=list(x)).summary(level=0.9)
    table = lifelines_fit(rossi.rename(columns={"week": "t", "arrest": "e"})).summary
    assert [term.name for term in terms] == list(table.index)
    for term, (_, row) in zip(terms, table.iterrows(), strict=True):
        assert term.standard_error == pytest.approx(row["se(coef)"], abs=1e-6)
        assert term.hazard_ratio.value == pytest.approx(row["exp(coef)"], abs=1e-6)
        assert term.hazard_ratio.high == pytest.approx(row["exp(coef)"] * np.exp(1.644854 * row["se(coef)"]), rel=1e-6)
        assert term.p_value == pytest.approx(row["p"], abs=1e-6)


@pytest.mark.parametrize("options", ["plain", "weights", "strata", "ridge", "all", "continuous"])
def test_fit_and_predictions_equal_lifelines(followed, options: str) -> None:
    frame, ours, theirs, asked = frame_of(followed), {}, {}, {}
    ridge = 0.1 if options in {"ridge", "all"} else 0.0
    if options in {"weights", "all"}:
        frame["w"] = followed.weights
        ours["weights"], theirs["weights_col"] = followed.weights, "w"
    if options in {"strata", "all"}:
        frame["s"], frame["t"] = halves(followed)
        ours["strata"], theirs["strata"], asked["strata"] = frame["s"], ["s"], frame["s"]
    if options == "continuous":
        frame["t"] += np.random.default_rng(0).random(len(frame))
    expected = lifelines_fit(frame, ridge, **theirs)
    model = CoxPH(ridge).fit(followed.x, frame["t"], frame["e"], **ours)

    np.testing.assert_allclose(model.coefficients_, expected.params_, atol=1e-6)
    np.testing.assert_allclose(model.standard_errors_, expected.standard_errors_, atol=1e-6)
    np.testing.assert_allclose(model.covariance_, expected.variance_matrix_, atol=1e-6)
    assert model.log_likelihood_null_ == pytest.approx(expected._ll_null_, abs=1e-6)
    if not ridge:
        assert model.log_likelihood_ == pytest.approx(expected.log_likelihood_, abs=1e-6)
    # Lifelines draws straight lines between event times and lists customers stratum by stratum.
    times = np.quantile(frame["t"][frame["e"]], [0.1, 0.5, 0.9], method="inverted_cdf")
    predicted = expected.predict_survival_function(frame, times=times).T.loc[frame.index]
    np.testing.assert_allclose(model.survival(followed.x, times, **asked), predicted, atol=1e-6)
    median = expected.predict_median(frame).loc[frame.index].to_numpy().ravel()
    np.testing.assert_allclose(model.churn_time(followed.x, **asked), median, atol=1e-9)


def efron_by_definition(x, t, e, w, beta) -> float:
    total = 0.0
    phi = w * np.exp(x @ beta)
    for time in np.unique(t[e]):
        dead = e & (t == time)
        d = dead.sum()
        total += (w[dead] * (x[dead] @ beta)).sum()
        for step in range(d):
            total -= w[dead].sum() / d * np.log(phi[t >= time].sum() - step / d * phi[dead].sum())
    return total


small = st.lists(
    st.tuples(st.integers(1, 4), st.booleans(), st.floats(-2, 2), st.floats(-2, 2), st.floats(0.1, 3)),
    min_size=3,
    max_size=15,
).filter(lambda rows: any(row[1] for row in rows))


@settings(max_examples=80, deadline=None)
@given(small, st.floats(-1, 1), st.floats(-1, 1))
def test_likelihood_and_derivatives_are_those_of_the_definition(rows, b0: float, b1: float) -> None:
    table = np.array(rows, dtype=float)
    t, e, x, w = table[:, 0], table[:, 1] == 1, table[:, 2:4], table[:, 4]
    beta, h = np.array([b0, b1]), 1e-5
    sets = RiskSets.build(x, t, e, w)
    assert sets is not None
    at = sets.likelihood(beta)
    assert at.value == pytest.approx(efron_by_definition(x, t, e, w, beta), abs=1e-9)
    for j, step in enumerate(np.eye(2) * h):
        slope = (efron_by_definition(x, t, e, w, beta + step) - efron_by_definition(x, t, e, w, beta - step)) / (2 * h)
        assert at.gradient[j] == pytest.approx(slope, abs=1e-6)
        bend = (sets.likelihood(beta - step).gradient - sets.likelihood(beta + step).gradient) / (2 * h)
        np.testing.assert_allclose(at.information[j], bend, atol=1e-6)


def test_units_order_and_weight_scale_of_the_data_do_not_matter(followed) -> None:
    x, t, e, w = followed
    base = CoxPH().fit(x, t, e, weights=w)
    shifted = CoxPH().fit(x * [1, 100, 0.01] + [5, -3, 1e4], t, e, weights=w)
    np.testing.assert_allclose(shifted.coefficients_ * [1, 100, 0.01], base.coefficients_, rtol=1e-6)
    order = np.random.default_rng(0).permutation(t.size)
    shuffled = CoxPH().fit(x[order], t[order], e[order], weights=w[order])
    np.testing.assert_allclose(shuffled.coefficients_, base.coefficients_, rtol=1e-9)
    heavier = CoxPH().fit(x, t, e, weights=3 * w)
    np.testing.assert_allclose(heavier.coefficients_, base.coefficients_, rtol=1e-9)
    np.testing.assert_allclose(heavier.standard_errors_ * np.sqrt(3), base.standard_errors_, rtol=1e-9)
    slower = CoxPH().fit(x, t * 7, e, weights=w)
    np.testing.assert_allclose(slower.coefficients_, base.coefficients_, rtol=1e-9)


def test_rows_of_weight_zero_and_one_common_stratum_change_nothing(followed) -> None:
    x, t, e, _ = followed
    base = CoxPH().fit(x[:200], t[:200], e[:200])
    w = np.where(np.arange(t.size) < 200, 1.0, 0.0)
    for other in (CoxPH().fit(x, t, e, weights=w), CoxPH().fit(x[:200], t[:200], e[:200], strata=np.ones(200))):
        np.testing.assert_allclose(other.coefficients_, base.coefficients_, rtol=1e-9)
        assert other.n_ == 200


def test_a_stratum_without_events_says_nothing_but_is_known(followed) -> None:
    x, t, e, _ = followed
    strata = np.where(np.arange(t.size) < 250, "a", "quiet")
    quiet = e & (strata == "a")
    model = CoxPH().fit(x, t, quiet, strata=strata)
    alone = CoxPH().fit(x[:250], t[:250], e[:250])
    np.testing.assert_allclose(model.coefficients_, alone.coefficients_, rtol=1e-8)
    assert model.survival(x[:1], [1.0, 50.0], strata=["quiet"]).tolist() == [[1.0, 1.0]]


def test_known_effects_are_recovered_within_their_errors() -> None:
    rng = np.random.default_rng(1)
    beta = np.array([0.8, -0.4, 0.0])
    x = rng.standard_normal((20_000, 3))
    churn, end = rng.exponential(np.exp(-x @ beta)), rng.exponential(2, 20_000)
    model = CoxPH().fit(x, np.minimum(churn, end), churn <= end)
    assert np.all(np.abs(model.coefficients_ - beta) < 4 * model.standard_errors_)
    assert model.standard_errors_.max() < 0.012
    truth = np.exp(-np.exp(x[:5] @ beta)[:, None] * [0.2, 0.5, 1.0])
    np.testing.assert_allclose(model.survival(x[:5], [0.2, 0.5, 1.0]), truth, atol=0.02)


def test_far_risks_neither_overflow_nor_underflow() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((400, 1))
    t = rng.exponential(np.exp(-12 * x[:, 0]))
    model = CoxPH().fit(x * 1e6 + 1e8, t, np.ones(400))
    assert model.converged_
    assert model.coefficients_[0] * 1e6 == pytest.approx(12, rel=0.15)


def test_a_likelihood_beyond_the_range_of_exp_is_still_a_number() -> None:
    sets = RiskSets.build(np.array([[0.0], [1.0]]), np.array([1.0, 2.0]), np.array([True, True]), np.ones(2))
    assert sets is not None
    assert sets.likelihood(np.array([800.0])).value == -800
    # The last customer's risk underflows beside the first: Newton has to step back from here.
    assert sets.likelihood(np.array([-800.0])).value == -np.inf
    assert sets.baseline_hazard(np.array([800.0])).tolist() == [0, 0]


@pytest.mark.parametrize("seed", [2, 36, 96, 113])
def test_newton_finds_the_top_among_wild_outliers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_t(1.0, (51, 2))
    t, e = np.exp(-3 * x[:, 0] + rng.standard_normal(51)).clip(1e-6, 1e6), rng.random(51) < 0.5
    model = CoxPH().fit(x, t, e)
    assert model.converged_
    at_top = efron_by_definition(x, t, e, np.ones(51), model.coefficients_)
    assert model.log_likelihood_ == pytest.approx(at_top)
    for step in 0.01 * model.standard_errors_ * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]):
        assert efron_by_definition(x, t, e, np.ones(51), model.coefficients_ + step) < at_top


def test_a_fit_driven_beyond_the_range_of_exp_says_that_it_did_not_converge() -> None:
    rng = np.random.default_rng(100)
    x = rng.standard_t(1.0, (51, 2))
    t, e = np.exp(-3 * x[:, 0] + rng.standard_normal(51)).clip(1e-6, 1e6), rng.random(51) < 0.5
    with pytest.warns(RuntimeWarning, match="did not converge"):
        model = CoxPH().fit(x, t, e)
    assert not model.converged_
    assert np.isfinite(model.log_likelihood_)


def test_extreme_customers_get_a_certain_but_finite_answer(followed) -> None:
    model = CoxPH().fit(followed.x, followed.durations, followed.events)
    x = model.mean_ + np.array([[1e6, 0, 0], [-1e6, 0, 0]])
    assert model.survival(x, [0.0, 30.0]).tolist() == [[1, 0], [1, 1]]
    assert model.churn_probability(x, 5.0, 2.0).tolist() == [1, pytest.approx(0)]
    assert model.churn_time(x)[1] == np.inf


def test_with_no_effect_the_baseline_follows_kaplan_meier() -> None:
    rng = np.random.default_rng(3)
    t, e = rng.exponential(10, 4000), rng.random(4000) < 0.7
    model = CoxPH().fit(rng.standard_normal((4000, 1)), t, e)
    curve = model.survival(model.mean_[None, :], [2.0, 5.0, 10.0])[0]
    np.testing.assert_allclose(curve, kaplan_meier(t, e).at([2, 5, 10]), atol=0.002)


def test_churn_probability_is_the_share_lost_of_those_still_here(followed) -> None:
    model = CoxPH().fit(followed.x, followed.durations, followed.events)
    x = followed.x[:20]
    tenure, horizon = np.linspace(0, 20, 20), 6.0
    curve = model.survival(x, np.concatenate([tenure, tenure + horizon]))
    i = np.arange(20)
    expected = 1 - curve[i, 20 + i] / curve[i, i]
    np.testing.assert_allclose(model.churn_probability(x, horizon, tenure), expected, atol=1e-12)
    np.testing.assert_allclose(model.conditional_survival(x, horizon, tenure), 1 - expected, atol=1e-12)
    np.testing.assert_allclose(model.churn_probability(x, horizon), 1 - model.survival(x, [horizon])[:, 0], atol=1e-12)


def test_a_longer_horizon_or_a_higher_risk_never_lowers_churn(followed) -> None:
    model = CoxPH().fit(followed.x, followed.durations, followed.events)
    by_horizon = [model.churn_probability(followed.x[:9], h, 3.0) for h in (0, 1, 5, 20, 500)]
    assert np.all(np.diff(by_horizon, axis=0) >= 0)
    assert np.all(by_horizon[0] == 0)
    order = np.argsort(model.log_partial_hazard(followed.x))
    assert np.all(np.diff(model.churn_probability(followed.x, 5.0)[order]) >= 0)


def test_churn_time_is_where_the_curve_crosses_and_moves_with_tenure(followed) -> None:
    model = CoxPH().fit(followed.x, followed.durations, followed.events)
    x = followed.x[:30]
    median = model.churn_time(x)
    known = np.isfinite(median)
    assert known.any()
    for row, time in zip(x[known], median[known], strict=True):
        before, at = model.survival(row[None, :], [np.nextafter(time, 0), time])[0]
        assert at <= 0.5 + 1e-9 < before + 2e-9
    assert np.all(model.churn_time(x, tenure=4.0) >= np.maximum(median, 4.0))
    assert model.churn_time(x, share_gone=0.999999).max() == np.inf


@pytest.mark.parametrize("stratified", [False, True])
def test_a_model_survives_json(followed, stratified: bool) -> None:
    strata = halves(followed)[0] if stratified else None
    model = CoxPH(0.01).fit(followed.x, followed.durations, followed.events, strata=strata, names=["a", "b", "c"])
    back = CoxPH.from_dict(json.loads(json.dumps(model.to_dict())))
    for asked in (1.0, 7.0):
        np.testing.assert_array_equal(
            back.churn_probability(followed.x, asked, 2.0, strata=strata),
            model.churn_probability(followed.x, asked, 2.0, strata=strata),
        )
    assert back.summary() == model.summary()
    assert back.last_time_ == model.last_time_
    with pytest.raises(ValueError, match="stored Cox model lacks 'mean_'"):
        CoxPH.from_dict({key: value for key, value in model.to_dict().items() if key != "mean_"})


def test_perfect_separation_is_told_by_name_and_ridge_cures_it() -> None:
    rng = np.random.default_rng(4)
    x = np.column_stack([rng.standard_normal(100), np.repeat([0.0, 1.0], 50)])
    t, e = rng.exponential(5, 100), np.repeat([False, True], 50)
    with pytest.warns(RuntimeWarning, match=r"coefficient of leak undetermined \(perfect separation"):
        model = CoxPH().fit(x, t, e, names=["fine", "leak"])
    assert not model.converged_
    assert np.isfinite(model.coefficients_).all()
    cured = CoxPH(ridge=0.01).fit(x, t, e)
    assert cured.converged_
    assert 1 < cured.coefficients_[1] < 10


def test_columns_without_information_are_refused_by_name(followed) -> None:
    x, t, e, _ = followed
    with pytest.raises(ValueError, match="constant columns: flat"):
        CoxPH().fit(np.column_stack([x[:, 0], np.full(t.size, 3.3)]), t, e, names=["a", "flat"])
    doubled = np.column_stack([x, x[:, 0] - 2 * x[:, 2]])
    with pytest.raises(ValueError, match="depend linearly on the others"):
        CoxPH().fit(doubled, t, e)
    assert CoxPH(ridge=0.01).fit(doubled, t, e).converged_
    group = np.where(x[:, 0] > 0, 1.0, 0.0)
    with pytest.raises(ValueError, match="never vary among customers at risk: x1"):
        CoxPH().fit(np.column_stack([x[:, 1], group]), t, e, strata=group)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"events": np.zeros(300)}, "at least one 1"),
        ({"events": np.full(300, 2)}, "events must hold only 0 and 1"),
        ({"durations": np.full(300, -1.0)}, "durations must not be negative"),
        ({"durations": np.ones(5)}, "same length"),
        ({"x": np.full((300, 3), np.nan)}, "x must be finite"),
        ({"x": np.zeros(300)}, "non-empty table"),
        ({"x": np.zeros((0, 3))}, "non-empty table"),
        ({"weights": np.full(300, -1.0)}, "weights must not be negative"),
        ({"weights": np.zeros(300)}, "weights must not all be zero"),
        ({"events": np.arange(300) == 7, "weights": (np.arange(300) != 7).astype(float)}, "at least one 1"),
        ({"strata": ["a"]}, "strata must have one label per row"),
        ({"strata": np.where(np.arange(300) < 3, np.nan, 1.0)}, "strata must not hold missing labels, 3 do"),
        ({"strata": np.array([None] * 3 + ["a"] * 297, dtype=object)}, "strata must hold labels of one type"),
        ({"names": ["one"]}, "3 columns, 1 names"),
        ({"x": np.ones((1, 3)), "durations": [1.0], "events": [1]}, "constant columns: x0, x1, x2"),
    ],
)
def test_bad_rows_are_refused_by_name(followed, change, rule: str) -> None:
    rows = {"x": followed.x, "durations": followed.durations, "events": followed.events} | change
    with pytest.raises(ValueError, match=rule):
        CoxPH().fit(rows.pop("x"), rows.pop("durations"), rows.pop("events"), **rows)


def test_bad_questions_to_a_fitted_model_are_refused(followed) -> None:
    group, t = halves(followed)
    plain = CoxPH().fit(followed.x, followed.durations, followed.events)
    split = CoxPH().fit(followed.x, t, followed.events, strata=group)
    x = followed.x[:2]
    with pytest.raises(ValueError, match="strata must be given"):
        split.survival(x, [1.0])
    with pytest.raises(ValueError, match=r"got \['gone'\]"):
        split.survival(x, [1.0], strata=["old", "gone"])
    with pytest.raises(ValueError, match="3 columns of the fit, got 2"):
        plain.survival(x[:, :2], [1.0])
    with pytest.raises(ValueError, match="times must not be negative"):
        plain.survival(x, [-1.0])
    with pytest.raises(ValueError, match="tenure must be one number or one per row"):
        plain.churn_probability(x, 1.0, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="horizon must not be negative"):
        plain.churn_probability(x, -1.0)
    with pytest.raises(ValueError, match="share_gone must lie strictly"):
        plain.churn_time(x, 1.0)
    for ridge in (-1.0, np.nan):
        with pytest.raises(ValueError, match="ridge must be"):
            CoxPH(ridge)


@pytest.mark.parametrize("transform", ["km", "identity", "log"])
@pytest.mark.parametrize("stratified", [False, True])
def test_proportionality_equals_lifelines(followed, transform: str, stratified: bool) -> None:
    group, t = halves(followed)
    frame = frame_of(followed._replace(durations=t))
    theirs = lifelines_fit(frame.assign(s=group), strata=["s"]) if stratified else lifelines_fit(frame)
    strata = group if stratified else None
    model = CoxPH().fit(followed.x, t, followed.events, strata=strata)
    ours = proportionality_test(model, followed.x, t, followed.events, strata=strata, transform=transform)
    training = frame.assign(s=group) if stratified else frame
    expected = proportional_hazard_test(theirs, training, time_transform=transform)
    np.testing.assert_allclose(ours.statistic, expected.test_statistic, atol=2e-5)
    np.testing.assert_allclose(ours.p_value, expected.p_value, atol=1e-6)


def test_proportionality_by_rank_equals_lifelines_when_no_times_tie(followed) -> None:
    t = followed.durations + np.random.default_rng(0).random(followed.durations.size)
    frame = frame_of(followed._replace(durations=t))
    model = CoxPH().fit(followed.x, t, followed.events)
    ours = proportionality_test(model, followed.x, t, followed.events, transform="rank")
    expected = proportional_hazard_test(lifelines_fit(frame), frame, time_transform="rank")
    np.testing.assert_allclose(ours.statistic, expected.test_statistic, atol=2e-5)


def test_tied_event_times_share_their_mean_rank(followed) -> None:
    x, t, e, _ = followed
    clock, rank = np.unique(t[e], return_inverse=True)
    middle = np.array([stats.rankdata(t[e])[rank == k][0] for k in range(clock.size)])
    by_rank = np.interp(t, clock, middle, left=0.0, right=1e6)  # the same order of all rows, ranks as times
    model = CoxPH().fit(x, t, e)
    ours = proportionality_test(model, x, t, e, transform="rank")
    expected = proportionality_test(model, x, by_rank, e, transform="identity")
    np.testing.assert_allclose(ours.statistic, expected.statistic)


def test_an_effect_that_fades_with_tenure_is_found_and_a_steady_one_is_not() -> None:
    rng = np.random.default_rng(5)
    x = np.column_stack([rng.integers(0, 2, 3000), rng.standard_normal(3000)]).astype(float)
    # Hazard e^1.5 times higher for x0 = 1 until t = 1, equal afterwards.
    early, late = rng.exponential(np.exp(-1.5 * x[:, 0] - 0.5 * x[:, 1])), rng.exponential(np.exp(-0.5 * x[:, 1]))
    t = np.where(early < 0.3, early, 0.3 + late)
    model = CoxPH().fit(x, t, np.ones(3000))
    result = proportionality_test(model, x, t, np.ones(3000))
    assert result.p_value[0] < 1e-8
    assert result.p_value[1] > 0.001
    assert result.global_p_value < 1e-8


def test_the_global_test_of_one_covariate_is_its_own(followed) -> None:
    x = followed.x[:, :1]
    model = CoxPH().fit(x, followed.durations, followed.events)
    result = proportionality_test(model, x, followed.durations, followed.events)
    assert result.global_statistic == pytest.approx(result.statistic[0])
    assert result.global_p_value == pytest.approx(result.p_value[0])


def test_proportionality_refuses_what_it_cannot_test(followed) -> None:
    x, t, e, _ = followed
    model = CoxPH().fit(x, t, e)
    with pytest.raises(ValueError, match="two distinct event times"):
        proportionality_test(model, x, np.full(t.size, 4.0), e)
    with pytest.raises(ValueError, match="event times above 0"):
        proportionality_test(model, x, t - t.min(), e, transform="log")
    with pytest.raises(ValueError, match="transform must be km"):
        proportionality_test(model, x, t, e, transform="cube")
    with pytest.raises(ValueError, match="same length"):
        proportionality_test(model, x[:5], t, e)
