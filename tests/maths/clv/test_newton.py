"""The ascent tells the truth about where it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from axiom.clv.newton import GaussianPrior, maximise

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray


def rosenbrock(theta: np.ndarray):
    a, b = theta
    f = -((1 - a) ** 2) - 100 * (b - a * a) ** 2
    g = np.array([2 * (1 - a) + 400 * a * (b - a * a), -200 * (b - a * a)])
    H = np.array([[-2 + 400 * (b - a * a) - 800 * a * a, 400 * a], [400 * a, -200.0]])
    return f, g, H


def test_it_climbs_out_of_a_curved_valley() -> None:
    end = maximise(rosenbrock, np.array([-1.2, 1.0]))
    assert end.converged
    assert end.theta == pytest.approx([1.0, 1.0], abs=1e-6)
    assert end.n_iter < 60


def test_it_leaves_a_saddle_point_region() -> None:
    end = maximise(
        lambda t: (float(np.cos(t[0])), np.array([-np.sin(t[0])]), np.array([[-np.cos(t[0])]])), np.array([3.0])
    )
    assert end.converged
    assert np.cos(end.theta[0]) == pytest.approx(1.0)


def test_an_objective_without_maximum_is_not_converged() -> None:
    end = maximise(lambda t: (float(t[0]), np.ones(1), np.zeros((1, 1))), np.zeros(1), max_iter=20)
    assert not end.converged


def test_a_minimum_is_not_converged_though_its_gradient_is_zero() -> None:
    end = maximise(lambda t: (float(t[0] ** 2), 2 * t, np.array([[2.0]])), np.zeros(1), max_iter=20)
    assert not end.converged


def test_a_start_without_a_finite_value_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite at the start"):
        maximise(lambda _: (np.nan, np.zeros(1), np.zeros((1, 1))), np.zeros(1))


def test_steps_into_the_undefined_are_taken_back() -> None:
    def log(theta: np.ndarray):
        x = theta[0]
        if x <= 0:
            return np.nan, np.full(1, np.nan), np.full((1, 1), np.nan)
        return float(np.log(x) - x), np.array([1 / x - 1]), np.array([[-1 / x**2]])

    end = maximise(log, np.array([5.0]), radius=20.0)
    assert end.converged
    assert end.theta == pytest.approx([1.0])


def test_a_prior_is_a_gaussian_and_an_infinite_sd_is_no_prior() -> None:
    prior = GaussianPrior(np.array([1.0, 2.0]), np.array([0.5, np.inf]))
    f, g, H = prior.terms(np.array([2.0, 7.0]))
    assert f == pytest.approx(-2.0)
    assert g == pytest.approx([-4.0, 0.0])
    np.testing.assert_allclose(H, [[-4.0, 0.0], [0.0, 0.0]])


@pytest.mark.parametrize(("rounding", "converged"), [(0.6, True), (20.0, False)])
def test_a_gain_within_the_last_digits_of_the_objective_is_none(rounding: float, converged: bool) -> None:
    curvature = np.array([1.0, 1e11])

    def steep(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Its gradient is off by `rounding` in the steep direction, wherever one stands."""
        f = 1.6e4 - 0.5 * float(curvature @ np.square(theta))
        return f, -curvature * theta + np.array([0.0, rounding if theta[1] <= 0.0 else -rounding]), -np.diag(curvature)

    found = maximise(steep, np.array([1.0, 1e-3]))
    assert found.converged is converged
