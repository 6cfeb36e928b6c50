"""Every predictive quantity of the beta-geometric family against sums and integrals in 330 digits of mpmath."""

from __future__ import annotations

from dataclasses import dataclass

import mpmath as mp
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from axiom.clv import BetaGeo, GammaGamma, ModifiedBetaGeo

TOLERANCE = 1e-9
SMALLEST = 1e-290


@dataclass(frozen=True)
class Case:
    """Natural parameters, a history over T = 10, and a horizon given by the purchases to expect while alive."""

    r: float
    rate: float
    a: float
    b: float
    x: int
    recency: float
    busy: float

    @property
    def params(self) -> dict[str, float]:
        return {"r": self.r, "alpha": self.r / self.rate, "a": self.a, "b": self.b}

    @property
    def history(self) -> tuple[float, float, float]:
        return float(self.x), 10.0 * self.recency if self.x else 0.0, 10.0

    @property
    def horizon(self) -> float:
        return self.busy * (self.params["alpha"] + 10.0) / (self.r + self.x)


def logs(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False).map(lambda e: float(10.0**e))


cases = st.builds(
    Case,
    r=logs(-1.5, 2.0) | logs(8.0, 12.0),
    rate=logs(-3.0, 1.0),
    a=st.just(1.0) | logs(-2.0, 2.0) | logs(8.0, 12.0),
    b=st.just(1.0) | logs(-2.0, 2.0) | logs(8.0, 12.0),
    x=st.integers(0, 30) | st.integers(0, 2000),
    recency=st.floats(0.01, 1.0),
    busy=logs(-3.0, 2.0),
)
no_rate_heterogeneity = Case(r=1e12, rate=0.3, a=0.8, b=2.4, x=3, recency=0.7, busy=2.0)
no_dropout_heterogeneity = Case(r=0.3, rate=0.3, a=1e11, b=9e11, x=3, recency=0.7, busy=2.0)
many_purchases = Case(r=0.24, rate=0.06, a=1.0, b=2.4, x=2000, recency=0.98, busy=6000.0)
pole_of_the_textbook = Case(r=0.24, rate=0.06, a=1.0, b=2.4, x=2, recency=0.5, busy=1.0)
new_and_silent = Case(r=0.24, rate=0.06, a=0.79, b=2.43, x=0, recency=0.5, busy=0.5)


class Oracle:
    """The textbook formulas in 330 digits, term by term."""

    def __init__(self, case: Case, first: int) -> None:
        mp.mp.dps = 330
        x, t_x, T = (mp.mpf(v) for v in case.history)
        self.r, self.a, self.b = mp.mpf(case.r), mp.mpf(case.a), mp.mpf(case.b)
        self.alpha = mp.mpf(case.params["alpha"])
        self.shape, self.scale, self.B = self.r + x, self.alpha + T, self.b + x + first
        coins = x + first
        ratio = self.a / (self.b + coins - 1) * (self.scale / (self.alpha + t_x)) ** self.shape if coins else mp.mpf(0)
        self.alive = 1 / (1 + ratio)

    def walk(self, t: float):
        """(n, P(N = n), P(N >= n + 1), g_n) for n = 0, 1, ..."""
        odds = mp.mpf(t) / self.scale
        z = odds / (1 + odds)
        exactly, chain, n = mp.exp(-self.shape * mp.log1p(odds)), mp.mpf(1), 0
        more = 1 - exactly
        while True:
            yield n, exactly, more, chain
            exactly *= (self.shape + n) / (n + 1) * z
            chain *= (self.B + n) / (self.a + self.B + n)
            more -= exactly
            n += 1

    def mean(self, t: float):
        total = mp.mpf(0)
        for _, _, more, chain in self.walk(t):
            total += chain * more
            if more * chain < total * mp.mpf(10) ** -16:
                return self.alive * total
        return None

    def alive_at(self, t: float):
        total = mp.mpf(0)
        for _, exactly, more, chain in self.walk(t):
            total += chain * exactly
            if more * chain < total * mp.mpf(10) ** -16:
                return self.alive * total
        return None

    def pmf(self, n: int, t: float):
        before = None
        for k, exactly, more, chain in self.walk(t):
            if k == n:
                if n == 0:
                    return 1 - self.alive * more
                return self.alive * (before * (more + exactly) - chain * more)
            before = chain
        return None

    def discounted(self, rate: float):
        """The double expectation E[λ/(rate + λ p)] as an integral over time of the purchase rate, 20 digits."""
        mp.mp.dps = 20
        delta, A, R = mp.mpf(rate), self.scale, self.shape

        def purchase_rate(s):
            return mp.exp(-delta * s) * mp.hyp2f1(R + 1, self.a, self.a + self.B, -s / A)

        points = [0, *(mp.mpf(10) ** e / delta for e in range(-6, 2)), 60 / delta]
        return self.alive * R / A * mp.quad(purchase_rate, points)

    def value_cdf(self, w: float, t: float, spend: dict[str, float], x: int, total: float):
        """Σ P(Y = n) I_y(p n, q + p x), until the mass left is negligible."""
        p, q, gamma = (mp.mpf(v) for v in spend.values())
        y = mp.mpf(w) / (mp.mpf(w) + gamma + mp.mpf(total))
        result, before = mp.mpf(0), None
        for n, exactly, more, chain in self.walk(t):
            if n == 0:
                result += 1 - self.alive * more
            else:
                mass = self.alive * (before * (more + exactly) - chain * more)
                with mp.workdps(30):
                    result += mass * mp.betainc(p * n, q + p * x, 0, y, regularized=True)
            if chain * more < mp.mpf(10) ** -16 * result:
                return result
            before = chain
        return None


