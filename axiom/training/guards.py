"""What has to be true of a labelled table, and what looks too good to be true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import BadInputError
from axiom.maths.metrics import roc_auc
from axiom.training.catalogue.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.arrays import BoolArray, FloatArray
    from axiom.training.table import ChurnTable

MIN_ROWS = 50
MIN_OF_A_CLASS = 10
SUSPICIOUS_AUC = 0.98
SUSPICIOUS_FEATURE = 0.95
_SAMPLE = 20_000


def check_slice(name: str, y: BoolArray, *, rows: int = MIN_ROWS, of_a_class: int = MIN_OF_A_CLASS) -> None:
    """Refuse a slice too small to learn from or to judge on.

    Raises:
        BadInputError: too few rows, or too few of a class; the message names the slice.
    """
    churned, stayed = int(y.sum()), int((~y).sum())
    hint = "use more cut-offs or customers, or another churn definition or horizon"
    if len(y) and min(churned, stayed) == 0:
        raise BadInputError(f"all {len(y)} rows of {name} {'churned' if churned else 'stayed'}", hint=hint)
    if len(y) < rows or min(churned, stayed) < of_a_class:
        raise BadInputError(
            f"{name} has {len(y)} rows, {churned} churned and {stayed} stayed; at least {rows} rows with "
            f"{of_a_class} of each are needed",
            hint=hint,
        )


def check_unique(table: ChurnTable) -> None:
    """Refuse a customer that stands twice at one cut-off: its label would count twice.

    Raises:
        BadInputError: one does; it is named.
    """
    ids, codes = np.unique(table.customer_id.astype(str), return_inverse=True)
    times = np.unique(table.as_of, return_inverse=True)[1]
    _, rows, counts = np.unique(times * len(ids) + codes, return_index=True, return_counts=True)
    if counts.max(initial=0) > 1:
        row = int(rows[np.argmax(counts)])
        raise BadInputError(
            f"customer {table.customer_id[row]!r} stands {int(counts.max())} times at {table.as_of[row]}",
            hint="give one row a customer and cut-off",
        )


def leaking_features(table: ChurnTable) -> dict[str, float]:
    """Features that tell the label apart alone, with their AUC above 0.95 (in either direction).

    A missing value counts as the smallest one, and in a second try as the largest: absence can be the leak too. A
    category counts as the churn rate of its rows, where it has at least 20 of them; the others as the overall rate.
    """
    rng = np.random.default_rng(0)
    if len(table) > _SAMPLE:
        table = table.rows(np.sort(rng.choice(len(table), _SAMPLE, replace=False)))
    y = table.churned
    if y.all() or not y.any():
        return {}
    layout = Layout.learn(table.X)
    M = layout.matrix(table.X)
    found = {}
    for j, name in enumerate(layout.names):
        values = _rates(M[:, j], y) if name in layout.levels else M[:, j]
        auc = _alone(values, y)
        if auc > SUSPICIOUS_FEATURE:
            found[name] = auc
    return found


def leakage_warnings(alone: Mapping[str, float], aucs: Mapping[str, float]) -> list[str]:
    """The warnings: `alone` as `leaking_features` gives it, `aucs` model -> AUC on rows it never saw."""
    notes = [
        f"possible leakage: feature {name!r} alone tells churners apart with an AUC of {auc:.3f} "
        f"(> {SUSPICIOUS_FEATURE}); check that it is known before the cut-off and is not the label in disguise"
        for name, auc in sorted(alone.items(), key=lambda pair: -pair[1])
    ]
    high = [f"{name} {auc:.3f}" for name, auc in aucs.items() if auc > SUSPICIOUS_AUC]
    if high:
        notes.append(
            f"possible leakage: AUC above {SUSPICIOUS_AUC} on rows the model never saw ({', '.join(high)}); "
            "real customers are not that predictable. Run `axiom audit`"
        )
    return notes


def _alone(values: FloatArray, y: BoolArray) -> float:
    missing = np.isnan(values)
    if missing.all():
        return 0.5
    low, high = np.nanmin(values) - 1, np.nanmax(values) + 1
    fills = (low, high) if missing.any() else (low,)
    aucs = [roc_auc(y, np.where(missing, fill, values)) for fill in fills]
    return max(max(auc, 1 - auc) for auc in aucs)


def _rates(codes: FloatArray, y: BoolArray) -> FloatArray:
    slot = np.where(np.isnan(codes), 0, codes + 1).astype(np.int64)
    rows = np.bincount(slot)
    rate = np.bincount(slot, weights=y) / np.maximum(rows, 1)
    return np.asarray(np.where(rows >= 20, rate, y.mean())[slot])
