"""Train churn models: compare on temporal folds, fit, calibrate on a later slice, judge on a still later holdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.training.options import ChurnOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from axiom.engine import Engine
    from axiom.training.churn_report import ChurnResult
    from axiom.training.table import ChurnTable


def train_churn(
    table: ChurnTable,
    horizon: timedelta,
    options: ChurnOptions = ChurnOptions(),  # noqa: B008 - frozen
    *,
    engine: Engine | None = None,
    feature_set: str = "",
    on_plan: Callable[[int], None] | None = None,
    on_done: Callable[[], None] | None = None,
) -> ChurnResult:
    """Train every model of the options, keep the best by the declared rule, and report.

    Args:
        table: labelled rows at several cut-offs (`training.tables.load_churn_table` reads them from the lake).
        horizon: length of the label window.
        options: what to train and how.
        engine: runs the fits; default: in this process.
        feature_set: version of the feature set, kept with the model.
        on_plan: told once how many fits there will be.
        on_done: called as each fit finishes.

    Raises:
        BadInputError: no room for a training slice, too few rows, a single class in training or holdout, features that
            cannot be used; the message names the column or the fold.
        MisuseError: an unknown model, or a table without times.
    """
    raise NotImplementedError
