"""Verbs that search for the best model: tune churn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, parse_days, table, workspace
from axiom.cli.train import (
    ActiveWithin,
    Activity,
    Back,
    Calibrated,
    Churn,
    Every,
    Features,
    Gate,
    Horizon,
    Latest,
    Models,
    Name,
    Scheme,
    Window,
    churn_definition,
    training_request,
)

if TYPE_CHECKING:
    from axiom.maths.intervals import MetricValue
    from axiom.training.tuning.report import TuneReport

tune = typer.Typer(no_args_is_help=True, help="Search over models and hyper-parameters on Ray Tune.")

UNITS = {"s": 1, "m": 60, "h": 3600}
MOST_TRIALS = 10


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(tune, name="tune")


@tune.command("churn", epilog="Example: axiom tune churn --horizon 90 --trials 50 --time-limit 30m")
def tune_churn(
    horizon: Horizon = "90",
    trials: Annotated[int, typer.Option(help="How many settings to try, the defaults included.")] = 30,
    time_limit: Annotated[str | None, typer.Option(help="Stop searching after: 600s, 30m, 2h.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Trials at once. Default: one a CPU; 1 repeats exactly by its seed.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search that was interrupted.")] = False,
    fold_horizon: Annotated[
        str | None,
        typer.Option(help="Compare trials so many days ahead, where the data are too short for folds at the horizon."),
    ] = None,
    model: Models = None,
    churn: Churn = "auto",
    activity: Activity = "",
    active_within: ActiveWithin = None,
    scheme: Scheme = "expanding",
    window: Window = None,
    calibration: Calibrated = "auto",
    seed: Annotated[int | None, typer.Option(min=0, help="Default: AXIOM_SEED.")] = None,
    name: Name = None,
    as_of: Latest = None,
    every: Every = "30d",
    back: Back = None,
    features: Features = None,
    gate: Gate = True,
    json: JsonFlag = False,
) -> None:
    """Search models and hyper-parameters on the folds of `train churn`, then train, judge and register the best."""
    from axiom.pipelines.tune import tune_churn as run
    from axiom.training.options import ChurnOptions
    from axiom.training.tuning.search import SearchOptions

    search = SearchOptions(trials, None if time_limit is None else parse_seconds(time_limit), concurrency, resume)
    request = training_request(horizon, name, as_of, every, back, features, gate)
    with workspace() as ws:
        options = ChurnOptions(
            models=tuple(model or ("auto",)),
            scheme=scheme,
            window=window,
            calibration=calibration,  # type: ignore[arg-type]  # the options check their words themselves
            seed=ws.settings.seed if seed is None else seed,
        )
        definition = churn_definition(churn, activity, active_within)
        shorter = None if fold_horizon is None else parse_days(fold_horizon, "--fold-horizon")
        tuned = run(ws, request, search=search, options=options, definition=definition, fold_horizon=shorter)
        where = ws.lake.storage.full(tuned.report_path)
    payload = {"model": tuned.version.ref, "report": tuned.report.to_dict(), "report_path": tuned.report_path}
    lines = [
        f"{tuned.version.ref}: {tuned.report.verdict}",
        *_lines(tuned.report),
        *(f"  warning: {warning}" for warning in tuned.warnings),
        f"  report and plots: {where}",
    ]
    emit({**payload, "warnings": tuned.warnings}, as_json=json, lines=lines)


@tune.command("clv", epilog="Example: axiom tune clv --horizon 90 --model lightgbm_offset --trials 20")
def tune_clv(
    horizon: Horizon = "90",
    trials: Annotated[int, typer.Option(min=1, help="How many settings to try, the defaults included.")] = 30,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search that was interrupted.")] = False,
    model: Models = None,
    name: Name = None,
    as_of: Latest = None,
    every: Every = "30d",
    back: Back = None,
    features: Features = None,
    gate: Gate = True,
    json: JsonFlag = False,
) -> None:
    """Search CLV candidates and hyper-parameters at rolling origins, then train and register the best beside BG/NBD."""
    from axiom.pipelines.tune_clv import tune_clv as run
    from axiom.training.clv.candidates import candidate_names
    from axiom.training.clv.options import ClvOptions

    request = training_request(horizon, name, as_of, every, back, features, gate)
    with workspace() as ws:
        searched = tuple(model or (known for known in candidate_names() if known != "xgboost"))
        options = ClvOptions(candidates=searched, seed=ws.settings.seed)
        tuned = run(ws, request, trials=trials, resume=resume, options=options)
        where = ws.lake.storage.full(tuned.report_path)
    version = tuned.trained.version
    payload = {"model": version.ref, "search": tuned.search.to_dict(), "report_path": tuned.report_path}
    warnings = (*tuned.search.warnings, *tuned.trained.warnings)
    best, tried = tuned.search.best, len(tuned.search.trials)
    lines = [
        f"{version.ref}: {version.card.model_type}; best of {tried} trials: {best.candidate}",
        "",
        *[line for line in tuned.search.to_markdown().splitlines() if line.startswith("|")][: MOST_TRIALS + 2],
        "",
        *(f"  warning: {warning}" for warning in warnings),
        f"  report: {where}",
    ]
    emit({**payload, "warnings": warnings}, as_json=json, lines=lines)


def parse_seconds(text: str) -> float:
    """A length of time in seconds, written `600`, `600s`, `30m` or `2h`; MisuseError names the option."""
    from axiom.errors import MisuseError

    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS and text else (text, 1)
    if not number.isascii() or not number.isdigit() or int(number) < 1:
        raise MisuseError(f"--time-limit {text!r} is not a length of time", hint="write it like 600s, 30m or 2h")
    return float(int(number) * unit)


def _lines(report: TuneReport) -> list[str]:
    from axiom.training.tuning.report import METRICS, params_text

    models: list[dict[str, Any]] = [
        {"model": name} | {title: _interval(metrics.get(key)) for key, title in METRICS.items()}
        for name, metrics in report.metrics.items()
    ]
    trials: list[dict[str, Any]] = [
        {
            "trial": trial.model,
            "excess": None if trial.last is None or trial.last.failed else round(trial.last.excess, 5),
            "log loss": None if trial.last is None or trial.last.failed else round(trial.last.log_loss, 5),
            "folds": 0 if trial.last is None else trial.last.folds,
            "parameters": params_text(trial),
        }
        for trial in report.trials[:MOST_TRIALS]
    ]
    more = len(report.trials) - len(trials)
    return [
        *("", *table(models), "", *table(trials)),
        *([f"  … and {more} more in the report"] if more else []),
        "  excess: log loss over the folds minus that of logistic regression with default settings",
    ]


def _interval(value: MetricValue | None) -> str | None:
    return None if value is None else f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"
