"""`shop`: a shop without contracts whose customers obey BG/NBD and Gamma-Gamma with known parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa

from axiom.errors import MisuseError
from axiom.sources.synthetic.browsing import EVENT_TYPES, draw_browsing
from axiom.sources.synthetic.buying import draw_amounts, draw_purchases
from axiom.sources.synthetic.columns import DAY, SECOND, category, floats, known_at, timestamps
from axiom.sources.synthetic.entities import events_table, transactions_table
from axiom.sources.synthetic.recipe import Recipe

if TYPE_CHECKING:
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.sources.synthetic.buying import Purchases
    from axiom.sources.synthetic.recipe import Block, Tables

REGIONS = ("north", "south", "east", "west")
CHANNELS = ("store", "web", "app")
_ROWS = 1_000_000  # expected rows per block
_BLOCK = 50_000  # customers per block at most
_MOST_PURCHASES = 1_000.0  # per customer, on average


@dataclass(frozen=True)
class Shop(Recipe):
    """10,000 customers; the defaults are the estimates of CDNOW (Fader, Hardie & Lee 2005; Fader & Hardie 2013).

    Attributes:
        customers: how many at scale 1.
        r: shape of the Gamma of purchase rates λ.
        alpha: its rate, in weeks: the mean of λ is r/alpha purchases a week.
        a: first parameter of the Beta of dropout probabilities p.
        b: second one: the mean of p is a/(a+b).
        p: shape of the Gamma of amounts given the customer's ν.
        q: shape of the Gamma of ν, above 1 so that the mean amount exists.
        gamma: its rate, in money: the mean amount is p·gamma/(q−1).
        acquisition_days: first purchases are spread evenly over the first so many days; 0 puts all at the start.
        future_days: how far the truth looks beyond the window.
        resolution: `second` or `day`: how exact the time-stamps of purchases are.
        events_per_week: mean number of events of a living customer; 0 means no `events` table.
        decline_days: events thin out from so many days before death to so many days after it.
    """

    customers: int = 10_000
    r: float = 0.2426
    alpha: float = 4.4135
    a: float = 0.7929
    b: float = 2.4258
    p: float = 6.2488
    q: float = 3.7446
    gamma: float = 15.4477
    acquisition_days: int = 182
    future_days: int = 182
    resolution: str = "second"
    events_per_week: float = 0.0
    decline_days: float = 30.0

    limits: ClassVar[dict[str, tuple[float, float]]] = Recipe.limits | {
        "customers": (1, 100_000_000),
        **dict.fromkeys(("r", "alpha", "a", "b", "gamma"), (0.01, 1e6)),
        "p": (0.1, 1e6),
        "q": (1.01, 1e6),
        "acquisition_days": (0, 3_660),
        "future_days": (0, 3_660),
        "events_per_week": (0.0, 10_000.0),
        "decline_days": (0.1, 3_660.0),
    }

    def check(self) -> None:
        """Refuse an unknown resolution, first purchases after the window, and more purchases than memory holds."""
        if self.resolution not in ("second", "day"):
            raise MisuseError(f"unknown resolution {self.resolution!r}", hint="second or day")
        if self.acquisition_days > self.days:
            raise MisuseError(
                f"acquisition_days={self.acquisition_days} is longer than the window of {self.days} days",
                hint="raise days or lower acquisition_days",
            )
        if self._purchases > _MOST_PURCHASES:
            raise MisuseError(
                f"r={self.r:g} and alpha={self.alpha:g} mean {self._purchases:,.0f} purchases per customer",
                hint=f"at most {_MOST_PURCHASES:,.0f}: raise alpha, or lower r, days or future_days",
            )

    @property
    def _weeks(self) -> float:
        return (self.days + self.future_days) / 7.0

    @property
    def _purchases(self) -> float:
        return self._weeks * self.r / self.alpha

    @property
    def block_size(self) -> int:
        """Customers per block, fewer when each is busier."""
        rows = 1.0 + self._purchases + self._weeks * self.events_per_week
        return max(1, min(_BLOCK, int(_ROWS / rows)))

    def draw(self, block: Block) -> tuple[Tables, Tables]:
        """Tables `customers`, `transactions`, perhaps `events`; truth `customers` and `future`."""
        rng, n = block.rng, block.size
        rate = rng.gamma(self.r, 1.0 / self.alpha, n)
        dropout = rng.beta(self.a, self.b, n)
        spend_rate = rng.gamma(self.q, 1.0 / self.gamma, n)
        born = rng.random(n) * self.acquisition_days
        bought = draw_purchases(rng, rate / 7.0, dropout, born, float(self.days + self.future_days))
        amount = draw_amounts(rng, self.p, spend_rate[bought.customer])
        past = bought.time < self.days
        transactions = self._transactions(block, bought, amount, past)
        tables = {"customers": self._customers(block, born), "transactions": transactions}
        if self.events_per_week > 0:
            tables["events"] = self._events(block, born, bought)
        future = self._transactions(block, bought, amount, ~past).drop_columns(["known_at"])
        latent = {
            "purchase_rate": floats(rate),
            "dropout_probability": floats(dropout),
            "expected_spend": floats(self.p / spend_rate),
        }
        return tables, {"customers": self._truth(block, latent, bought, amount), "future": future}

    def _happened(self, block: Block, day: FloatArray) -> IntArray:
        steps_a_day = 1 if self.resolution == "day" else DAY
        return block.start + np.floor(day * steps_a_day).astype(np.int64) * (DAY // steps_a_day * SECOND)

    def _known(self, block: Block, happened: IntArray) -> IntArray:
        return known_at(block.rng, happened, self.late_share, self.late_days)

    def _customers(self, block: Block, born: FloatArray) -> pa.Table:
        first = timestamps(self._happened(block, born))
        return pa.table(
            {
                "customer_id": block.text_ids,
                "signup_ts": first,
                "valid_from": first,
                "region": category(block.rng.choice(len(REGIONS), block.size, p=[0.4, 0.3, 0.2, 0.1]), REGIONS),
                "channel": category(block.rng.choice(len(CHANNELS), block.size, p=[0.3, 0.5, 0.2]), CHANNELS),
                "known_at": first,
            }
        )

    def _transactions(self, block: Block, bought: Purchases, amount: FloatArray, rows: BoolArray) -> pa.Table:
        happened = self._happened(block, bought.time[rows])
        known = self._known(block, happened)
        return transactions_table(block, bought.customer[rows], happened, bought.number[rows], amount[rows], known)

    def _events(self, block: Block, born: FloatArray, bought: Purchases) -> pa.Table:
        daily = self.events_per_week / 7.0
        seen = draw_browsing(block.rng, born, bought.death, self.days, daily, self.decline_days)
        happened = block.start + np.floor(seen.day * DAY).astype(np.int64) * SECOND
        known = self._known(block, happened)
        return events_table(block, seen.customer, happened, seen.kind, EVENT_TYPES, seen.value, known)

    def _truth(self, block: Block, latent: dict[str, pa.Array], bought: Purchases, amount: FloatArray) -> pa.Table:
        coming = bought.time >= self.days
        ahead = np.bincount(bought.customer[coming], minlength=block.size)
        spend = np.bincount(bought.customer[coming], weights=amount[coming], minlength=block.size)
        dead = np.isfinite(bought.death)
        died = block.start + np.floor(np.where(dead, bought.death, 0.0) * DAY).astype(np.int64) * SECOND
        return pa.table(
            {"customer_id": block.text_ids}
            | latent
            | {
                "death_ts": timestamps(died, dead),
                "alive_at_end": pa.array(bought.death >= self.days),
                "repeat_purchases": pa.array(np.bincount(bought.customer[~coming], minlength=block.size) - 1),
                "future_purchases": pa.array(ahead),
                "future_spend": floats(np.round(spend, 2)),
            }
        )
