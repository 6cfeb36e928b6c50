"""From the inference log to who was answered by which version first: what a roll-out is judged by."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from axiom.errors import CorruptError
from axiom.maths.assignment import position

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.registry.trials import Trial

SETTLING = timedelta(seconds=30)
"""After a change of the share replicas may still answer by the old one: answers of that time do not count."""
COLUMNS = ("request_id", "at", "kind", "customer_id", "source", "model", "role", "value", "as_of")


class InferenceReader(Protocol):
    """Reads the inference log."""

    def __call__(self, since: datetime, until: datetime) -> pa.Table:
        """Rows of [since, until) with at least `COLUMNS`."""


@dataclass(frozen=True, eq=False)
class Exposures:
    """One row a customer: the first answer that counts, in order of time.

    Attributes:
        customer_id: who, shape (n,).
        at: when, microseconds since 1970, shape (n,).
        as_of: the moment that the features spoke about, microseconds since 1970, shape (n,).
        p: what was answered, shape (n,); by the champion where both did.
        other: what the version on trial said in the same request, shape (n,); NaN for a canary.
        canary: whether the canary answered, shape (n,).
        share: probability with which the canary was drawn, shape (n,).
        counts: what was seen: `rows` of the log, `unusable` ones, customers answered by the `wrong_side`.
    """

    customer_id: list[str]
    at: IntArray
    as_of: IntArray
    p: FloatArray
    other: FloatArray
    canary: BoolArray
    share: FloatArray
    counts: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.customer_id)

    def take(self, rows: IntArray) -> Exposures:
        """Some of them, shape (m,)."""
        return Exposures(
            customer_id=[self.customer_id[row] for row in rows.tolist()],
            at=self.at[rows],
            as_of=self.as_of[rows],
            p=self.p[rows],
            other=self.other[rows],
            canary=self.canary[rows],
            share=self.share[rows],
            counts=self.counts,
        )


@dataclass(frozen=True)
class Watched:
    """Which answers to look for.

    Attributes:
        champion: `name@version`.
        other: `name@version` of the canary or shadow.
        kind: `churn` or `clv`.
        since: from when on answers count, UTC.
        until: up to when, UTC.
    """

    champion: str
    other: str
    kind: str
    since: datetime
    until: datetime


def split_exposures(read: InferenceReader, watched: Watched, trial: Trial, salt: str) -> Exposures:
    """Customers of either side of a canary, each with the first answer that counts.

    An answer counts when the share was settled and no nearer to 0 or 1 than at the beginning, and when it came from the
    side that the salt draws for the customer; others (a canary that could not answer) are counted as `wrong_side`.

    Raises:
        CorruptError: the log lacks a column.
    """
    found = _Collected()
    edges = [moment for step, _ in trial.steps for moment in (step, step + SETTLING)]
    for start, stop in _spans(watched, edges):
        share = _share_at(trial, start)
        if not min(share, 1 - share) >= trial.floor > 0:
            continue
        rows = found.usable(read(start, stop), watched)
        for row in _first(rows, ("customer_id", "role", "model")):
            customer, canary = row["customer_id"], row["role"] == "canary"
            if customer in found.seen or row["role"] not in ("champion", "canary"):
                continue
            if canary != (position(customer, salt) < share) or canary != (row["model"] == watched.other):
                found.counts["wrong_side"] += 1
                continue
            found.add(row, other=np.nan, canary=canary, share=share)
    return found.exposures()


def paired_exposures(read: InferenceReader, watched: Watched) -> Exposures:
    """Customers that the champion answered while the shadow was asked too, each with the first such request.

    Raises:
        CorruptError: the log lacks a column.
    """
    import pyarrow.compute as pc

    found = _Collected()
    for start, stop in _spans(watched, []):
        rows = found.usable(read(start, stop), watched)
        sides = [
            rows.filter(pc.and_(pc.equal(rows["role"], role), pc.equal(rows["model"], model)))
            for role, model in (("champion", watched.champion), ("shadow", watched.other))
        ]
        asked = (
            sides[1]
            .select(["request_id", "customer_id", "value"])
            .rename_columns(["request_id", "customer_id", "other"])
        )
        both = sides[0].join(asked, ["request_id", "customer_id"], join_type="inner")
        for row in _first(both, ("customer_id",)):
            if row["customer_id"] not in found.seen:
                found.add(row, other=row["other"], canary=False, share=0.0)
    return found.exposures()


@dataclass
class _Collected:
    seen: set[str] = field(default_factory=set)
    rows: list[tuple[str, int, int, float, float, bool, float]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def usable(self, table: pa.Table, watched: Watched) -> pa.Table:
        """The rows that can count; the others are counted."""
        kept = _usable(table, watched)
        self.counts["rows"] += table.num_rows
        self.counts["unusable"] += table.num_rows - kept.num_rows
        return kept

    def add(self, row: Mapping[str, Any], *, other: float, canary: bool, share: float) -> None:
        """Keep the first answer of a customer."""
        self.seen.add(row["customer_id"])
        self.rows.append((row["customer_id"], row["at"], row["as_of"], row["value"], other, canary, share))

    def exposures(self) -> Exposures:
        """As arrays, in order of time."""
        self.rows.sort(key=lambda row: row[1])
        columns: list[tuple[Any, ...]] = list(zip(*self.rows, strict=True)) if self.rows else [()] * 7
        return Exposures(
            customer_id=list(columns[0]),
            at=np.array(columns[1], dtype=np.int64),
            as_of=np.array(columns[2], dtype=np.int64),
            p=np.array(columns[3], dtype=np.float64),
            other=np.array(columns[4], dtype=np.float64),
            canary=np.array(columns[5], dtype=np.bool_),
            share=np.array(columns[6], dtype=np.float64),
            counts=dict(self.counts),
        )


def _spans(watched: Watched, edges: Sequence[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """The time watched, cut at midnights and edges, so that memory holds a day of the log and the share is one."""
    midnight = watched.since.replace(hour=0, minute=0, second=0, microsecond=0)
    days = (watched.until - midnight).days + 1
    cuts = {midnight + timedelta(days=day) for day in range(1, days + 1)} | set(edges)
    inside = sorted(moment for moment in cuts if watched.since < moment < watched.until)
    if watched.since < watched.until:
        yield from pairwise([watched.since, *inside, watched.until])


def _first(rows: pa.Table, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The first row of each key, in order of time; times as microseconds."""
    others = [name for name in rows.column_names if name not in keys]
    ordered = rows.sort_by([("at", "ascending"), ("request_id", "ascending")])
    first = ordered.group_by(list(keys), use_threads=False).aggregate([(name, "first") for name in others])
    found = first.rename_columns([name.removesuffix("_first") for name in first.column_names])
    yield from found.sort_by([("at", "ascending"), ("request_id", "ascending")]).to_pylist()


