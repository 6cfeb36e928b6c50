"""Recency, frequency and money: the summary (x, t_x, T, mean spend) that purchase models read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.features.grid import Grid
from axiom.features.rows import DAY, NEVER, NO_TIME, Rows
from axiom.features.selection import Selection

if TYPE_CHECKING:
    import numpy.typing as npt

    from axiom.maths.arrays import FloatArray, IntArray

_ROUNDING = 1e-9
"""A day's net counts as positive above this share of the money that moved: 0.1 + 0.2 - 0.3 is no purchase."""


@dataclass(frozen=True)
class Purchases:
    """Purchase days: at most one per customer and day, in order of (customer, day).

    Attributes:
        customer: n places.
        day: n days since `origin`.
        first_ts: time of the first row of each day, in microseconds.
        net: money of each day, returns subtracted; NaN where no amount is known.
    """

    customer: npt.NDArray[np.int32]
    day: IntArray
    first_ts: IntArray
    net: FloatArray


def purchase_days(rows: Rows, origin: int = 0) -> Purchases:
    """Net the rows of each customer and day; a day whose known amounts net to zero or less is no purchase.

    Args:
        rows: transactions, in order of (customer, time).
        origin: where days start to count, in microseconds; 0 for days in UTC.
    """
    day = (rows.ts - origin) // DAY
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (rows.customer[1:] != rows.customer[:-1]) | (day[1:] != day[:-1])
    starts = np.flatnonzero(new)
    amount = rows.numbers.get("amount")
    if amount is None or not len(starts):
        return Purchases(rows.customer[starts], day[starts], rows.ts[starts], np.full(len(starts), np.nan))
    known = ~np.isnan(amount)
    money = np.where(known, amount, 0.0)
    net = np.add.reduceat(money, starts)
    moved = np.add.reduceat(np.abs(money), starts)
    net[~np.logical_or.reduceat(known, starts)] = np.nan
    bought = np.isnan(net) | (net > _ROUNDING * moved)
    kept = starts[bought]
    return Purchases(rows.customer[kept], day[kept], rows.ts[kept], net[bought])


@dataclass(frozen=True)
class Summary:
    """What purchase models need of C customers at K cut-offs, (K, C); NaN where a customer has not bought yet.

    Attributes:
        x: repeat purchase days.
        t_x: days from the first purchase day to the last.
        T: days from the first purchase day to the last complete day before the cut-off.
        mean_spend: mean net of the repeat purchase days; NaN where there is none or no amount is known.
    """

    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    mean_spend: FloatArray


def rfm(transactions: Selection) -> Summary:
    """The summary at every cut-off. Days are UTC days; T counts to the day of the microsecond before the cut-off."""
    grid = Grid.make(transactions.grid.as_ofs.tolist(), ())
    customers = transactions.shape[1]
    whole = _summarise(transactions.settled, customers, grid)
    for k, as_of in enumerate(grid.as_ofs.tolist()):
        mixed = _mixed_customers(transactions, as_of)
        if mixed.any():
            exact = _summarise(_seen(transactions, mixed, as_of), customers, Grid.make([as_of], ()))
            for name in ("x", "t_x", "T", "mean_spend"):
                getattr(whole, name)[k, mixed] = getattr(exact, name)[0, mixed]
    return whole


def _summarise(rows: Rows, customers: int, grid: Grid) -> Summary:
    """The summary, where each day is wholly before a cut-off or wholly after it."""
    bought = purchase_days(rows)
    days = Rows(bought.customer, bought.day * DAY, numbers={"net": bought.net})
    repeat = np.zeros(len(days), dtype=np.bool_)
    repeat[1:] = bought.customer[1:] == bought.customer[:-1]
    every = Selection.everything(days, customers, grid)
    money = Selection.everything(days.take(repeat & ~np.isnan(bought.net)), customers, grid)
    ever = grid.ever
    first = np.where(every.first == NEVER, NO_TIME, every.first)
    none = first == NO_TIME
    last_day = ((grid.as_ofs - 1) // DAY)[:, None]
    spent, times = money.total("net", ever), money.count(ever)
    return Summary(
        x=np.where(none, np.nan, every.count(ever) - 1),
        t_x=np.where(none, np.nan, (every.last - first) // DAY),
        T=np.where(none, np.nan, last_day - first // DAY),
        mean_spend=np.where(times > 0, spent / np.maximum(times, 1), np.nan),
    )


def _mixed_customers(transactions: Selection, as_of: int) -> npt.NDArray[np.bool_]:
    """Customers whose days cannot be netted once for all cut-offs.

    They have an unsettled row that this cut-off sees, or a row on the very day that the cut-off divides.
    """
    mixed = np.zeros(transactions.shape[1], dtype=np.bool_)
    unsettled = transactions.unsettled
    mixed[unsettled.customer[unsettled.visible(as_of)]] = True
    if as_of % DAY:
        settled = transactions.settled
        mixed[settled.customer[settled.ts // DAY == as_of // DAY]] = True
    return mixed


def _seen(transactions: Selection, customers: npt.NDArray[np.bool_], as_of: int) -> Rows:
    """What some customers' rows were at a cut-off, in order of (customer, time)."""
    settled, late = transactions.settled, transactions.unsettled
    early = settled.take(customers[settled.customer] & (settled.ts < as_of))
    seen = late.take(customers[late.customer] & late.visible(as_of))
    numbers = {name: np.concatenate([early.numbers[name], seen.numbers[name]]) for name in early.numbers}
    joined = Rows(np.concatenate([early.customer, seen.customer]), np.concatenate([early.ts, seen.ts]), numbers=numbers)
    return joined.take(np.lexsort((joined.ts, joined.customer)))
