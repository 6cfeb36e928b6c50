"""Rows with a time to an event: from the lake at cut-offs, or from a static table with durations and events."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from axiom.errors import BadInputError, CorruptError, MisuseError
from axiom.training.catalogue.layout import numbers
from axiom.training.definition import LABEL_COLUMNS
from axiom.training.static import read_static
from axiom.training.tables import load_churn_rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    import pyarrow as pa

    from axiom.lake import Dataset
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.training.definition import ChurnDefinition
    from axiom.training.table import TimeArray
    from axiom.training.tables import ChurnRows

Outcome = Literal["churn", "return"]
_NEXT = {"transactions": ("days_to_next_purchase",), "events": ("days_to_next_event",)}
_SEEN = {"transactions": ("observed_days",), "events": ("observed_event_days",)}
_GROWS = 0.8  # rank correlation with the duration from which a covariate looks like the duration itself


@dataclass(frozen=True, eq=False)
class SurvivalTable:
    """Rows with a duration. Immutable; `rows` gives a new table.

    Attributes:
        X: features, one column each, n rows.
        duration: time to the event or to the end of observation, >= 0, shape (n,).
        event: whether the event was seen, shape (n,).
        customer_id: text, shape (n,).
        as_of: where the clock starts, datetime64[us] in UTC, shape (n,); NaT throughout in a static table.
        outcome: what the event is: `churn`, or `return`: the next activity, whose absence is churn.
        clock: name of the duration in a static table, where a customer's own duration so far is known when the model
            is used; "" where the clock starts at the cut-off.
        unit: of the durations, for people.
    """

    X: pa.Table
    duration: FloatArray
    event: BoolArray
    customer_id: npt.NDArray[np.object_]
    as_of: TimeArray
    outcome: Outcome = "churn"
    clock: str = ""
    unit: str = "days"

    def __post_init__(self) -> None:
        if self.duration.size and self.duration.min() < 0:
            bad = int((self.duration < 0).sum())
            first = self.customer_id[int(np.argmax(self.duration < 0))]
            raise BadInputError(
                f"{bad} durations are negative, the first of customer {first!r} ({self.duration.min():g} is the least)",
                hint="a duration counts from the start of the relation to its end or to the end of the data",
            )

    def __len__(self) -> int:
        return len(self.duration)

    def rows(self, index: IntArray | BoolArray) -> SurvivalTable:
        """The rows that an index array (m,) or a mask (n,) names."""
        import pyarrow as pa

        where = np.flatnonzero(index) if index.dtype == np.bool_ else index
        parts: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        taken = {name: part[where] for name, part in parts.items() if isinstance(part, np.ndarray)}
        return SurvivalTable(**{**parts, **taken, "X": self.X.take(pa.array(where))})


@dataclass(frozen=True, eq=False)
class SurvivalRows:
    """Durations of a build, beside the labelled churn rows of the same customers and cut-offs.

    Attributes:
        table: with follow-up to the end of the data; see `censored_at` for what was known earlier.
        churn: the labelled rows, same order.
    """

    table: SurvivalTable
    churn: ChurnRows


def load_survival_rows(
    features: Dataset, labels: Dataset, horizon: int, definition: ChurnDefinition | None = None
) -> SurvivalRows:
    """Durations from the cut-off: to the cancellation, or to the next activity whose absence is churn.

    The rows are those of `load_churn_rows`: customers at risk at cut-offs whose label over the horizon is known.

    Args:
        features: the features dataset.
        labels: the labels dataset of the same build.
        horizon: length of the label window in days.
        definition: what churn means; None: what the data suggest.

    Raises:
        BadInputError, CorruptError: as `load_churn_rows`.
    """
    churn = load_churn_rows(features, labels, horizon, definition)
    meaning = churn.definition
    targets = labels.read(["customer_id", "as_of", *LABEL_COLUMNS])
    targets = targets.filter(_mask(meaning.known(targets, horizon) & meaning.at_risk(targets)))
    if targets.num_rows != len(churn.table):
        raise CorruptError(f"labels {labels.manifest.id}: {targets.num_rows} durations, {len(churn.table)} labels")
    if meaning.kind == "cancellation":
        ahead, seen = _least(targets, ("days_to_cancel",)), _least(targets, ("observed_event_days",))
    else:
        which = ("transactions", "events") if meaning.activity == "any" else (meaning.activity,)
        ahead = _least(targets, [name for kind in which for name in _NEXT[kind]])
        seen = _least(targets, [name for kind in which for name in _SEEN[kind]])
    event = ahead < seen
    table = SurvivalTable(
        churn.table.X,
        np.where(event, ahead, seen),
        event,
        churn.table.customer_id,
        churn.table.as_of,
        "churn" if meaning.kind == "cancellation" else "return",
    )
    return SurvivalRows(table, churn)


def censored_at(table: SurvivalTable, moment: datetime) -> SurvivalTable:
    """The rows as they stood at a moment: whoever had no event before it was still being observed."""
    until = (np.datetime64(moment.replace(tzinfo=None), "us") - table.as_of) / np.timedelta64(1, "D")
    event = table.event & (table.duration < until)
    return SurvivalTable(
        table.X,
        np.minimum(table.duration, until),
        event,
        table.customer_id,
        table.as_of,
        table.outcome,
        table.clock,
        table.unit,
    )


def read_survival_table(
    path: str | Path, duration: str, event: str, *, positive: str | None = None, drop: Iterable[str] = ()
) -> tuple[SurvivalTable, tuple[str, ...]]:
    """Read a CSV or Parquet file with a duration and an event column; see `read_static` for what is done to it.

    Args:
        path: the file.
        duration: column of times to the event or to the end of observation.
        event: column with two values: seen, or not yet.
        positive: its value that means seen; default: guessed from 1, yes, true, churned, …
        drop: columns that are no covariates.

    Returns:
        The table, and what was done to it, in full sentences.

    Raises:
        NotFoundError: no such file.
        BadInputError: the file cannot be read, a duration is negative, everybody has the event or nobody.
        MisuseError: no such column.
    """
    try:
        table, notes = read_static(path, event, positive=positive)
    except BadInputError as error:
        raise BadInputError(
            error.message,
            hint=error.hint or "survival needs rows whose event was seen and rows still under observation",
        ) from error
    strangers = [name for name in (duration, *drop) if name not in table.X.column_names]
    if strangers:
        raise MisuseError(
            f"{path} has no column {strangers[0]!r}", hint=f"it has {', '.join(table.X.column_names[:20])}"
        )
    times = numbers(duration, table.X.column(duration))
    known = ~np.isnan(times)
    if not known.any():
        raise BadInputError(f"{duration!r} holds no duration")
    told = [] if known.all() else [f"{int((~known).sum())} rows without a value of {duration!r} were left out"]
    kept = table if known.all() else table.rows(known)
    X = kept.X.drop_columns([duration, *drop])
    if not X.num_columns:
        raise BadInputError(f"{path} holds nothing beside {duration!r} and {event!r}")
    found = SurvivalTable(X, times[known], kept.churned, kept.customer_id, kept.as_of, "churn", duration, duration)
    return found, (*notes, *told)


def growing_with_time(table: SurvivalTable) -> dict[str, float]:
    """Numeric covariates that rise or fall with the duration itself, with their rank correlation beyond ±0.8.

    A total over the time observed (all charges, all visits) does. It was not known when the clock started, and makes
    long relations look safe.
    """
    from scipy.stats import spearmanr

    found = {}
    for name in table.X.column_names:
        try:
            values = numbers(name, table.X.column(name))
        except BadInputError:  # text, or infinite: the encoder has its say
            continue
        known = ~np.isnan(values)
        if known.sum() > 2 and np.ptp(values[known]) > 0 and np.ptp(table.duration[known]) > 0:
            rank = float(spearmanr(values[known], table.duration[known]).statistic)
            if abs(rank) > _GROWS:
                found[name] = rank
    return found


def _mask(keep: BoolArray) -> pa.Array:
    import pyarrow as pa

    return pa.array(keep)


def _least(labels: pa.Table, names: Iterable[str]) -> FloatArray:
    """The smallest known value of some columns; NaN where none is known."""
    columns = [np.asarray(labels[name].to_numpy(), dtype=np.float64) for name in names]
    return np.asarray(np.fmin.reduce(columns), dtype=np.float64)