def _usable(table: pa.Table, watched: Watched) -> pa.Table:
    """Rows of known customers about the two versions, whose features came from the store, with a value that can be.

    What a caller posted says nothing about the customer in the lake, and may know the future.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if missing := [name for name in COLUMNS if name not in table.column_names]:
        raise CorruptError(f"the inference log lacks {', '.join(missing)}", hint="was it written by this Axiom?")
    wanted = pc.is_in(table["model"], value_set=pa.array([watched.champion, watched.other]))
    for condition in (
        pc.equal(table["kind"], watched.kind),
        pc.equal(table["source"], "id"),
        pc.is_valid(table["customer_id"]),
        pc.less_equal(table["as_of"], table["at"]),
        pc.is_finite(table["value"]),
        pc.greater_equal(table["value"], 0.0),
        pc.less_equal(table["value"], 1.0 if watched.kind == "churn" else np.inf),
    ):
        wanted = pc.and_(wanted, pc.fill_null(condition, fill_value=False))
    kept = table.select(COLUMNS).filter(wanted)
    for name in ("at", "as_of"):
        kept = kept.set_column(kept.column_names.index(name), name, kept[name].cast(pa.int64()))
    return kept


def _share_at(trial: Trial, at: datetime) -> float:
    """The share that answers at this time were drawn by; NaN where replicas may not have known it yet."""
    past = [(since, share) for since, share in trial.steps if since <= at]
    return past[-1][1] if past and at >= past[-1][0] + SETTLING else np.nan
