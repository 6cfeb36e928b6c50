"""Fitting: derivatives, published numbers, recovery, convergence, and what must not change the answer."""

from __future__ import annotations

from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest
from scipy.stats import chi2

from axiom.clv.inputs import Table, Totals, check_population, compress
from axiom.clv.pareto_nbd import ParetoNBD

THETAS = [
    pytest.param([-2.95, 0.59, 0.0, 0.49], id="as CDNOW"),
    pytest.param([-1.2, -7.0, -2.0, -8.0], id="hardly any heterogeneity"),
    pytest.param([-0.5, 2.5, 1.0, 2.5], id="wild heterogeneity"),
]
HISTORIES = Table(
    x=np.array([0.0, 1.0, 4.0, 4.0, 30.0]),
    t_x=np.array([0.0, 3.0, 25.0, 39.0, 38.0]),
    T=np.array([39.0, 39.0, 27.0, 39.0, 39.0]),
    weight=np.array([5.0, 2.0, 1.0, 1.0, 0.5]),
)


def params_of(theta):
    """Natural parameters from the definition, in high precision."""
    mu, u, phi, v = (mp.exp(each) for each in theta)
    return {"r": 1 / u, "alpha": 1 / (u * mu), "s": 1 / v, "beta": 1 / (v * mu * phi)}


