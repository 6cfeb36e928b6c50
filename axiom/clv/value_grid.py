"""Quantiles of future spend for very many customers: laws are tabulated once and read off by interpolation.

Given at least one purchase, W/(gamma + S) depends on (x, T, t) only, and its components I_y(p n, q + p x) on x only. So
for each x the components are put on a grid of l = ln(W/(gamma + S)) once, and a matrix product with the probabilities
of n purchases gives F, F' and F'' of every (T, t) on that grid. The log odds of F are then inverted in the cell that
holds the level, as a quintic Hermite polynomial in l.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc, betaincinv, betaln, expit, log_expit, logit

from axiom.clv.inputs import distinct_rows
from axiom.clv.value_mixture import components, quantile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.clv.base import TransactionModel
    from axiom.maths.arrays import FloatArray, IntArray

_LAWS_AT_ONCE = 512
_CELLS_PER_SPREAD = 6.0
_MOST_CELLS = 4_000.0
# Levels below are of customers whose P(no purchase) all but equals q: the quantile hangs on the last digits then.
_LEAST_LEVEL = 1e-9
# Mass of very many purchases that is left out.
_IGNORED = 1e-10


@dataclass(frozen=True)
class Tables:
    """Log odds of F of m laws on a grid, and its first two derivatives, each (m, grid)."""

    grid: FloatArray
    odds: FloatArray
    slope: FloatArray
    bend: FloatArray

    def inverse(self, law: IntArray, odds: FloatArray) -> FloatArray:
        """The l at which the log odds of `law` are `odds`, shape (n,)."""
        low, high = np.zeros(law.shape, dtype=np.int64), np.full(law.shape, self.grid.size - 1)
        while (high - low > 1).any():
            middle = (low + high) // 2
            below = self.odds[law, middle] < odds
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        width = self.grid[1] - self.grid[0]
        c_0, c_1, c_2 = self.odds[law, low], width * self.slope[law, low], width**2 * self.bend[law, low] / 2
        value = self.odds[law, high] - c_0 - c_1 - c_2
        slope = width * self.slope[law, high] - c_1 - 2 * c_2
        bend = width**2 * self.bend[law, high] - 2 * c_2
        c_3 = 10 * value - 4 * slope + bend / 2
        c_4 = -15 * value + 7 * slope - bend
        c_5 = 6 * value - 3 * slope + bend / 2
        s = np.clip((odds - c_0) / (value + c_1 + c_2), 0.0, 1.0)
        for _ in range(5):
            f = ((((c_5 * s + c_4) * s + c_3) * s + c_2) * s + c_1) * s + c_0 - odds
            df = (((5 * c_5 * s + 4 * c_4) * s + 3 * c_3) * s + 2 * c_2) * s + c_1
            # On a flat piece of the law any point of the cell will do.
            s = np.clip(s - f / np.where(df == 0.0, np.inf, df), 0.0, 1.0)
        return np.asarray(self.grid[low] + width * s)


def relative_quantiles(
    model: TransactionModel,
    p: float,
    rest: FloatArray,
    levels: FloatArray,
    columns: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
) -> FloatArray:
    """Quantiles of W/(gamma + S), shape (k, n); 0 where P(no purchase) reaches the level.

    Args:
        model: Purchase model.
        p: Shape of one purchase.
        rest: q + p x, shape (n,).
        levels: In (0, 1), shape (k,).
        columns: Checked (t, x, t_x, T), each (n,).
    """
    t, x, _, T = columns
    nothing, some = model.purchase_pmf(0.0, *columns), model.tail(1.0, *columns)
    wanted = levels[:, None] > nothing
    inner = np.where(wanted, (levels[:, None] - nothing) / np.where(some > 0, some, 1.0), 0.5)
    odds = logit(np.clip(inner, _LEAST_LEVEL, 1.0 - _LEAST_LEVEL))
    out = np.zeros(wanted.shape)
    laws, which = distinct_rows(x, T, t, *model.own())
    for block, customers, law in _blocks(x[laws], which):
        level, customer = np.nonzero(wanted[:, customers])
        if not level.size:
            continue
        rows, asked = laws[block], odds[level, customers[customer]]
        # The law of W given a purchase is the same whatever t_x: take the likeliest to be alive.
        last = np.where(x[rows] > 0, T[rows], 0.0)
        table = model.rows(rows).purchase_table(_IGNORED, t[rows], x[rows], last, T[rows])[1:]
        mass, shared = table / table.sum(axis=0), float(rest[rows[0]])
        tables = _tables(p, shared, mass, expit(asked.min()), expit(asked.max()))
        if tables is None:
            log_v = _solved(p, shared, mass[:, law[customer]], expit(asked))
        else:
            log_v = tables.inverse(law[customer], asked)
        out[level, customers[customer]] = np.exp(log_v)
    return out


def _solved(p: float, rest: float, mass: FloatArray, level: FloatArray) -> FloatArray:
    """What `Tables.inverse` reads off, solved for each customer; `mass` is (N, n)."""
    shared = np.full(level.size, rest), np.ones(level.size)
    return quantile(components([np.vstack([np.zeros(level.size), mass])], [(p, *shared)]), level)


def _blocks(x: FloatArray, which: IntArray) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Some laws of one x, their customers, and which of these laws each of them follows; over all laws."""
    order = np.argsort(x, kind="stable")
    place = np.empty(x.size, dtype=np.int64)
    place[order] = np.arange(x.size)
    customers = np.argsort(place[which], kind="stable")
    sorted_place = place[which][customers]
    if not x.size:
        return
    for same in np.split(np.arange(x.size), np.flatnonzero(np.diff(x[order])) + 1):
        for block in np.split(same, range(_LAWS_AT_ONCE, same.size, _LAWS_AT_ONCE)):
            low, high = np.searchsorted(sorted_place, [block[0], block[-1] + 1])
            yield order[block], customers[low:high], sorted_place[low:high] - block[0]


