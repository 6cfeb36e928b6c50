"""Verbs that make and judge models: train, backtest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, parse_days, parse_time, table, workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.intervals import MetricValue
    from axiom.maths.profit import RetentionCosts
    from axiom.pipelines.train import TrainRequest
    from axiom.pipelines.workspace import Workspace
    from axiom.training.churn_report import ChurnReport
    from axiom.training.clv import ClvBacktest
    from axiom.training.definition import ChurnDefinition
    from axiom.training.options import ChurnOptions

train = typer.Typer(no_args_is_help=True, help="Train a model and register it: churn or clv.")
backtest = typer.Typer(no_args_is_help=True, help="Judge models at rolling origins without registering one.")

Horizon = Annotated[str, typer.Option(help="Days ahead: 90, 90d, 13w.")]
Name = Annotated[str | None, typer.Option(help="Name to register it under.")]
Latest = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="The latest labelled cut-off. Default: the latest there can be."),
]
Every = Annotated[str, typer.Option(help="Distance between cut-offs.")]
Back = Annotated[int | None, typer.Option(min=1, help="How many earlier cut-offs. Default: as many as are needed.")]
Features = Annotated[Path | None, typer.Option("--features", exists=True, help="YAML file of the features.")]
StaticTable = Annotated[
    Path | None,
    typer.Option("--table", help="A file of labelled rows without times, instead of the lake; registers nothing."),
]
Gate = Annotated[bool, typer.Option("--gate/--no-gate", help="Refuse data that do not pass `axiom quality`.")]
Churn = Annotated[str, typer.Option("--churn", help="inactivity, cancellation, or auto: what the data suggest.")]
Activity = Annotated[str, typer.Option(help="What counts as activity: transactions, events or any.")]
ActiveWithin = Annotated[int | None, typer.Option(help="Only customers active in so many days are at risk.")]
Scheme = Annotated[str, typer.Option(help="Folds: expanding or sliding.")]
Window = Annotated[int | None, typer.Option(help="Cut-offs of a sliding fold.")]
Calibrated = Annotated[str, typer.Option(help="auto, none, platt or isotonic.")]
Models = Annotated[list[str] | None, typer.Option("--model", help="What to compare; repeatable.")]

CHURN_COLUMNS = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier",
    "log_loss": "log loss",
    "calibration_slope": "slope",
    "lift_at_10": "lift@10%",
}
CLV_COLUMNS = {
    "log_score": "log score",
    "mae_purchases": "MAE",
    "rmse_purchases": "RMSE",
    "mase_purchases": "MASE",
    "bias_purchases": "bias %",
    "bias_spend": "bias money %",
    "coverage_90_spend": "cover 90",
    "recalibrated_90_spend": "recal. 90",
}


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(train, name="train")
    app.add_typer(backtest, name="backtest")


@train.command("churn", epilog="Example: axiom train churn --horizon 90 --model logistic --model lightgbm")
def train_churn(
    horizon: Horizon = "90",
    model: Models = None,
    churn: Churn = "auto",
    activity: Activity = "",
    active_within: ActiveWithin = None,
    scheme: Scheme = "expanding",
    window: Window = None,
    calibration: Calibrated = "auto",
    class_weight: Annotated[str, typer.Option(help="none or balanced.")] = "none",
    value_weight: Annotated[bool, typer.Option("--value-weight", help="Rows count as the customer is worth.")] = False,
    contact_cost: Annotated[float | None, typer.Option(help="Of contacting one customer; sets the threshold.")] = None,
    offer_cost: Annotated[float, typer.Option(help="Of the offer to one who takes it.")] = 0.0,
    save_rate: Annotated[float, typer.Option(help="Share of churners whom the offer keeps.")] = 0.3,
    static: StaticTable = None,
    target: Annotated[str, typer.Option(help="With --table: column of the label.")] = "",
    positive: Annotated[str | None, typer.Option(help="With --table: its value that means churned.")] = None,
    name: Name = None,
    as_of: Latest = None,
    every: Every = "30d",
    back: Back = None,
    features: Features = None,
    gate: Gate = True,
    json: JsonFlag = False,
) -> None:
    """Train, calibrate on a later slice, judge on a still later holdout, register. Builds what it needs."""
    from axiom.pipelines.train import train_churn as run
    from axiom.training.options import ChurnOptions

    definition = churn_definition(churn, activity, active_within)
    with workspace() as ws:
        options = ChurnOptions(
            **({"models": tuple(model)} if model else {}),  # type: ignore[arg-type]
            scheme=scheme,
            window=window,
            calibration=calibration,  # type: ignore[arg-type]  # the options check their words themselves
            class_weight=class_weight,  # type: ignore[arg-type]
            value_weight=value_weight,
            costs=_costs(contact_cost, offer_cost, save_rate),
            seed=ws.settings.seed,
        )
        if static is not None:
            _judge_table(ws, static, target, positive, options, as_json=json)
            return
        trained = run(
            ws,
            training_request(horizon, name, as_of, every, back, features, gate),
            options=options,
            definition=definition,
        )
        report: ChurnReport = trained.result.report
        lines = [f"{trained.version.ref}: {report.verdict}", *_churn_lines(report)]
        lines += _ending(ws, trained.report_path, trained.warnings)
    payload = {"model": trained.version.ref, "report": report.to_dict(), "report_path": trained.report_path}
    emit({**payload, "warnings": trained.warnings}, as_json=json, lines=lines)


def _judge_table(
    ws: Workspace, path: Path, target: str, positive: str | None, options: ChurnOptions, *, as_json: bool
) -> None:
    from axiom.errors import MisuseError
    from axiom.pipelines.train import judge_table

    if not target:
        raise MisuseError("--table needs --target", hint="name the column of the label: --target Churn")
    judged = judge_table(ws, path, target, positive=positive, options=options)
    report = judged.result.report
    lines = [f"{path.name}, not registered: its rows have no times. {report.verdict}", *_churn_lines(report)]
    lines += _ending(ws, judged.report_path, report.warnings)
    emit({"model": None, "report": report.to_dict(), "report_path": judged.report_path}, as_json=as_json, lines=lines)


def _costs(contact_cost: float | None, offer_cost: float, save_rate: float) -> RetentionCosts | None:
    from axiom.errors import MisuseError
    from axiom.maths.profit import RetentionCosts

    if contact_cost is None:
        return None
    try:
        return RetentionCosts(contact_cost, offer_cost, save_rate)
    except ValueError as error:
        raise MisuseError(f"the costs cannot be: {error}") from None


def _churn_lines(report: ChurnReport) -> list[str]:
    return [
        "",
        *table([_churn_row(score.name, score.metrics, report.champion) for score in report.models]),
        "",
        f"  kept {report.champion}: {report.rule}",
        *_windows(report.windows),
    ]


@train.command("clv", epilog="Example: axiom train clv --horizon 90")
def train_clv(
    horizon: Horizon = "90",
    model: Models = None,
    name: Name = None,
    as_of: Latest = None,
    every: Every = "30d",
    back: Back = None,
    features: Features = None,
    gate: Gate = True,
    json: JsonFlag = False,
) -> None:
    """Backtest the candidates, keep the champion, recalibrate its intervals, fit it to today's customers, register."""
    from axiom.pipelines.train import train_clv as run
    from axiom.training.clv.options import ClvOptions

    with workspace() as ws:
        options = ClvOptions(**({"candidates": tuple(model)} if model else {}), seed=ws.settings.seed)  # type: ignore[arg-type]
        trained = run(ws, training_request(horizon, name, as_of, every, back, features, gate), options=options)
        lines = [f"{trained.version.ref}: {trained.version.card.model_type}, horizon {horizon}"]
        if trained.result.backtest is not None:
            lines += ["", *_backtest_lines(trained.result.backtest)]
        lines += _ending(ws, trained.report_path, trained.warnings)
    payload = {"model": trained.version.ref, "report": trained.result.report, "report_path": trained.report_path}
    emit({**payload, "warnings": trained.warnings}, as_json=json, lines=lines)


