"""Sensible features for what a lake holds; extend them in YAML with `extends: default`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.errors import BadInputError
from axiom.features.definitions import Feature, FeatureSet, Filter, plain_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from axiom.lake import Snapshot

_SAMPLE_ROWS = 200_000
_COMMON_SHARE = 0.01
_MOST_TYPES = 10


def default_feature_set(schema: Mapping[str, Mapping[str, str]], event_types: Sequence[str] = ()) -> FeatureSet:
    """The default features.

    Attributes of customers are not among them: whether a column was known at the cut-off is for a person to say.

    Args:
        schema: entity -> column -> Arrow type as text; entities with no rows are missing or empty.
        event_types: types worth a feature of their own, see `common_event_types`.

    Raises:
        BadInputError: there are neither transactions nor events.
    """
    features: list[Feature] = []
    if schema.get("transactions"):
        features += _transactions(has_amount="amount" in schema["transactions"])
    if schema.get("events"):
        features += _events(sorted(set(event_types)), has_value="value" in schema["events"])
    if not features:
        raise BadInputError("the lake holds no transactions and no events", hint="ingest one of them first")
    return FeatureSet("default", (Feature("tenure"), *features))


def common_event_types(events: Snapshot, buckets: int) -> tuple[str, ...]:
    """Event types that make up at least one in a hundred events, at most ten, the commonest first.

    Args:
        events: silver's events.
        buckets: bucket count of the lake; the first ones, a random sample of customers, are looked at.
    """
    import numpy as np
    import pyarrow.compute as pc

    counts: dict[str, int] = {}
    for bucket in range(buckets):
        types = events.read(bucket, ["event_type"])["event_type"]
        for entry in pc.value_counts(types.cast("string")).to_pylist():
            counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
        if sum(counts.values()) >= _SAMPLE_ROWS:
            break
    least = np.ceil(_COMMON_SHARE * sum(counts.values()))
    common = sorted((name for name in counts if counts[name] >= least), key=lambda name: (-counts[name], name))
    return tuple(common[:_MOST_TYPES])


def _transactions(*, has_amount: bool) -> Iterator[Feature]:
    entity = "transactions"
    yield Feature("count", entity, windows=(30, 90, 365, "all"))
    yield Feature("count", entity, windows=("lifecycle",))
    yield Feature("count", entity, windows=(30,), lag=30)
    yield Feature("days_since_last", entity)
    yield Feature("breadth", entity, "day", windows=(365,))
    yield Feature("trend", entity, windows=(30, 90), method="change", of="count")
    yield Feature("trend", entity, windows=(28,), method="slope", of="count")
    yield Feature("seasonality", entity, windows=(365,), method="weekend_share")
    yield Feature("seasonality", entity, windows=(90,), method="last_year")
    if has_amount:
        yield Feature("sum", entity, "amount", windows=(30, 90, 365))
        yield Feature("mean", entity, "amount", windows=(365, "all"))
        yield Feature("max", entity, "amount", windows=(365,))
        yield Feature("std", entity, "amount", windows=(365,))
        yield Feature("count", entity, windows=(365,), where=(Filter("amount", "lt", (0.0,)),), name="txn_returns")
        yield Feature("trend", entity, "amount", windows=(90,), method="change", of="sum")


def _events(types: Sequence[str], *, has_value: bool) -> Iterator[Feature]:
    entity = "events"
    yield Feature("count", entity, windows=(7, 14, 30, 60, 90))
    yield Feature("count", entity, windows=("lifecycle",))
    yield Feature("count", entity, windows=(30,), lag=30)
    yield Feature("days_since_last", entity)
    yield Feature("breadth", entity, "event_type", windows=(30,))
    yield Feature("breadth", entity, "day", windows=(30,))
    yield Feature("trend", entity, windows=(7, 30), method="change", of="count")
    yield Feature("trend", entity, windows=(28,), method="slope", of="count")
    yield Feature("seasonality", entity, windows=(90,), method="weekend_share")
    taken: set[str] = set()
    for index, name in enumerate(types):
        prefix = f"evt_{plain_name(name)}"
        if prefix in taken or prefix == "evt_":  # another spelling of the same name, or no plain letters at all
            prefix = f"evt_type{index + 1}"
        taken.add(prefix)
        yield from _of_type(name, prefix, has_value=has_value)
    steps = tuple(name for name in types if "onboard" in name.lower())
    if steps:
        where = (Filter("event_type", "in", steps),)
        yield Feature("activation", entity, where=where, method="share", within=14, name="onboarding_share")


def _of_type(name: str, prefix: str, *, has_value: bool) -> Iterator[Feature]:
    """Features of one event type; logins and support tickets get more, because they say more about leaving."""
    where, word = (Filter("event_type", "in", (name,)),), name.lower()
    if "cancel" in word:
        return
    yield Feature("count", "events", where=where, windows=(30,), name=f"{prefix}_count")
    if "login" in word:
        yield Feature("days_since_last", "events", where=where, name=f"{prefix}_days_since_last")
        yield Feature("activation", "events", where=where, method="days_to_first", name=f"{prefix}_days_to_first")
        yield Feature("activation", "events", where=where, method="count", within=7, name=f"{prefix}_count_first7d")
    if has_value and any(part in word for part in ("ticket", "support", "complaint", "review")):
        yield Feature("mean", "events", "value", where=where, windows=(90,), name=f"{prefix}_value_mean")
