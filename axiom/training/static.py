"""Static tables: labelled rows without times, as they come in textbooks and competitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from axiom.engine import InlineEngine
from axiom.errors import BadInputError, MisuseError, NotFoundError
from axiom.training.assemble import Judged, assemble
from axiom.training.baselines import BASE_RATE
from axiom.training.calibrate import cross_fitted, fit_calibrator, stratified_folds
from axiom.training.catalogue import resolve
from axiom.training.fits import FINAL, Fitted, FitWork, Job
from axiom.training.guards import check_slice
from axiom.training.judge import choose_threshold
from axiom.training.options import ChurnOptions
from axiom.training.selection import fold_loss, model_loss, rungs, select, settled
from axiom.training.table import ChurnTable
from axiom.training.weights import check_values

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from axiom.engine import Engine
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray
    from axiom.training.churn_report import ChurnResult
    from axiom.training.options import Calibration

FOLDS = 5
NO_TIMES = (
    "the table has no times, so rows were split at random within the classes. The numbers hold for rows drawn like "
    "these and say nothing about the future: a feature that was only known after the churn would not be noticed"
)
_METHOD: dict[str, Calibration] = {"identity": "none", "platt": "platt", "isotonic": "isotonic"}
_YES = {"1", "1.0", "yes", "y", "true", "t", "churn", "churned", "exited", "left", "lost"}


def read_static(path: str | Path, target: str, *, positive: str | None = None) -> tuple[ChurnTable, tuple[str, ...]]:
    """Read a CSV or Parquet file as a static churn table.

    A text column of numbers with blanks becomes numeric. A text column that names every row differently is taken as the
    customer id, no feature. Rows without a label are left out. Each of this is said.

    Args:
        path: file ending in .csv, .csv.gz or .parquet.
        target: the label's column.
        positive: its value that means churned; default: guessed from 1, yes, true, churned, exited, …

    Returns:
        The table, and what was done to it, in full sentences.

    Raises:
        NotFoundError: no such file.
        BadInputError: the file cannot be read, or the target has not two values.
        MisuseError: no such column, or the meaning of the target's values has to be named.
    """
    X = _read(Path(path))
    if target not in X.column_names:
        raise MisuseError(f"{path} has no column {target!r}", hint=f"it has {', '.join(X.column_names[:20])}")
    labels = ["" if value is None else str(value).strip() for value in X.column(target).to_pylist()]
    known = np.array([bool(label) for label in labels])
    churned = _churned(np.array(labels)[known], target, positive)
    notes = [] if known.all() else [f"{int((~known).sum())} rows without a value of {target!r} were left out"]
    X = X.drop_columns([target])
    if not known.all():
        import pyarrow as pa

        X = X.filter(pa.array(known))
    X, ids, told = _tidy(X)
    no_time = np.full(len(churned), "NaT", dtype="datetime64[us]")
    return ChurnTable(no_time, ids, X, churned), (*notes, *told)


def train_static(
    table: ChurnTable,
    options: ChurnOptions = ChurnOptions(),  # noqa: B008 - frozen
    *,
    engine: Engine | None = None,
    notes: tuple[str, ...] = (),
    on_plan: Callable[[int], None] | None = None,
    on_done: Callable[[], None] | None = None,
) -> ChurnResult:
    """Compare models by stratified 5-fold cross-validation, then fit the best to all rows.

    Every number of the report is of out-of-fold predictions; those a calibrator changed are cross-fitted too. The
    report carries the warning that there are no times, and the card has no cut-offs.

    Args:
        table: labelled rows.
        options: what to train; scheme, window and max_folds have no meaning here.
        engine: runs the fits; default: in this process.
        notes: warnings that `read_static` gave.
        on_plan: told once how many fits there will be.
        on_done: called as each fit finishes.

    Raises:
        BadInputError: too few rows, a single class, unusable features.
        MisuseError: value weights or costs, which a table without values cannot have.
    """
    options = replace(options, models=resolve(options.models))
    y, everything = table.churned, np.arange(len(table))
    check_slice("the table", y)
    check_values(table, options)
    folds = stratified_folds(y, FOLDS, options.seed)
    tried = [(model, rung) for model in options.models for rung in rungs(model, options, len(folds))]
    jobs = [
        Job(model, f"fold {k + 1}", np.setdiff1d(everything, fold), {"validate": fold}, rung)
        for model, rung in tried
        for k, fold in enumerate(folds)
    ]
    jobs += [Job(model, FINAL, everything, {}, rung) for model, rung in tried]
    if on_plan is not None:
        on_plan(len(jobs))
    fitted = (engine or InlineEngine()).map_tasks(FitWork(table, options), jobs, on_done=on_done)
    found = settled(
        fitted, lambda done: model_loss(y[done.job.predict["validate"]], done.p["validate"], options.calibration)
    )
    unseen, losses = _out_of_fold(y, found, options)
    rate = float(y.mean())
    losses[BASE_RATE] = {f"fold {k + 1}": fold_loss(y[fold], np.full(len(fold), rate)) for k, fold in enumerate(folds)}
    judged = {BASE_RATE: Judged.baseline(np.full(len(y), rate), rate)}
    for done, _ in found:
        if done.job.fold == FINAL:
            judged[done.job.model] = _calibrated(table, done, unseen[done.job.model], folds, options)
    return assemble(
        table=table,
        slices={"training": everything, "calibration": np.zeros(0, dtype=np.int64), "holdout": everything},
        judged=judged,
        selection=select(options.models, losses, options.level),
        options=options,
        horizon_days=0.0,
        windows={"training": [], "calibration": [], "holdout": []},
        folds={f"fold {k + 1}": [] for k in range(len(folds))},
        warnings=[NO_TIMES, *notes],
        feature_set="",
    )


def _out_of_fold(
    y: BoolArray, found: list[tuple[Fitted, FloatArray | None]], options: ChurnOptions
) -> tuple[dict[str, FloatArray], dict[str, dict[str, FloatArray]]]:
    p = {model: np.empty(len(y)) for model in options.models}
    losses: dict[str, dict[str, FloatArray]] = {model: {} for model in options.models}
    for done, loss in found:
        if loss is not None:
            p[done.job.model][done.job.predict["validate"]] = done.p["validate"]
            losses[done.job.model][done.job.fold] = loss
    return p, losses


def _calibrated(table: ChurnTable, done: Fitted, p: FloatArray, folds: list[IntArray], options: ChurnOptions) -> Judged:
    y = table.churned
    calibrator, notes = fit_calibrator(y, p, options.calibration)
    crossed = cross_fitted(y, p, _METHOD[calibrator.kind], folds)
    threshold, why = choose_threshold(y, crossed, table.value, options.costs, judged=True)
    why = why.replace("on the calibration slice", "on out-of-fold predictions")
    return Judged(crossed, threshold, why, done.model, calibrator, (*done.warnings, *notes))


def _read(path: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv, parquet

    if not path.exists():
        raise NotFoundError(f"there is no file {str(path)!r}")
    try:
        if path.suffix == ".parquet":
            return parquet.read_table(path)
        X = csv.read_csv(path, convert_options=csv.ConvertOptions(strings_can_be_null=True))
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise BadInputError(f"{path} cannot be read: {error}", hint="give CSV in UTF-8, or Parquet") from error
    not_text = [field.name for field in X.schema if pa.types.is_binary(field.type)]
    if not_text:
        raise BadInputError(f"{path}: {', '.join(not_text)} is not UTF-8", hint="save the file as UTF-8")
    return X


def _churned(labels: np.ndarray[tuple[int], np.dtype[np.str_]], target: str, positive: str | None) -> BoolArray:
    values = sorted(set(labels.tolist()))
    if len(values) != 2:
        shown = ", ".join(values[:5]) + (", …" if len(values) > 5 else "")
        raise BadInputError(f"the target {target!r} must have two values, it has {len(values)}: {shown}")
    if positive is None:
        guessed = [value for value in values if value.lower() in _YES]
        if len(guessed) != 1:
            raise MisuseError(
                f"which of {values[0]!r} and {values[1]!r} means churned in {target!r}?", hint="say so with --positive"
            )
        positive = guessed[0]
    if positive not in values:
        raise MisuseError(f"{target!r} never is {positive!r}", hint=f"it is {values[0]!r} or {values[1]!r}")
    return np.asarray(labels == positive)


def _tidy(X: pa.Table) -> tuple[pa.Table, np.ndarray[tuple[int], np.dtype[np.object_]], tuple[str, ...]]:
    """Numbers in text become numbers; the first text column that names every row is the customer id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    notes: list[str] = []
    ids = np.array([str(i) for i in range(X.num_rows)], dtype=object)
    found = ""
    for name in X.column_names:
        column = X.column(name)
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            continue
        if not found and column.null_count == 0 and len(column.unique()) == X.num_rows:
            found, ids = name, np.array(column.to_pylist(), dtype=object)
            notes.append(f"{name!r} names every row differently: taken as the customer id, not as a feature")
            X = X.drop_columns([name])
            continue
        text = pc.utf8_trim_whitespace(column)
        blank = pc.equal(text, "")
        try:
            numeric = pc.if_else(blank, None, text).cast(pa.float64())
        except pa.ArrowInvalid:
            continue
        notes.append(f"{name!r} was read as numbers; {pc.sum(blank).as_py() or 0} blank values count as missing")
        X = X.set_column(X.column_names.index(name), name, numeric)
    return X, ids, tuple(notes)
