"""From gold to the tables that models learn from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import BadInputError, CorruptError
from axiom.training.baselines import population_baseline
from axiom.training.definition import LABEL_COLUMNS, ChurnDefinition
from axiom.training.table import ChurnTable

if TYPE_CHECKING:
    import pyarrow as pa

    from axiom.lake import Dataset
    from axiom.maths.arrays import BoolArray, FloatArray
    from axiom.training.table import TimeArray

RFM = ("x", "t_x", "T", "mean_spend")


@dataclass(frozen=True, eq=False)
class ChurnRows:
    """Labelled rows of a features and a labels dataset.

    Attributes:
        table: one row a customer at risk and cut-off.
        definition: what churn means in it.
        left_out: why -> rows that are not in the table.
        notes: what the fit of the purchase baseline has to say, in full sentences.
    """

    table: ChurnTable
    definition: ChurnDefinition
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load_churn_rows(
    features: Dataset, labels: Dataset, horizon: int, definition: ChurnDefinition | None = None
) -> ChurnRows:
    """Read the labelled churn table of one build.

    Args:
        features: the features dataset.
        labels: the labels dataset of the same build: the same customers and cut-offs in the same order.
        horizon: length of the label window in days.
        definition: what churn means; None: what the data suggest.

    Raises:
        BadInputError: nobody is at risk at a cut-off whose label is known.
        CorruptError: the two datasets do not belong together.
    """
    rows, targets = features.read(), labels.read(["customer_id", "as_of", *LABEL_COLUMNS])
    if not (rows["customer_id"].equals(targets["customer_id"]) and rows["as_of"].equals(targets["as_of"])):
        raise CorruptError(f"features {features.manifest.id} and labels {labels.manifest.id} hold different customers")
    definition = definition or ChurnDefinition.guess(targets)
    known, at_risk = definition.known(targets, horizon), definition.at_risk(targets)
    keep = np.flatnonzero(known & at_risk)
    left_out = {
        f"their label window of {horizon} days is not over": int((~known).sum()),
        f"not at risk ({definition})": int((known & ~at_risk).sum()),
    }
    if not len(keep):
        raise BadInputError(
            f"no customer has a known label: {definition}, horizon {horizon} days",
            hint="; ".join(f"{count} rows: {why}" for why, count in left_out.items() if count),
        )
    baseline, notes = _baseline(rows, horizon) if definition.about_purchases else (None, ())
    table = _table(rows.take(keep), definition.churned(targets.take(keep), horizon), horizon)
    if definition.about_purchases:
        table = replace(table, baseline=None if baseline is None else baseline[keep])
    else:
        table = replace(table, x=None, t_x=None, T=None)
    return ChurnRows(table, definition, {why: n for why, n in left_out.items() if n}, notes)


def _baseline(rows: pa.Table, horizon: int) -> tuple[FloatArray | None, tuple[str, ...]]:
    """Of every row, also of those that are not at risk: they belong to the population that the purchase model knows."""
    x, t_x, age = (rows[name].to_numpy().astype(np.float64) for name in RFM[:3])
    return population_baseline(_times(rows), x, t_x, age, horizon)


def _times(rows: pa.Table) -> TimeArray:
    return np.asarray(rows["as_of"].to_numpy().astype("datetime64[us]"))


def _table(rows: pa.Table, churned: BoolArray, horizon: int) -> ChurnTable:
    x, t_x, age, spend = (rows[name].to_numpy().astype(np.float64) for name in RFM)
    return ChurnTable(
        as_of=_times(rows),
        customer_id=rows["customer_id"].to_numpy().astype(object),
        X=rows.drop_columns(["customer_id", "as_of"]),
        churned=churned,
        x=x,
        t_x=t_x,
        T=age,
        value=_past_value(x, age, spend, horizon),
        cohort=rows["lifecycle"].to_numpy().astype(object),
        horizon_days=float(horizon),
    )


def _past_value(x: FloatArray, age: FloatArray, spend: FloatArray, horizon: int) -> FloatArray | None:
    """What a customer brought in so far, per horizon: a value that needs no model. None where there are no amounts."""
    if not np.isfinite(spend).any():
        return None
    total = np.nan_to_num(x) * np.nan_to_num(spend)
    return np.asarray(total * horizon / np.maximum(np.nan_to_num(age), horizon))
