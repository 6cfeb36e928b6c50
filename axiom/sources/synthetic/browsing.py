"""What shop customers do between purchases: it thins out before they die and all but stops afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray, IntArray

EVENT_TYPES = ("login", "page_view", "support_ticket")
_KINDS = np.array([0.55, 0.98])  # cumulative shares of logins and page views
_TICKET = 2
_RESIDUE = 0.05  # activity long after death: newsletters, price checks
_HETEROGENEITY = 2.0  # shape of the Gamma of personal intensities


@dataclass(frozen=True)
class Browsing:
    """Events sorted by customer and time; every field has one value per event.

    Attributes:
        customer: index of the customer.
        day: since the start of the window.
        kind: index into `EVENT_TYPES`.
        value: sentiment of a support ticket in [-1, 1], NaN otherwise.
    """

    customer: IntArray
    day: FloatArray
    kind: IntArray
    value: FloatArray


def vitality(time: FloatArray, death: FloatArray, decline: float) -> FloatArray:
    """Relative activity: 1, falling linearly from `decline` before death to 0.05 at `decline` after it.

    Args:
        time: days.
        death: days, inf for the living, same shape.
        decline: days, > 0.
    """
    return _RESIDUE + (1.0 - _RESIDUE) * np.clip((death + decline - time) / (2.0 * decline), 0.0, 1.0)


def draw_browsing(
    rng: np.random.Generator, born: FloatArray, death: FloatArray, days: int, daily: float, decline: float
) -> Browsing:
    """Events of n customers from their first purchase to the end of the window: a thinned Poisson process.

    Args:
        rng: source of randomness.
        born: day of the first purchase, < `days`, shape (n,).
        death: day of the last purchase ever, inf for the living, shape (n,).
        days: end of the window.
        daily: mean events a day of a living customer, > 0; personal intensities are Gamma around it.
        decline: see `vitality`.
    """
    personal = daily * rng.gamma(_HETEROGENEITY, 1.0 / _HETEROGENEITY, len(born))
    counts = rng.poisson(personal * (days - born))
    customer = np.repeat(np.arange(len(born)), counts)
    day = born[customer] + rng.random(len(customer)) * (days - born[customer])
    kept = rng.random(len(day)) < vitality(day, death[customer], decline)
    customer, day = customer[kept], day[kept]
    order = np.lexsort((day, customer))
    customer, day = customer[order], day[order]
    kind = np.searchsorted(_KINDS, rng.random(len(day)), side="right")
    value = np.full(len(day), np.nan)
    ticket = np.flatnonzero(kind == _TICKET)
    mood = vitality(day[ticket], death[customer[ticket]], decline) - 0.6
    value[ticket] = np.round(np.clip(rng.normal(mood, 0.3), -1.0, 1.0), 3)
    return Browsing(customer, day, kind, value)