def _tables(p: float, rest: float, mass: FloatArray, least: float, most: float) -> Tables | None:
    """Tables of laws with P(Y = n | Y > 0) = mass, shape (N, m), that cover the levels from `least` to `most`.

    None where the grid would be too long: prices that hardly vary make F a staircase, p << 1 has a very long left tail.
    """
    shape = p * np.arange(1, len(mass) + 1)[:, None]
    # The component n = 1 is below every mixture. At most half of 1 - most is above the component `top`, so its quantile
    # at most/(1 - half) is above those of the mixtures; there, components far above `top` are still nothing.
    half = 0.5 * (1.0 - most)
    top = int(np.argmax((1.0 - np.cumsum(mass, axis=0)).max(axis=1) <= half))
    low, high = logit(betaincinv(shape[0, 0], rest, least)), logit(betaincinv(shape[top, 0], rest, most / (1.0 - half)))
    felt = mass.max(axis=1) * betainc(shape[:, 0], rest, expit(high)) > _IGNORED * half
    last = int(np.flatnonzero(felt).max(initial=0)) + 1
    shape, mass = shape[:last], mass[:last]
    width = np.sqrt(1.0 / shape[-1, 0] + 1.0 / rest) / _CELLS_PER_SPREAD
    if not (high - low) / width < _MOST_CELLS:
        return None
    grid = np.linspace(low - width, high + width, int(np.ceil((high - low) / width)) + 3)
    y, not_y = expit(grid), expit(-grid)
    below = betainc(shape, rest, y)
    log_y, log_not_y = log_expit(grid), log_expit(-grid)
    density = np.exp(shape * log_y + rest * log_not_y - betaln(shape, rest))
    F = np.clip(mass.T @ below, 1e-300, 1.0 - 1e-16)
    f, df = mass.T @ density, mass.T @ (density * (shape * not_y - rest * y))
    slope = f / (F * (1.0 - F))
    return Tables(grid, logit(F), slope, df / (F * (1.0 - F)) - np.square(slope) * (1.0 - 2.0 * F))