@backtest.command("clv", epilog="Example: axiom backtest clv --horizon 90")
def backtest_clv(
    horizon: Horizon = "90",
    model: Models = None,
    as_of: Latest = None,
    every: Every = "30d",
    back: Back = None,
    features: Features = None,
    gate: Gate = True,
    json: JsonFlag = False,
) -> None:
    """Judge CLV candidates at rolling origins: table, Markdown, JSON and plots."""
    from axiom.pipelines.train import backtest_clv as run
    from axiom.training.clv.options import ClvOptions

    with workspace() as ws:
        options = ClvOptions(**({"candidates": tuple(model)} if model else {}), seed=ws.settings.seed)  # type: ignore[arg-type]
        found = run(ws, training_request(horizon, None, as_of, every, back, features, gate), options=options)
        lines = [*_backtest_lines(found.backtest), *_ending(ws, found.report_path, found.warnings)]
    payload = {"backtest": found.backtest.to_dict(), "report_path": found.report_path, "warnings": found.warnings}
    emit(payload, as_json=json, lines=lines)


def training_request(
    horizon: str, name: str | None, as_of: str | None, every: str, back: int | None, features: Path | None, gate: bool
) -> TrainRequest:
    """What the options of any training ask for."""
    from axiom.pipelines.train import TrainRequest

    return TrainRequest(
        horizon=parse_days(horizon, "--horizon"),
        name=name,
        as_of=parse_time(as_of, "--as-of") if as_of else None,
        every=parse_days(every, "--every"),
        back=back,
        feature_set=features,
        gate=gate,
    )


