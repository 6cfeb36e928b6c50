"""The likelihood: derivatives, limits, units, weights, shards, warm starts."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.clv import BetaGeo, ModifiedBetaGeo
from axiom.clv.inputs import Table, Totals, check_population, compress

MODELS = [BetaGeo, ModifiedBetaGeo]


def table(x: list[float], t_x: list[float], T: list[float], weight: list[float]) -> Table:
    return Table(*(np.array(column, dtype=float) for column in (x, t_x, T, weight)))


SMALL = table([0, 0, 1, 2, 5, 40], [0, 0, 3.0, 9.5, 10.0, 19.0], [10, 20, 10, 10, 12, 20], [3, 1, 2, 1, 1, 0.5])


def numeric(objective, theta: np.ndarray, which: int, h: float = 1e-5) -> np.ndarray:
    """Five-point derivative of the value (which = 0) or the gradient (1) along each axis."""
    columns = []
    for i in range(theta.size):
        e = np.zeros(theta.size)
        e[i] = h
        at = [np.asarray(objective(theta + k * e)[which]) for k in (-2, -1, 1, 2)]
        columns.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h))
    return np.stack(columns)


thetas = st.tuples(st.floats(-6, 2), st.floats(-25, 4), st.floats(-8, 6), st.floats(-25, 5)).map(np.array)


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=40, deadline=None)
@given(theta=thetas)
def test_gradient_and_hessian_are_the_derivatives(kind, theta) -> None:
    model = kind()
    f, g, H = model.objective(theta, SMALL)
    # The difference quotient of f has a rounding error of about eps f / h.
    np.testing.assert_allclose(
        g, numeric(lambda th: model.objective(th, SMALL), theta, 0), rtol=1e-7, atol=1e-9 * (1 + abs(f))
    )
    scale = 1e-8 * (1 + np.abs(g).max())
    np.testing.assert_allclose(H, numeric(lambda th: model.objective(th, SMALL), theta, 1), rtol=1e-6, atol=scale)
    np.testing.assert_array_equal(H, H.T)


def exact_log_likelihood(params: dict[str, float], rows: Table, first: int) -> float:
    """The textbook formula with gamma functions, in 60 digits."""
    mp.mp.dps = 60
    r, alpha, a, b = (mp.mpf(value) for value in params.values())
    total = mp.mpf(0)
    for x, t_x, T, w in zip(map(mp.mpf, rows.x), rows.t_x, rows.T, rows.weight, strict=True):
        c = int(x) + first
        lead = mp.loggamma(r + x) - mp.loggamma(r) + r * mp.log(alpha)
        alive = mp.beta(a, b + c) / mp.beta(a, b) * (alpha + mp.mpf(T)) ** -(r + x)
        gone = mp.beta(a + 1, b + c - 1) / mp.beta(a, b) * (alpha + mp.mpf(t_x)) ** -(r + x) if c else 0
        total += mp.mpf(w) * (lead + mp.log(alive + gone))
    return total


@pytest.mark.parametrize(("kind", "first"), [(BetaGeo, 0), (ModifiedBetaGeo, 1)])
@pytest.mark.parametrize(
    "params",
    [
        {"r": 0.24, "alpha": 4.4, "a": 0.8, "b": 2.4},
        {"r": 0.24, "alpha": 4.4, "a": 1.0, "b": 2.4},
        {"r": 1e9, "alpha": 4e9, "a": 0.8, "b": 2.4},
        {"r": 0.24, "alpha": 4.4, "a": 2e8, "b": 8e8},
        {"r": 1e10, "alpha": 4e10, "a": 3e10, "b": 1e9},
        {"r": 1e-3, "alpha": 1e-2, "a": 1e-3, "b": 1e-4},
    ],
)
def test_the_regular_form_equals_the_textbook_in_sixty_digits(kind, first, params) -> None:
    model = kind.from_params(params)
    assert model.objective(model.theta_, SMALL)[0] == pytest.approx(
        float(exact_log_likelihood(params, SMALL, first)), rel=1e-12
    )


@pytest.mark.parametrize("kind", MODELS)
def test_the_limits_of_no_heterogeneity_are_finite_and_flat(kind) -> None:
    near, at = (kind().objective(np.array([-1.0, low, -1.0, low]), SMALL) for low in (-30.0, -300.0))
    for terms in zip(near, at, strict=True):
        assert np.isfinite(terms[1]).all()
        np.testing.assert_allclose(terms[1], terms[0], atol=1e-9)
    assert at[1][[1, 3]] == pytest.approx([0.0, 0.0], abs=1e-12)


@pytest.mark.parametrize("kind", MODELS)
def test_shards_add_to_the_whole(kind, cdnow) -> None:
    columns = check_population(*cdnow.history)
    theta = np.array([-2.5, 1.0, -0.8, -1.0])
    whole = kind().objective(theta, compress(*columns))
    parts = [kind().objective(theta, compress(*(c[i::7] for c in columns))) for i in range(7)]
    for i in range(3):
        np.testing.assert_allclose(sum(part[i] for part in parts), whole[i], rtol=1e-9)


@pytest.mark.parametrize("kind", MODELS)
def test_a_fit_over_shards_equals_the_fit_of_the_whole(kind, cdnow) -> None:
    columns = check_population(*cdnow.history)
    shards = [compress(*(c[i::5] for c in columns)) for i in range(5)]
    totals = Totals.of(shards[0])
    for shard in shards[1:]:
        totals += Totals.of(shard)

    def objective(theta: np.ndarray):
        f, g, H = 0.0, np.zeros(4), np.zeros((4, 4))
        for terms in (kind().objective(theta, shard) for shard in shards):
            f, g, H = f + terms[0], g + terms[1], H + terms[2]
        return f, g, H

    spread, whole = kind().fit_sums(objective, totals), kind().fit(*cdnow.history)
    np.testing.assert_allclose(list(spread.params_.values()), list(whole.params_.values()), rtol=1e-9)
    np.testing.assert_allclose(spread.covariance_, whole.covariance_, rtol=1e-7)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("per_week", [7.0, 168.0, 7.0 / 365.25])
def test_the_unit_of_time_does_not_matter(kind, cdnow, per_week) -> None:
    x, t_x, T = cdnow.history
    weeks, other = kind().fit(x, t_x, T), kind().fit(x, t_x * per_week, T * per_week)
    scaled = other.params_ | {"alpha": other.params_["alpha"] / per_week}
    np.testing.assert_allclose(list(scaled.values()), list(weeks.params_.values()), rtol=1e-7)
    np.testing.assert_allclose(other.covariance_, weeks.covariance_, rtol=1e-5)
    # A density of purchase times: one factor of the unit per repeat purchase, and no other difference.
    assert other.log_likelihood_ + x.sum() * np.log(per_week) == pytest.approx(weeks.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(
        other.expected_purchases(39.0 * per_week, x, t_x * per_week, T * per_week),
        weeks.expected_purchases(39.0, x, t_x, T),
        rtol=1e-7,
    )


@pytest.mark.parametrize("kind", MODELS)
def test_a_weight_of_two_is_the_customer_twice(kind, cdnow) -> None:
    x, t_x, T = (column[:400] for column in cdnow.history)
    weights = 1.0 + (np.arange(400) % 2)
    weighted = kind().fit(x, t_x, T, weights=weights)
    repeated = kind().fit(*(np.repeat(column, weights.astype(int)) for column in (x, t_x, T)))
    np.testing.assert_allclose(list(weighted.params_.values()), list(repeated.params_.values()), rtol=1e-8)
    assert weighted.customers_ == repeated.customers_ == 600


def test_compression_groups_identical_histories_and_keeps_the_totals() -> None:
    x, t_x, T = np.array([0, 2, 0, 2, 0, 1.0]), np.array([0, 3, 0, 3, 0, 3.0]), np.array([9, 9, 9, 9, 8, 9.0])
    whole = compress(*check_population(x, t_x, T, [1, 2, 3, 4, 5, 6]))
    found = dict(zip(zip(whole.x, whole.t_x, whole.T, strict=True), whole.weight, strict=True))
    assert found == {(0, 0, 9): 4, (0, 0, 8): 5, (2, 3, 9): 6, (1, 3, 9): 6}
    assert Totals.of(whole) == Totals(rows=4, customers=21.0, repeaters=12.0, purchases=18.0, exposure=184.0)


def test_compression_leaves_continuous_times_alone() -> None:
    T = np.random.default_rng(0).uniform(1, 2, 20_000)
    assert compress(*check_population(np.zeros_like(T), np.zeros_like(T), T)).x.size == T.size


def test_a_warm_start_needs_fewer_steps_and_ends_at_the_same_place(cdnow) -> None:
    cold = BetaGeo().fit(*cdnow.history)
    warm = BetaGeo().fit(*cdnow.history, start=cold.params_)
    assert warm.n_iter_ < cold.n_iter_
    np.testing.assert_allclose(warm.theta_, cold.theta_, atol=1e-8)
