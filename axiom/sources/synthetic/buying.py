"""BG/NBD and Gamma-Gamma, simulated exactly as the models tell the story.

Sources: Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2), section 3;
Fader & Hardie (2013), The Gamma-Gamma model of monetary value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Purchases:
    """Purchases sorted by customer and time, and when each customer died.

    Attributes:
        customer: index of the customer, one value per purchase.
        time: of the purchase, in the unit of the rates.
        number: 0 for the first purchase, 1 for the first repeat, …
        death: time of the last purchase ever, one value per customer; inf for those still alive at the horizon.
    """

    customer: IntArray
    time: FloatArray
    number: IntArray
    death: FloatArray


def draw_purchases(
    rng: np.random.Generator, rate: FloatArray, dropout: FloatArray, born: FloatArray, horizon: float
) -> Purchases:
    """Let n customers buy until they drop out or the horizon ends.

    The first purchase, at `born`, is given and nobody drops out after it. Gaps are exponential with the customer's
    `rate`; after every repeat purchase the customer drops out for good with probability `dropout`.

    Args:
        rng: source of randomness.
        rate: purchases per unit of time, λ ≥ 0, shape (n,).
        dropout: p in [0, 1], shape (n,).
        born: time of the first purchase, < `horizon`, shape (n,).
        horizon: end of the simulation, exclusive.
    """
    alive = np.arange(len(rate))
    time = born.copy()
    death = np.full(len(rate), np.inf)
    rounds = [(alive, time)]
    # A rate that underflows to zero never buys again: its gap is infinite.
    with np.errstate(divide="ignore"):
        mean_gap = 1.0 / rate
    while len(alive):
        time = time + rng.standard_exponential(len(alive)) * mean_gap[alive]
        alive, time = alive[time < horizon], time[time < horizon]
        rounds.append((alive, time))
        dies = rng.random(len(alive)) < dropout[alive]
        death[alive[dies]] = time[dies]
        alive, time = alive[~dies], time[~dies]
    customer = np.concatenate([who for who, _ in rounds])
    number = np.repeat(np.arange(len(rounds)), [len(who) for who, _ in rounds])
    # Rounds are in order of time for each customer, so a stable sort by customer keeps that order.
    order = np.argsort(customer, kind="stable")
    return Purchases(customer[order], np.concatenate([when for _, when in rounds])[order], number[order], death)


def draw_amounts(rng: np.random.Generator, p: float, spend_rate: FloatArray) -> FloatArray:
    """Spend of each purchase, Gamma(shape `p`, rate ν), in whole cents and at least one cent.

    Args:
        rng: source of randomness.
        p: shape, > 0.
        spend_rate: ν of the customer of each purchase, > 0, one per unit of money.
    """
    return np.maximum(np.round(rng.standard_gamma(p, len(spend_rate)) / spend_rate, 2), 0.01)
