"""`users` and `lifecycle`: subscribers who use a product, pay every month and cancel by contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa

from axiom.errors import MisuseError
from axiom.sources.synthetic.activity import BILLING_DAYS, EVENT_TYPES, PAYMENT, draw_log
from axiom.sources.synthetic.columns import DAY, SECOND, category, floats, known_at, timestamps
from axiom.sources.synthetic.entities import events_table, transactions_table
from axiom.sources.synthetic.people import CHANNELS, PLANS, REGIONS, Cohort, draw_people
from axiom.sources.synthetic.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.sources.synthetic.people import People
    from axiom.sources.synthetic.recipe import Block, Tables

_CELLS = 1_000_000  # customer-days, or expected events, per block


@dataclass(frozen=True)
class Subscription(Recipe):
    """What `users` and `lifecycle` share: one engine, told apart by their cohorts and sizes."""

    late_share: float = 0.02

    @property
    def cohorts(self) -> Sequence[Cohort]:
        """Kinds of customers; shares add up to 1."""
        raise NotImplementedError

    @property
    def intensity(self) -> float:
        """Expected events per customer."""
        raise NotImplementedError

    @property
    def block_size(self) -> int:
        """A round number of customers, so that the shares of cohorts and leavers come out exactly."""
        size = int(_CELLS / max(self.intensity, self.days))
        return size // 100 * 100 if size >= 100 else max(1, size)

    def check(self) -> None:
        """Refuse fewer events than bills and milestones alone amount to."""
        least = self.days // BILLING_DAYS + 10
        if self.intensity < least:
            raise MisuseError(
                f"{self.intensity:g} events per customer do not fill {self.days} days",
                hint=f"ask for at least {least}, or for fewer days",
            )

    def draw(self, block: Block) -> tuple[Tables, Tables]:
        """Tables `customers`, `events`, `transactions`; truth `customers`."""
        people = draw_people(block, self.cohorts, self.days)
        start_day = block.start // (DAY * SECOND)
        log = draw_log(block.rng, people, self.days, start_day, block.size * self.intensity)
        ids = block.text_ids
        happened = block.start + log.second * SECOND
        known = known_at(block.rng, happened, self.late_share, self.late_days)
        paid = np.flatnonzero(log.kind == PAYMENT)
        payer = log.customer[paid]
        number = np.arange(len(paid)) - np.searchsorted(payer, payer)
        tables = {
            "customers": self._customers(block, people, ids),
            "events": events_table(block, log.customer, happened, log.kind, EVENT_TYPES, log.value, known),
            "transactions": transactions_table(block, payer, happened[paid], number, log.value[paid], known[paid]),
        }
        return tables, {"customers": self._truth(block, people, ids)}

    def _customers(self, block: Block, people: People, ids: pa.Array) -> pa.Table:
        signed_up = timestamps(block.start + (people.joined * DAY + people.joined_second) * SECOND)
        return pa.table(
            {
                "customer_id": ids,
                "signup_ts": signed_up,
                "valid_from": signed_up,
                "plan": category(people.plan, PLANS),
                "region": category(people.region, REGIONS),
                "channel": category(people.channel, CHANNELS),
                "monthly_price": floats(people.price),
                "known_at": signed_up,
            }
        )

    def _truth(self, block: Block, people: People, ids: pa.Array) -> pa.Table:
        left = block.start + (people.left * DAY + people.left_second) * SECOND
        fading = people.leaves & ~people.abrupt
        return pa.table(
            {
                "customer_id": ids,
                "cohort": category(people.cohort, [one.name for one in self.cohorts]),
                "churned": pa.array(people.leaves),
                "churn_ts": timestamps(left, people.leaves),
                "abrupt": pa.array(people.abrupt),
                "decline_days": floats(np.where(fading, people.decline, np.nan)),
                "engagement": floats(people.engagement),
                "onboarding": floats(people.onboarding),
            }
        )


@dataclass(frozen=True)
class Users(Subscription):
    """1,000 users of a product over a year, 1.4 M events, of whom 10 % cancel.

    Attributes:
        users: how many at scale 1.
        events_per_user: expected number of events of each, bills and milestones included.
        churn_rate: share that cancels within the window.
    """

    days: int = 365
    users: int = 1_000
    events_per_user: float = 1_400.0
    churn_rate: float = 0.10

    size_option: ClassVar[str] = "users"
    limits: ClassVar[dict[str, tuple[float, float]]] = Recipe.limits | {
        "users": (1, 100_000_000),
        "events_per_user": (1.0, 100_000.0),
        "churn_rate": (0.0, 1.0),
    }

    @property
    def cohorts(self) -> Sequence[Cohort]:
        """Three in five were there before; the others join in the first half of the window."""
        return (
            Cohort("existing", 0.6, self.churn_rate, (-730, -1)),
            Cohort("joining", 0.4, self.churn_rate, (0, self.days // 2)),
        )

    @property
    def intensity(self) -> float:
        """Expected events per user."""
        return self.events_per_user


@dataclass(frozen=True)
class Lifecycle(Subscription):
    """50,000 customers in three lifecycle cohorts with their own churn rates over half a year.

    New customers sign up in the first half of the window, established ones up to a year before it, mature ones
    one to five years before it.

    Attributes:
        customers: how many at scale 1.
        events_per_customer: expected number of events of each.
        share_new: share of new customers.
        share_established: share of established customers; the rest is mature.
        churn_new: share of new customers that cancels within the window.
        churn_established: the same for established customers.
        churn_mature: the same for mature customers.
    """

    days: int = 182
    customers: int = 50_000
    events_per_customer: float = 60.0
    share_new: float = 0.3
    share_established: float = 0.4
    churn_new: float = 0.25
    churn_established: float = 0.12
    churn_mature: float = 0.05

    limits: ClassVar[dict[str, tuple[float, float]]] = Recipe.limits | {
        "customers": (1, 100_000_000),
        "events_per_customer": (1.0, 100_000.0),
        **dict.fromkeys(("share_new", "share_established", "churn_new", "churn_established"), (0.0, 1.0)),
        "churn_mature": (0.0, 1.0),
    }

    def check(self) -> None:
        """Refuse shares that exceed the whole, and too few events."""
        super().check()
        if self.share_new + self.share_established > 1.0:
            raise MisuseError(
                f"share_new={self.share_new:g} and share_established={self.share_established:g} exceed 1",
                hint="the rest is the share of mature customers",
            )

    @property
    def cohorts(self) -> Sequence[Cohort]:
        """New, established, mature."""
        mature = 1.0 - self.share_new - self.share_established
        return (
            Cohort("new", self.share_new, self.churn_new, (0, self.days // 2)),
            Cohort("established", self.share_established, self.churn_established, (-365, -1)),
            Cohort("mature", mature, self.churn_mature, (-1_825, -366)),
        )

    @property
    def intensity(self) -> float:
        """Expected events per customer."""
        return self.events_per_customer

    def _customers(self, block: Block, people: People, ids: pa.Array) -> pa.Table:
        # A CRM shows the stage as it stands when the window opens, not as it stood at sign-up years ago.
        table = super()._customers(block, people, ids)
        joined = block.start + (people.joined * DAY + people.joined_second) * SECOND
        since = timestamps(np.maximum(joined, block.start))
        table = table.set_column(table.schema.get_field_index("valid_from"), "valid_from", since)
        table = table.set_column(table.schema.get_field_index("known_at"), "known_at", since)
        return table.append_column("lifecycle", category(people.cohort, [one.name for one in self.cohorts]))
