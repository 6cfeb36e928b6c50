"""CDNOW as the papers use it, simulated Pareto/NBD customers, and the model's formulas at 50 digits."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

CALIBRATION_END = dt.date(1997, 9, 30)
START = dt.date(1997, 1, 1)


@dataclass(frozen=True)
class Cdnow:
    """1/10 sample: history to week 39, day-merged purchases in weeks 40-78, age in weeks after 78 weeks."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    holdout: np.ndarray
    age_78: np.ndarray
    repeats_78: int


@pytest.fixture(scope="session")
def cdnow() -> Cdnow:
    """The data files of the `lifetimes` wheel; the package itself is not imported."""
    spec = find_spec("lifetimes")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "datasets"
    table = np.genfromtxt(folder / "cdnow_customers_summary.csv", delimiter=",", skip_header=1)
    days: dict[int, set[dt.date]] = {}
    for line in (folder / "CDNOW_sample.txt").read_text().splitlines():
        _, customer, day, *_ = line.split()
        days.setdefault(int(customer), set()).add(dt.datetime.strptime(day, "%Y%m%d").date())  # noqa: DTZ007
    of_customer = [days[int(customer)] for customer in table[:, 0]]
    return Cdnow(
        x=table[:, 1],
        t_x=table[:, 2],
        T=table[:, 3],
        holdout=np.array([sum(day > CALIBRATION_END for day in each) for each in of_customer]),
        age_78=np.array([78 - (min(each) - START).days / 7 for each in of_customer]),
        repeats_78=sum(len(each) - 1 for each in of_customer),
    )


def simulate(params, customers, T, seed):
    """(x, t_x, T) of customers drawn from the model; T is the age of the oldest, the youngest is half as old."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(params["r"], 1 / params["alpha"], customers)
    life = rng.exponential(1 / rng.gamma(params["s"], 1 / params["beta"], customers))
    age = np.ceil(rng.uniform(T / 2, T, customers))
    observed = np.minimum(life, age)
    x = rng.poisson(rate * observed)
    # The last of x uniform arrival times on (0, observed).
    t_x = np.where(x > 0, observed * rng.random(customers) ** (1 / np.maximum(x, 1)), 0.0)
    return x, t_x, age


@pytest.fixture(scope="session")
def draw_customers():
    return simulate


class Exact:
    """The papers' formulas in high precision, each integral by adaptive tanh-sinh on pieces of ln τ."""

    def __init__(self, params):
        self.r, self.alpha, self.s, self.beta = (mp.mpf(params[name]) for name in ("r", "alpha", "s", "beta"))

    def likelihood(self, x, t_x, T):
        """(L, its alive term) by the two ₂F₁ of Fader & Hardie (2005); mpmath sums them for moderate r, s, x only."""
        r, alpha, s, beta = self.r, self.alpha, self.s, self.beta
        x, t_x, T = mp.mpf(x), mp.mpf(t_x), mp.mpf(T)
        pivot, other, power = (alpha, beta, s + 1) if alpha >= beta else (beta, alpha, r + x)

        def a_0(t):
            total = r + s + x
            return mp.hyp2f1(total, power, total + 1, (pivot - other) / (pivot + t)) / (pivot + t) ** total

        scale = mp.gammaprod([r + x], [r]) * alpha**r * beta**s
        alive = scale / ((alpha + T) ** (r + x) * (beta + T) ** s)
        return alive + scale * s / (r + s + x) * (a_0(t_x) - a_0(T)), alive

    def alive(self, x, t_x, T):
        """1/(1 + odds of having died in (t_x, T]); no ₂F₁, so for any r and s."""
        t_x, T = mp.mpf(t_x), mp.mpf(T)

        def odds(gap):
            a, b = self.alpha + t_x + gap, self.beta + t_x + gap
            return ((self.alpha + T) / a) ** (self.r + x) * ((self.beta + T) / b) ** self.s * self.s / b

        return 1 / (1 + integral(odds, T - t_x, 1)) if t_x < T else mp.mpf(1)

    def survival(self, T, t):
        return ((self.beta + T) / (self.beta + T + t)) ** self.s

    def rate(self, x, T):
        return (self.r + x) / (self.alpha + T)

    def mean_if_alive(self, t, x, T):
        end, ratio = self.beta + T, (self.beta + T) / (self.beta + T + t)
        life = end * -mp.log(ratio) if self.s == 1 else end * (1 - ratio ** (self.s - 1)) / (self.s - 1)
        return self.rate(x, T) * life

    def discounted_if_alive(self, rate, x, T):
        rate, T = mp.mpf(rate), mp.mpf(T)
        life = integral(lambda tau: mp.exp(-rate * tau) * self.survival(T, tau), 100 / rate, 1)
        return self.rate(x, T) * life

    def paths(self, n, x, T):
        """t -> P(N(t) = n | alive all the time): negative binomial."""
        shape, a = self.r + x, self.alpha + T
        ways = mp.binomial(shape + n - 1, n)
        return lambda t: ways * (a / (a + t)) ** shape * (t / (a + t)) ** n

    def pmf_if_alive(self, n, t, x, T):
        T, t, paths = mp.mpf(T), mp.mpf(t), self.paths(n, x, mp.mpf(T))
        left = integral(lambda tau: paths(tau) * self.s / (self.beta + T + tau) * self.survival(T, tau), t, n + 1)
        return paths(t) * self.survival(T, t) + left

    def tail_if_alive(self, n, t, x, T):
        T, t, paths = mp.mpf(T), mp.mpf(t), self.paths(n, x, mp.mpf(T))
        return integral(lambda tau: n / tau * paths(tau) * self.survival(T, tau), t, n)


def integral(f, top, power):
    """∫_0^top f, for f that behaves as τ^(power-1) at 0: on the part of ln τ where a scan finds any mass."""
    with mp.workdps(15):
        grid = [mp.log(top) - mp.mpf(k) / 4 for k in range(int(4 * (20 + 80 / power)))]
        height = [mp.log(f(mp.exp(y))) + y for y in grid]
    peak = max(height)
    kept = [k for k, h in enumerate(height) if h > peak - 50]
    first, last = max(kept[0] - 1, 0), min(kept[-1] + 1, len(grid) - 1)
    pieces = np.linspace(float(grid[last]), float(grid[first]), max(12, (last - first) // 8)).tolist()
    pieces[-1] = mp.log(top) if first == 0 else grid[first]
    # mp.quad stops at an absolute error, so the integrand is brought to a height of 1.
    summit = mp.exp(peak)
    return summit * mp.quad(lambda y: f(mp.exp(y)) * mp.exp(y) / summit, pieces)


@pytest.fixture(scope="session")
def exact():
    with mp.workdps(30):
        yield Exact
