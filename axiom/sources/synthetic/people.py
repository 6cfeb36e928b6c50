"""Subscribers: who they are, when they join, and which of them leave when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.sources.synthetic.columns import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.sources.synthetic.recipe import Block

PLANS = ("basic", "pro", "enterprise")
REGIONS = ("north", "south", "east", "west")
CHANNELS = ("organic", "paid_search", "referral", "partner")
_PRICES = np.array([19.0, 59.0, 249.0])
_PLAN_RISK = np.array([0.4, 0.0, -0.6])
_CHANNEL_RISK = np.array([0.0, 0.3, -0.3, 0.0])
_ABRUPT = 0.2  # share of leavers who give no sign: no model can find them all


@dataclass(frozen=True)
class Cohort:
    """A kind of customer.

    Attributes:
        name: what it is called.
        share: of all customers, 0 to 1.
        churn_rate: share of the cohort that cancels within the window.
        joined: first and last possible day of sign-up, relative to the first day of the window.
    """

    name: str
    share: float
    churn_rate: float
    joined: tuple[int, int]


@dataclass(frozen=True)
class People:
    """Latent and visible properties of n subscribers; every field is an array of length n.

    Attributes:
        cohort: index into the cohorts.
        plan: index into `PLANS`.
        region: index into `REGIONS`.
        channel: index into `CHANNELS`.
        price: monthly price.
        engagement: relative intensity of use, mean about 1.2.
        onboarding: probability of completing each onboarding step.
        joined: day of sign-up relative to the first day of the window; negative means before it.
        joined_second: second within that day.
        leaves: whether the customer cancels within the window.
        left: day of the cancellation; `days` for those who stay.
        left_second: second within that day.
        abrupt: leaves without any decline.
        decline: length of the decline before leaving, in days.
    """

    cohort: IntArray
    plan: IntArray
    region: IntArray
    channel: IntArray
    price: FloatArray
    engagement: FloatArray
    onboarding: FloatArray
    joined: IntArray
    joined_second: IntArray
    leaves: BoolArray
    left: IntArray
    left_second: IntArray
    abrupt: BoolArray
    decline: FloatArray


def settling(days: int) -> int:
    """Days after sign-up (or after the start of the window) in which nobody leaves."""
    return min(21, days // 4)


def draw_people(block: Block, cohorts: Sequence[Cohort], days: int) -> People:
    """Draw the subscribers of a block.

    Who leaves depends on engagement, onboarding, plan and channel; how many, on the cohort's rate alone.
    Within each cohort the number is exact up to one customer per block.
    """
    rng, n = block.rng, block.size
    cohort = _cohorts(rng, n, [one.share for one in cohorts])
    earliest, latest = np.array([one.joined for one in cohorts]).T
    plan = rng.choice(len(PLANS), n, p=[0.6, 0.3, 0.1])
    channel = rng.choice(len(CHANNELS), n, p=[0.4, 0.3, 0.2, 0.1])
    engagement = rng.lognormal(0.0, 0.6, n)
    onboarding = rng.beta(3.0, 1.5, n)
    joined = rng.integers(earliest[cohort], latest[cohort] + 1)
    risk = _PLAN_RISK[plan] + _CHANNEL_RISK[channel] - 0.6 * np.log(engagement) - 2.0 * onboarding
    leaves = np.zeros(n, np.bool_)
    for index, one in enumerate(cohorts):
        members = np.flatnonzero(cohort == index)
        # Gumbel noise makes the largest risks a sample without replacement, weighted by exp(risk).
        order = np.argsort(-(risk[members] + rng.gumbel(size=len(members))), kind="stable")
        leaves[members[order[: _rounded(rng, len(members) * one.churn_rate)]]] = True
    left = np.where(leaves, rng.integers(np.maximum(joined, 0) + settling(days), days), days)
    return People(
        cohort=cohort,
        plan=plan,
        region=rng.choice(len(REGIONS), n, p=[0.4, 0.3, 0.2, 0.1]),
        channel=channel,
        price=np.round(_PRICES[plan] * rng.choice([0.8, 1.0, 1.0, 1.25], n), 2),
        engagement=engagement,
        onboarding=onboarding,
        joined=joined,
        joined_second=rng.integers(0, DAY, n),
        leaves=leaves,
        left=left,
        left_second=rng.integers(1, DAY, n),
        abrupt=leaves & (rng.random(n) < _ABRUPT),
        decline=rng.uniform(30.0, 90.0, n),
    )


def _cohorts(rng: np.random.Generator, n: int, shares: Sequence[float]) -> IntArray:
    """Systematic sample: each cohort gets n·share customers, rounded at random so that rounding is unbiased."""
    edges = np.floor(n * np.cumsum([0.0, *shares]) + rng.random()).astype(np.int64)
    edges[0], edges[-1] = 0, n
    edges = np.minimum(edges, n)
    return rng.permutation(np.repeat(np.arange(len(shares)), np.diff(edges)))


def _rounded(rng: np.random.Generator, expected: float) -> int:
    return int(expected + rng.random())