@pytest.mark.parametrize("theta", THETAS)
def test_likelihood_gradient_and_hessian_equal_those_of_the_papers_formula(exact, theta):
    def log_likelihood(*at):
        model = exact(params_of(at))
        terms = zip(HISTORIES.x, HISTORIES.t_x, HISTORIES.T, HISTORIES.weight, strict=True)
        return mp.fsum(w * mp.log(model.likelihood(x, t_x, T)[0]) for x, t_x, T, w in terms)

    f, g, H = ParetoNBD().objective(np.array(theta), HISTORIES)
    with mp.workdps(60):
        at = [mp.mpf(each) for each in theta]
        unit = np.eye(4, dtype=int)
        wanted_g = [float(mp.diff(log_likelihood, at, tuple(unit[i]))) for i in range(4)]
        wanted_H = [[float(mp.diff(log_likelihood, at, tuple(unit[i] + unit[j]))) for j in range(4)] for i in range(4)]
        np.testing.assert_allclose(f, float(log_likelihood(*at)), rtol=1e-12)
    np.testing.assert_allclose(g, wanted_g, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(H, wanted_H, rtol=1e-9, atol=1e-9)


def test_cdnow_gives_the_published_parameters(cdnow):
    """Fader, Hardie & Lee (2005, table 2): r .553, alpha 10.578, s .606, beta 11.669, LL -9595.0."""
    model = ParetoNBD(prior_sd=np.inf).fit(cdnow.x, cdnow.t_x, cdnow.T)
    assert model.converged_
    assert model.params_ == pytest.approx({"r": 0.5533, "alpha": 10.578, "s": 0.606, "beta": 11.669}, rel=5e-4)
    # ₂F₁ at 40 digits gives -9594.9739 at this point; the papers round it.
    assert model.log_likelihood_ == pytest.approx(-9595.0, abs=0.05)
    assert model.log_likelihood_ == pytest.approx(-9594.97393, abs=1e-5)


def test_cdnow_forecasts_agree_with_earlier_refits(cdnow):
    """Customer 1 is expected to buy 1.455120 times in 39 weeks; MAE .7545, RMSE 1.6028 over all (earlier refit)."""
    model = ParetoNBD(prior_sd=np.inf).fit(cdnow.x, cdnow.t_x, cdnow.T)
    expected = model.expected_purchases(39.0, cdnow.x, cdnow.t_x, cdnow.T)
    assert expected[0] == pytest.approx(1.455120, abs=1e-5)
    error = expected - cdnow.holdout
    assert np.abs(error).mean() == pytest.approx(0.7545, abs=1e-4)
    assert np.sqrt(np.square(error).mean()) == pytest.approx(1.6028, abs=1e-4)


def test_cdnow_tracking_is_two_percent_low_at_week_78_as_published(cdnow):
    """Cumulative repeat purchases of the cohort; the paper prints -2 %, an earlier refit -1.47 %."""
    model = ParetoNBD(prior_sd=np.inf).fit(cdnow.x, cdnow.t_x, cdnow.T)
    total = model.expected_purchases(cdnow.age_78).sum()
    assert total / cdnow.repeats_78 - 1 == pytest.approx(-0.0147, abs=2e-4)


def test_the_prior_moves_cdnow_by_a_small_part_of_a_standard_error(cdnow):
    free = ParetoNBD(prior_sd=np.inf).fit(cdnow.x, cdnow.t_x, cdnow.T)
    model = ParetoNBD().fit(cdnow.x, cdnow.t_x, cdnow.T)
    for name, value in model.params_.items():
        assert abs(value - free.params_[name]) < 0.03 * free.standard_errors_[name]


GRID = [
    {"r": r, "alpha": r / mu, "s": s, "beta": s / nu}
    for r in (0.3, 1.0, 4.0)
    for mu in (0.05, 0.3)
    for s in (0.4, 1.0, 5.0)
    for nu in (0.005, 0.08)
]


def test_simulated_populations_converge_and_cover_their_parameters(draw_customers):
    """36 populations: (estimate - truth)' covariance^-1 (estimate - truth) is chi-squared with 4 degrees of freedom."""
    distances = []
    for seed, params in enumerate(GRID):
        model = ParetoNBD().fit(*draw_customers(params, 3000, 52.0, seed))
        assert model.converged_
        away = np.log(list(model.params_.values())) - np.log(list(params.values()))
        distances.append(float(away @ np.linalg.solve(model.covariance_, away)))
    covered = np.array(distances) < chi2.ppf(0.9, 4)
    # 36 tries at 0.9: 27 or fewer come by chance once in a hundred.
    assert covered.sum() > 27
    assert np.mean(distances) < 6.0


@pytest.mark.parametrize("customers", [30, 300])
def test_small_populations_on_ridges_still_end_at_a_true_maximum(draw_customers, customers):
    for seed, params in enumerate(GRID):
        model = ParetoNBD().fit(*draw_customers(params, customers, 26.0, 100 + seed))
        assert model.converged_
        table = compress(*check_population(*draw_customers(params, customers, 26.0, 100 + seed)))
        prior = model.prior(Totals.of(table))
        gradient = model.objective(model.theta_, table)[1] + prior.terms(model.theta_)[1]
        assert np.abs(gradient).max() < 1e-5


@pytest.mark.parametrize("factor", [7.0, 168.0, 1 / 365.25])
def test_the_unit_of_time_changes_nothing_but_the_scale(draw_customers, factor):
    x, t_x, T = draw_customers(GRID[0], 500, 40.0, 5)
    one, other = ParetoNBD().fit(x, t_x, T), ParetoNBD().fit(x, t_x * factor, T * factor)
    scale = {"r": 1.0, "alpha": factor, "s": 1.0, "beta": factor}
    assert other.params_ == pytest.approx({name: value * scale[name] for name, value in one.params_.items()}, rel=1e-6)
    np.testing.assert_allclose(other.covariance_, one.covariance_, rtol=1e-5)
    np.testing.assert_allclose(
        other.expected_purchases(20.0 * factor, x, t_x * factor, T * factor),
        one.expected_purchases(20.0, x, t_x, T),
        rtol=1e-6,
    )


def test_shards_add_up_to_the_whole(draw_customers):
    table = compress(*check_population(*draw_customers(GRID[1], 2500, 40.0, 6)))
    theta = np.array([-2.0, 0.3, -0.5, 0.2])
    cuts = [0, 100, 1200, table.x.size]
    shards = [Table(*(column[a:b] for column in vars(table).values())) for a, b in pairwise(cuts)]
    whole = ParetoNBD().objective(theta, table)
    parts = [ParetoNBD().objective(theta, shard) for shard in shards]
    for i, name in enumerate(("value", "gradient", "Hessian")):
        np.testing.assert_allclose(sum(part[i] for part in parts), whole[i], rtol=1e-11, err_msg=name)
    fitted = ParetoNBD().fit_sums(
        lambda at: tuple(map(sum, zip(*(ParetoNBD().objective(at, shard) for shard in shards), strict=True))),
        sum((Totals.of(shard) for shard in shards[1:]), Totals.of(shards[0])),
    )
    alone = ParetoNBD().fit(*(np.asarray(column) for column in (table.x, table.t_x, table.T)), weights=table.weight)
    assert fitted.params_ == pytest.approx(alone.params_, rel=1e-9)


def test_a_weight_of_two_is_two_customers(draw_customers):
    x, t_x, T = draw_customers(GRID[2], 300, 40.0, 7)
    twice = ParetoNBD().fit(*(np.tile(column, 2) for column in (x, t_x, T)))
    weighted = ParetoNBD().fit(x, t_x, T, weights=np.full(300, 2.0))
    assert weighted.params_ == pytest.approx(twice.params_, rel=1e-9)
    assert weighted.log_likelihood_ == pytest.approx(twice.log_likelihood_, rel=1e-12)


def test_a_warm_start_ends_at_the_same_maximum(draw_customers):
    history = draw_customers(GRID[3], 600, 40.0, 8)
    cold = ParetoNBD().fit(*history)
    warm = ParetoNBD().fit(*history, start=cold.params_)
    assert warm.n_iter_ <= 1
    assert warm.params_ == pytest.approx(cold.params_, rel=1e-6)


def test_everybody_identical_is_fitted_with_a_warning_and_finite_answers():
    with pytest.warns(UserWarning, match="same history"):
        model = ParetoNBD().fit([2] * 50, [20.0] * 50, [30.0] * 50)
    assert model.converged_
    assert np.isfinite(model.expected_purchases(10.0, 2, 20.0, 30.0))


def test_of_two_summits_the_higher_is_found(draw_customers):
    """30 customers whose likelihood peaks at rare, even dropout and, 0.26 higher, at frequent, unequal dropout."""
    params = {"r": 1.0, "alpha": 20.0, "s": 0.4, "beta": 80.0}
    x, t_x, T = draw_customers(params, 30, 52.0, 1012)
    table = compress(*check_population(x, t_x, T))

    def height(model):
        return model.log_likelihood_ + model.prior(Totals.of(table)).terms(model.theta_)[0]

    lower = ParetoNBD().fit(x, t_x, T, start={"r": 2.1, "alpha": 33.0, "s": 1.0, "beta": 83.0})
    assert lower.converged_
    assert height(ParetoNBD().fit(x, t_x, T)) > height(lower) + 0.2