def churn_definition(kind: str, activity: str, active_within: int | None = None) -> ChurnDefinition | None:
    """What the options say churn means; None where they leave it to the data."""
    from axiom.training.definition import ChurnDefinition

    if kind == "auto" and not activity and not active_within:
        return None
    return ChurnDefinition(
        "inactivity" if kind == "auto" else kind,  # type: ignore[arg-type]  # it checks its words itself
        activity or "transactions",  # type: ignore[arg-type]
        active_within,
    )


def _churn_row(name: str, metrics: dict[str, MetricValue | None], champion: str) -> dict[str, Any]:
    row: dict[str, Any] = {"model": f"{name} *" if name == champion else name}
    return row | {title: _with_interval(metrics.get(key)) for key, title in CHURN_COLUMNS.items()}


def _with_interval(metric: MetricValue | None) -> str | None:
    return None if metric is None else f"{metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}]"


def _windows(windows: dict[str, list[str]]) -> list[str]:
    return [f"  {part}: {', '.join(time[:10] for time in times)}" for part, times in windows.items() if times]


def _backtest_lines(found: ClvBacktest) -> list[str]:
    rows = []
    for contender in found.contenders:
        row: dict[str, Any] = {"model": f"{contender.name} *" if contender.name == found.champion else contender.name}
        for key, title in CLV_COLUMNS.items():
            score = contender.scores.get(key)
            row[title] = None if score is None or score.value is None else round(score.value.value, 4)
        rows.append({**row, "refused": contender.refused or None})
    origins = ", ".join(f"{as_of[:10]} ({found.rows[as_of]:,})" for as_of in found.compared)
    return [*table(rows), "", f"  horizon {found.horizon_days} days; origins {origins}", f"  rule: {found.rule}"]


def _ending(ws: Workspace, report_path: str, warnings: Sequence[str]) -> list[str]:
    where = ws.lake.storage.full(report_path)
    return [*(f"  warning: {warning}" for warning in warnings), f"  report and plots: {where}"]
