"""Stage: search over churn models and their hyper-parameters, then train, judge and register the best."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from axiom.engine import open_engine
from axiom.errors import MisuseError
from axiom.pipelines.tracking import tracked
from axiom.pipelines.train import TrainRequest, build_for, train_churn, write_report
from axiom.telemetry import progress
from axiom.training.churn import train_churn as fit_churn
from axiom.training.options import ChurnOptions
from axiom.training.plots import plot_report
from axiom.training.tables import load_churn_rows
from axiom.training.tuning.report import to_json, to_markdown, tune_report
from axiom.training.tuning.search import SearchOptions, search_inline
from axiom.training.tuning.work import REFERENCE, plan_work

if TYPE_CHECKING:
    from axiom.pipelines.build import BuildReport
    from axiom.pipelines.workspace import Workspace
    from axiom.registry.registry import ModelVersion
    from axiom.training.definition import ChurnDefinition
    from axiom.training.tuning.report import TuneReport
    from axiom.training.tuning.search import Search


@dataclass(frozen=True, eq=False)
class Tuned:
    """The registered best of a search and where the report lies, below the lake's root."""

    version: ModelVersion
    report: TuneReport
    report_path: str
    warnings: tuple[str, ...] = field(default=())


def tune_churn(
    ws: Workspace,
    request: TrainRequest,
    *,
    search: SearchOptions | None = None,
    options: ChurnOptions | None = None,
    definition: ChurnDefinition | None = None,
    fold_horizon: int | None = None,
) -> Tuned:
    """Search, then train the best as `train_churn` does, compare it with the baselines, and register it.

    The state of the search lies in `AXIOM_HOME/tune/<name>`, where a killed search is resumed from.

    Args:
        ws: the workspace.
        request: horizon, cut-offs, features, and the name to register under (`churn`).
        search: trials, time limit, concurrency, resume.
        options: `models` to search over, and how folds, weights and calibration are made.
        definition: what churn means; None: what the data suggest.
        fold_horizon: days ahead at which trials are compared, < the horizon; for data too short for folds at the
            horizon itself. Training, baselines and holdout keep the horizon. None: the horizon.

    Raises:
        BadInputError: the data are too short for the horizon, or no trial could be judged.
        ConflictError: an unfinished search of this name is there, or the one to resume was about something else.
        NotFoundError: there is nothing to resume.
        MisuseError: hyper-parameters were given: they are what is searched for; a fold horizon that is not shorter.
    """
    search = search or SearchOptions()
    options = options or ChurnOptions(models=("auto",), seed=ws.settings.seed)
    if options.params:
        raise MisuseError(
            "a search finds the hyper-parameters itself", hint="leave them out, or train without a search"
        )
    shorter = _shorter(request.horizon, fold_horizon)
    request = _with_folds(request, options)
    built, notes = build_for(ws, request, also=shorter)
    features, labels = ws.lake.dataset("features", built.features_id), ws.lake.dataset("labels", built.labels_id)
    rows = load_churn_rows(features, labels, request.horizon, definition)
    horizon, name = timedelta(days=request.horizon), request.name or "churn"
    if shorter:
        compared = load_churn_rows(features, labels, shorter[0], rows.definition).table
        work = plan_work(compared, timedelta(days=shorter[0]), options, until=max(rows.table.cutoffs))
        notes = (*notes, f"trials are compared {shorter[0]} days ahead, the model is for {request.horizon} days")
    else:
        work = plan_work(rows.table, horizon, options)
    about = _about(request, built, work.options, rows.definition, search.trials) | {"fold_horizon": list(shorter)}
    with (
        tracked(ws.db, "tune churn", f"{name}-{_digest(about)}", about) as attempt,
        open_engine(ws.settings) as engine,
    ):
        attempt.total = search.trials
        with progress("tune churn", total=search.trials) as bar:

            def on_done() -> None:
                attempt.advance()
                bar.advance()

            found = _search(ws, name, about)(work, search, on_done)
        reference = fit_churn(rows.table, horizon, replace(options, models=(REFERENCE,)), engine=engine)
        best = found.best
        chosen = replace(options, models=(best.model,), params={best.model: dict(best.params)})
        trained = train_churn(ws, replace(request, name=name), options=chosen, definition=rows.definition)
        report = tune_report(found, trained.result, reference)
        attempt.result.update(model=trained.version.ref, beat={k: c.beaten for k, c in report.comparisons.items()})
    texts = {"report.json": to_json(report).encode(), "report.md": to_markdown(report).encode()}
    folder = write_report(ws, f"tune/{trained.version.ref}", texts, plot_report(trained.result))
    warnings = (*notes, *rows.notes, *(f"{n:,} rows left out: {why}" for why, n in rows.left_out.items()))
    return Tuned(trained.version, report, folder, tuple(dict.fromkeys((*warnings, *report.warnings))))


def _shorter(horizon: int, fold_horizon: int | None) -> tuple[int, ...]:
    """The horizon of the folds where it is another one."""
    if fold_horizon is None:
        return ()
    if not 0 < fold_horizon < horizon:
        raise MisuseError(
            f"a fold horizon of {fold_horizon} days must be shorter than the horizon of {horizon} days",
            hint="leave it out to compare at the horizon itself",
        )
    return (fold_horizon,)


def _with_folds(request: TrainRequest, options: ChurnOptions) -> TrainRequest:
    """Where nobody said how many earlier cut-offs: as many as all the folds need. One fold stops no trial early."""
    if request.back is not None:
        return request
    return replace(request, back=3 * math.ceil(request.horizon / request.every) + options.max_folds - 1)


def _search(ws: Workspace, name: str, about: dict[str, Any]) -> Search:
    """On the Ray that the engine has connected to, else in this process."""
    if ws.settings.engine == "inline":
        return search_inline
    from axiom.training.tuning.on_ray import RaySearch

    return RaySearch(ws.settings.home / "tune" / name, about)


def _about(
    request: TrainRequest, built: BuildReport, options: ChurnOptions, definition: ChurnDefinition, trials: int
) -> dict[str, Any]:
    """What a search must be about to go on with an earlier one."""
    judged = ("models", "scheme", "window", "max_folds", "calibration", "class_weight", "value_weight", "seed")
    facts = asdict(options)
    return {
        "features": built.features_id,
        "labels": built.labels_id,
        "horizon": request.horizon,
        "churn": str(definition),
        "trials": trials,
        **{key: list(facts[key]) if isinstance(facts[key], tuple) else facts[key] for key in judged},
    }


def _digest(about: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
