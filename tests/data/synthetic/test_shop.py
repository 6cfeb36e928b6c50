"""`shop` against the closed forms of its models: what is drawn is BG/NBD and Gamma-Gamma, within sampling error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln, hyp2f1

from axiom.errors import MisuseError
from axiom.sources.synthetic import SyntheticCompany, generate
from axiom.sources.synthetic.buying import draw_purchases

WEEKS = 39
N = 100_000
R, ALPHA, A, B = 0.2426, 4.4135, 0.7929, 2.4258


@pytest.fixture(scope="module")
def cohort() -> SyntheticCompany:
    """Everybody starts together, so that one age serves all closed forms."""
    return generate("shop", customers=N, days=7 * WEEKS, acquisition_days=0, future_days=0, seed=7)


@pytest.fixture(scope="module")
def repeats(cohort: SyntheticCompany) -> np.ndarray:
    return cohort.truth["customers"]["repeat_purchases"].to_numpy()


def close(sample: np.ndarray, expected: float, sigmas: float = 4.0) -> bool:
    return abs(sample.mean() - expected) < sigmas * sample.std() / np.sqrt(len(sample))


def expected_purchases(t: float) -> float:
    """Fader, Hardie & Lee (2005), equation 9."""
    z = t / (ALPHA + t)
    return (A + B - 1) / (A - 1) * (1 - (ALPHA / (ALPHA + t)) ** R * hyp2f1(R, B, A + B - 1, z))


def test_expected_number_of_purchases_is_the_closed_form(repeats: np.ndarray) -> None:
    assert expected_purchases(WEEKS) == pytest.approx(1.195016, abs=1e-4)
    assert close(repeats, expected_purchases(WEEKS))


def test_distribution_of_purchases_is_the_closed_form(repeats: np.ndarray) -> None:
    # P(X(t) = n), Fader, Hardie & Lee (2005), equation 8.
    t = float(WEEKS)

    def log_beta(one: float, two: float) -> float:
        return gammaln(one) + gammaln(two) - gammaln(one + two)

    def poisson_gamma(n: int) -> float:
        log_shape = gammaln(R + n) - gammaln(R) - gammaln(n + 1)
        return np.exp(log_shape + R * np.log(ALPHA / (ALPHA + t)) + n * np.log(t / (ALPHA + t)))

    for n in range(6):
        stays = np.exp(log_beta(A, B + n) - log_beta(A, B)) * poisson_gamma(n)
        left = np.exp(log_beta(A + 1, B + n - 1) - log_beta(A, B)) * (1 - sum(map(poisson_gamma, range(n)))) if n else 0
        assert close(repeats == n, stays + left), n


def test_survival_is_the_closed_form(cohort: SyntheticCompany) -> None:
    # Lifetimes are exponential with rate λp, hence P(τ > t) = ₂F₁(r, a; a+b; −t/α).
    alive = cohort.truth["customers"]["alive_at_end"].to_numpy(zero_copy_only=False)
    assert close(alive, float(hyp2f1(R, A, A + B, -WEEKS / ALPHA)))


def test_latent_parameters_have_the_moments_of_their_populations(cohort: SyntheticCompany) -> None:
    truth = cohort.truth["customers"]
    rate, dropout = truth["purchase_rate"].to_numpy(), truth["dropout_probability"].to_numpy()
    assert close(rate, R / ALPHA)
    assert close(rate**2, R * (R + 1) / ALPHA**2)
    assert close(dropout, A / (A + B))
    assert close(dropout**2, A * (A + 1) / (A + B) / (A + B + 1))


def test_spend_has_the_moments_of_gamma_gamma() -> None:
    p, q, gamma = 6.0, 8.0, 50.0
    company = generate("shop", customers=N, p=p, q=q, gamma=gamma, seed=3, days=28, acquisition_days=0)
    # One purchase each, so that the sample is independent.
    spend = company.tables["transactions"].to_pandas().groupby("customer_id").amount.first().to_numpy()
    assert close(spend, p * gamma / (q - 1))
    assert close(spend**2, p * (p + 1) * gamma**2 / (q - 1) / (q - 2))
    expected = company.truth["customers"]["expected_spend"].to_numpy()
    assert close(expected, p * gamma / (q - 1))
    assert close(spend / expected, 1.0)
    assert close((spend / expected) ** 2, 1 + 1 / p)


def test_given_rate_and_dropout_gaps_are_exponential_and_lives_geometric() -> None:
    n, rate, dropout = 20_000, 0.5, 0.2
    rng = np.random.default_rng(0)
    bought = draw_purchases(rng, np.full(n, rate), np.full(n, dropout), np.zeros(n), 1_000.0)
    counts = np.bincount(bought.customer) - 1
    assert close(counts, 1 / dropout)
    assert close(counts**2, (2 - dropout) / dropout**2)
    gaps = np.diff(bought.time)[np.diff(bought.customer) == 0]
    assert close(gaps, 1 / rate)
    assert close(gaps**2, 2 / rate**2)
    last = pd.Series(bought.time).groupby(bought.customer).max().to_numpy()
    np.testing.assert_array_equal(last, bought.death)


def test_a_customer_with_rate_zero_never_buys_again() -> None:
    bought = draw_purchases(np.random.default_rng(0), np.zeros(3), np.full(3, 0.5), np.zeros(3), 100.0)
    assert bought.number.tolist() == [0, 0, 0]
    assert np.isinf(bought.death).all()


def test_truth_about_the_future_adds_up(shop: SyntheticCompany) -> None:
    truth = shop.truth["customers"].to_pandas().set_index("customer_id")
    future = shop.truth["future"].to_pandas()
    end = pd.Timestamp("2023-01-01", tz="UTC") + pd.Timedelta(days=shop.parameters["days"])
    assert future.txn_ts.between(end, end + pd.Timedelta(days=182), inclusive="left").all()
    per_customer = future.groupby("customer_id").amount.agg(["size", "sum"]).reindex(truth.index, fill_value=0)
    assert (per_customer["size"] == truth.future_purchases).all()
    np.testing.assert_allclose(per_customer["sum"], truth.future_spend, atol=0.005)
    past = shop.tables["transactions"].to_pandas().groupby("customer_id").size()
    assert (past == truth.repeat_purchases + 1).all()
    assert (truth.future_purchases[~truth.alive_at_end] == 0).all()
    assert truth.death_ts[~truth.alive_at_end].notna().all()


def test_first_purchases_are_spread_over_the_acquisition_period(shop: SyntheticCompany) -> None:
    first = shop.tables["transactions"].to_pandas().groupby("customer_id").txn_ts.min()
    day = (first - pd.Timestamp("2023-01-01", tz="UTC")).dt.total_seconds().to_numpy() / 86_400
    assert day.max() < 182
    assert close(day, 91)
    assert close(day**2, 182**2 / 3)


def test_logins_fade_before_death_and_all_but_stop_after_it(shop: SyntheticCompany) -> None:
    events = shop.tables["events"].to_pandas()
    truth = shop.truth["customers"].to_pandas().set_index("customer_id")
    signup = shop.tables["customers"].to_pandas().set_index("customer_id").signup_ts
    end = pd.Timestamp("2023-01-01", tz="UTC") + pd.Timedelta(days=shop.parameters["days"])
    # Only those whose life and afterlife are long enough to look at both sides.
    long = truth[(truth.death_ts - signup > pd.Timedelta(days=60)) & (end - truth.death_ts > pd.Timedelta(days=60))]
    events = events[events.customer_id.isin(long.index)]
    lead = (events.customer_id.map(long.death_ts) - events.event_ts).dt.total_seconds() / 86_400
    per_fortnight = [((lead >= low) & (lead < low + 14)).sum() for low in (40, 0, -14, -54)]
    assert per_fortnight == sorted(per_fortnight, reverse=True)
    assert per_fortnight[0] / (2 * len(long)) == pytest.approx(1.0, abs=0.1)
    assert per_fortnight[-1] < 0.1 * per_fortnight[0]


def test_day_resolution_leaves_midnights_and_the_same_purchases() -> None:
    fine, coarse = (generate("shop", customers=500, resolution=name) for name in ("second", "day"))
    exact, dates = (company.tables["transactions"].to_pandas() for company in (fine, coarse))
    assert (dates.txn_ts == exact.txn_ts.dt.floor("D")).all()
    assert (exact.txn_ts != dates.txn_ts).any()
    assert (coarse.tables["customers"].to_pandas().signup_ts.dt.hour == 0).all()


def test_without_events_there_is_no_events_table() -> None:
    assert set(generate("shop", customers=10).tables) == {"customers", "transactions"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"resolution": "hour"}, "unknown resolution 'hour'"),
        ({"acquisition_days": 400}, "longer than the window"),
        ({"r": 1e6, "alpha": 0.01}, "purchases per customer"),
        ({"q": 1.0}, "q=1.0 is out of range"),
        ({"a": 0}, "a=0 is out of range"),
        ({"alpha": float("nan")}, "alpha=nan is out of range"),
    ],
)
def test_parameters_that_make_no_shop_are_refused(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(MisuseError, match=complaint):
        generate("shop", **options)