def ordinary() -> st.SearchStrategy[Case]:
    """Cases whose integrals mpmath can do in reasonable time."""
    return st.builds(
        Case,
        r=logs(-1.0, 1.0),
        rate=logs(-2.0, 0.5),
        a=st.just(1.0) | logs(-1.0, 1.0),
        b=st.just(1.0) | logs(-1.0, 1.0),
        x=st.integers(0, 12),
        recency=st.floats(0.1, 1.0),
        busy=logs(-2.0, 0.7),
    )


def close(ours: float, exact) -> None:
    if exact < SMALLEST:
        assert float(ours) < 2 * SMALLEST
        return
    assert float(abs(mp.mpf(float(ours)) / exact - 1)) <= TOLERANCE, (float(ours), mp.nstr(exact, 20))


MODELS = [(BetaGeo, 0), (ModifiedBetaGeo, 1)]


@pytest.mark.parametrize(("kind", "first"), MODELS)
@example(case=no_rate_heterogeneity)
@example(case=no_dropout_heterogeneity)
@example(case=many_purchases)
@example(case=pole_of_the_textbook)
@example(case=new_and_silent)
@settings(max_examples=60, deadline=None)
@given(case=cases)
def test_mean_pmf_and_alive_agree_with_high_precision(kind, first, case) -> None:
    model, exact = kind.from_params(case.params), Oracle(case, first)
    t = case.horizon
    close(model.expected_purchases(t, *case.history), exact.mean(t))
    close(model.probability_alive(*case.history), exact.alive)
    close(model.probability_alive(*case.history, t=t), exact.alive_at(t))
    for n in (0, 1, 3, 40):
        close(model.purchase_pmf(n, t, *case.history), exact.pmf(n, t))


@pytest.mark.parametrize(("kind", "first"), MODELS)
@example(case=pole_of_the_textbook, rate=0.003)
@example(case=new_and_silent, rate=0.05)
@settings(max_examples=8, deadline=None)
@given(case=ordinary(), rate=logs(-3.0, 0.0))
def test_discounted_purchases_agree_with_high_precision(kind, first, case, rate) -> None:
    model, exact = kind.from_params(case.params), Oracle(case, first)
    close(model.discounted_purchases(rate, *case.history), exact.discounted(rate))


@pytest.mark.parametrize("case", [no_rate_heterogeneity, no_dropout_heterogeneity, many_purchases])
def test_discounted_purchases_agree_with_high_precision_at_the_limits(case) -> None:
    """Where one law is a point, the other integral is done directly: E[λ/(δ + λ p)] with λ or p known."""
    rate = 0.01
    exact, model = Oracle(case, 0), BetaGeo.from_params(case.params)
    mp.mp.dps = 30
    a, B, R, A, delta = exact.a, exact.B, exact.shape, exact.scale, mp.mpf(rate)
    if case is no_rate_heterogeneity:
        lam = R / A
        integral = mp.quad(
            lambda p: lam / (delta + lam * p) * p ** (a - 1) * (1 - p) ** (B - 1), [0, 1e-6, 1e-3, 0.1, 1]
        )
        close(model.discounted_purchases(rate, *case.history), exact.alive * integral / mp.beta(a, B))
    elif case is no_dropout_heterogeneity:
        # λ/(δ + λ p) = 1/p - δ/(p (δ + λ p)), and E[1/(κ + v)] of a gamma law is an incomplete gamma function.
        p, kappa = a / (a + B), delta * A * (a + B) / a
        inner = mp.exp(kappa) * kappa ** (R - 1) * mp.gammainc(1 - R, kappa)
        close(model.discounted_purchases(rate, *case.history), exact.alive / p * (1 - kappa * inner))
    else:
        # x = 2000 and a = 1: p-integral in closed form for each λ, λ within 60 standard deviations.
        def for_rate(v):
            inner = mp.hyp2f1(1, a, a + B, -v / (delta * A))
            return mp.exp((R - 1) * mp.log(v) - v - mp.loggamma(R)) * v / (delta * A) * inner

        low, high = R - 14 * mp.sqrt(R), R + 14 * mp.sqrt(R)
        close(
            model.discounted_purchases(rate, *case.history), exact.alive * mp.quad(for_rate, mp.linspace(low, high, 9))
        )


SPENDS = [
    {"p": 6.25, "q": 3.74, "gamma": 15.4},
    {"p": 0.3, "q": 1.1, "gamma": 2.0},
    {"p": 300.0, "q": 40.0, "gamma": 5.0},
]


@pytest.mark.parametrize("spend", SPENDS, ids=["cdnow", "heavy", "narrow"])
@settings(max_examples=8, deadline=None)
@given(case=ordinary(), level=logs(-2.0, 1.0))
def test_the_money_cdf_agrees_with_high_precision(spend, case, level) -> None:
    purchases, money, exact = BetaGeo.from_params(case.params), GammaGamma.from_params(spend), Oracle(case, 0)
    mean_spend = 30.0
    w = level * mean_spend
    ours = money.value_cdf(w, purchases, case.horizon, *case.history, mean_spend)
    close(ours, exact.value_cdf(w, case.horizon, spend, case.x, case.x * mean_spend))
