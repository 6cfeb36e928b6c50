"""What subscribers do: an inhomogeneous Poisson process per customer, cut into days, plus bills and milestones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.sources.synthetic.columns import DAY
from axiom.sources.synthetic.people import settling

if TYPE_CHECKING:
    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.sources.synthetic.people import People

EVENT_TYPES = (
    *("support_ticket", "escalation", "login", "feature_use", "page_view"),
    *("signup", "onboarding_step", "payment", "payment_failed", "cancel"),
)
TICKET, ESCALATION, LOGIN, FEATURE_USE, PAGE_VIEW, SIGNUP, STEP, PAYMENT, PAYMENT_FAILED, CANCEL = range(10)
ONBOARDING_STEPS = 5
BILLING_DAYS = 30

_WEEK = np.array([1.15, 1.2, 1.2, 1.15, 1.0, 0.65, 0.6])  # Monday first
_WEEK_OF_1970 = 3  # 1 January 1970 was a Thursday
_TICKETS, _ESCALATIONS = 0.006, 0.0006  # shares of all usage while nothing is wrong
_LOGINS, _FEATURES = 0.22, 0.60  # cumulative shares of the rest, page views last

# One sortable number per event: customer, second since the start of the window, event type.
_KIND_BITS, _TIME_BITS = 5, 35


@dataclass(frozen=True)
class Log:
    """Events sorted by customer and time; every field has one value per event.

    Attributes:
        customer: index within the block.
        second: since the start of the window.
        kind: index into `EVENT_TYPES`.
        value: sentiment in [-1, 1], severity 1 to 3, minutes of use, step number or money; NaN where none belongs.
    """

    customer: IntArray
    second: IntArray
    kind: IntArray
    value: FloatArray


@dataclass(frozen=True)
class _Days:
    """Matrices of customers × days: relative activity, distress 0 to 1, and the seconds that a day is open."""

    activity: FloatArray
    distress: FloatArray
    opens: FloatArray
    width: FloatArray


def draw_log(rng: np.random.Generator, people: People, days: int, start_day: int, expected: float) -> Log:
    """Draw all events of some subscribers.

    Args:
        rng: source of randomness.
        people: the subscribers.
        days: length of the window.
        start_day: its first day, in days since 1970.
        expected: how many events there shall be on average, milestones and bills included.

    Returns:
        The log; nothing in it lies before a sign-up or after a cancellation.
    """
    window = _window(rng, people, days)
    fixed = np.concatenate([_milestones(rng, people, days), _bills(rng, people, window, days)])
    key = np.concatenate([fixed, _usage(rng, people, window, start_day, expected - len(fixed))])
    key.sort()
    customer = key >> (_KIND_BITS + _TIME_BITS)
    second = (key >> _KIND_BITS) & ((1 << _TIME_BITS) - 1)
    kind = key & ((1 << _KIND_BITS) - 1)
    return Log(customer, second, kind, _values(rng, people, window, customer, second, kind))


def _key(customer: IntArray, second: IntArray, kind: IntArray | int) -> IntArray:
    return (customer << (_KIND_BITS + _TIME_BITS)) | (second << _KIND_BITS) | kind


def _window(rng: np.random.Generator, people: People, days: int) -> _Days:
    day = np.arange(days)
    n = len(people.joined)
    joined, left = people.joined[:, None], people.left[:, None]
    fading = (people.leaves & ~people.abrupt)[:, None]
    fade = np.where(fading, np.clip(1.0 - (left - day) / people.decline[:, None], 0.0, 1.0), 0.0)
    # Holidays and solved problems look like the way out and are not: they keep the task honest.
    lull = rng.uniform(-2.0 * days, days, (n, 1))
    resting = (day >= lull) & (day < lull + rng.uniform(7.0, 21.0, (n, 1)))
    troubled = resting & (rng.random((n, 1)) < 1 / 3)
    opens = np.where(day == joined, people.joined_second[:, None], 0.0)
    closes = np.where(day == left, people.left_second[:, None], float(DAY))
    return _Days(
        activity=(1.0 - 0.85 * fade) * np.where(resting, 0.3, 1.0),
        distress=np.maximum(fade, 0.7 * troubled),
        opens=opens,
        width=np.where((day >= joined) & (day <= left), closes - opens, 0.0),
    )


def _usage(rng: np.random.Generator, people: People, window: _Days, start_day: int, expected: float) -> IntArray:
    n, days = window.activity.shape
    date = start_day + np.arange(days)
    season = _WEEK[(date + _WEEK_OF_1970) % 7] * (1.0 + 0.1 * np.cos(2.0 * np.pi * date / 365.25))
    intensity = people.engagement[:, None] * season * window.activity * window.width
    counts = rng.poisson(intensity * (expected / intensity.sum())).ravel()
    total = int(counts.sum())
    # The mean of two uniforms peaks at noon. Truncation keeps the second below the end of its day.
    noon = (rng.random(total) + rng.random(total)) * 0.5
    second = (noon * np.repeat(window.width.ravel(), counts)).astype(np.int64)
    cell = _key(
        np.repeat(np.arange(n), days), np.tile(np.arange(days) * DAY, n) + window.opens.astype(np.int64).ravel(), 0
    )
    tickets = _TICKETS * (1.0 + 12.0 * window.distress.ravel())
    troubles = tickets + _ESCALATIONS * (1.0 + 15.0 * window.distress.ravel())
    draw = rng.random(total)
    # Event types are numbered in the order of these thresholds.
    kind = (draw >= np.repeat(tickets, counts)).astype(np.int64)
    troubles = np.repeat(troubles, counts)
    for threshold in (0.0, _LOGINS, _FEATURES):
        kind += draw >= troubles + threshold
    return np.repeat(cell, counts) + (second << _KIND_BITS) + kind


def _milestones(rng: np.random.Generator, people: People, days: int) -> IntArray:
    who = np.arange(len(people.joined))
    new = who[people.joined >= 0]
    gone = who[people.leaves]
    # Steps fall into the days in which nobody leaves, so none comes after a cancellation.
    step_day = people.joined[new, None] + rng.integers(1, settling(days), (len(new), ONBOARDING_STEPS))
    step_second = np.sort(step_day * DAY + rng.integers(0, DAY, step_day.shape), axis=1)
    done = rng.random(step_day.shape) < people.onboarding[new, None]
    return np.concatenate(
        [
            _key(new, people.joined[new] * DAY + people.joined_second[new], SIGNUP),
            _key(np.broadcast_to(new[:, None], done.shape)[done], step_second[done], STEP),
            _key(gone, people.left[gone] * DAY + people.left_second[gone], CANCEL),
        ]
    )


def _bills(rng: np.random.Generator, people: People, window: _Days, days: int) -> IntArray:
    first = np.where(people.joined >= 0, people.joined + BILLING_DAYS, people.joined % BILLING_DAYS)
    day = first[:, None] + BILLING_DAYS * np.arange(days // BILLING_DAYS + 1)
    customer, column = np.nonzero(day < people.left[:, None])
    due = day[customer, column]
    failed = rng.random(len(due)) < 0.02 + 0.2 * window.distress[customer, due]
    return _key(customer, due * DAY + rng.integers(0, DAY, len(due)), np.where(failed, PAYMENT_FAILED, PAYMENT))


def _values(
    rng: np.random.Generator, people: People, window: _Days, customer: IntArray, second: IntArray, kind: IntArray
) -> FloatArray:
    value = np.full(len(kind), np.nan)
    ticket, used, worse, step = (np.flatnonzero(kind == one) for one in (TICKET, FEATURE_USE, ESCALATION, STEP))
    distress = window.distress[customer[ticket], second[ticket] // DAY]
    value[ticket] = np.round(np.clip(rng.normal(0.2 - 0.8 * distress, 0.35), -1.0, 1.0), 3)
    value[used] = np.round(np.exp(1.5 + 0.8 * rng.standard_normal(len(used))), 1)
    value[worse] = rng.integers(1, 4, len(worse))
    order = np.arange(len(step))
    # Steps stand in order of customer and time: number them from 1 within each customer.
    value[step] = 1 + order - np.searchsorted(customer[step], customer[step])
    billed = np.flatnonzero((kind == PAYMENT) | (kind == PAYMENT_FAILED))
    value[billed] = people.price[customer[billed]]
    return value
