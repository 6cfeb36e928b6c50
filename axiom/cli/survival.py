"""Verbs about time to churn: survival km, train survival."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import AsOf, JsonFlag, emit, parse_days, parse_time, settings, table, workspace
from axiom.cli.models import split_reference
from axiom.cli.train import (
    ActiveWithin,
    Activity,
    Back,
    Churn,
    Every,
    Features,
    Gate,
    Latest,
    Name,
    churn_definition,
    train,
    training_request,
)
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.intervals import MetricValue
    from axiom.pipelines.survival import TableRequest
    from axiom.training.survival_km import KmCurve, KmReport
    from axiom.training.survival_report import SurvivalReport

survival = typer.Typer(no_args_is_help=True, help="Time to churn: survival curves by segment.")

Table = Annotated[Path | None, typer.Option("--table", help="A static CSV or Parquet file instead of the lake.")]
Duration = Annotated[str | None, typer.Option("--duration", help="Column of the table with the time observed.")]
Event = Annotated[str | None, typer.Option("--event", help="Column of the table that says whether the event was seen.")]
Positive = Annotated[str | None, typer.Option("--positive", help="Value of --event that means seen. Default: guessed.")]
Drop = Annotated[list[str] | None, typer.Option("--drop", help="Column of the table to leave out; repeatable.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the report of a table. Default: in AXIOM_HOME.")]
Level = Annotated[float, typer.Option(help="Confidence level of every interval.")]

MOST_TERMS = 15
SHOWN = {
    "concordance": "concordance",
    "auc": "AUC",
    "brier": "Brier",
    "ipcw_brier": "IPCW Brier",
    "integrated_brier": "integrated Brier",
    "calibration_slope": "slope",
    "observed_over_expected": "observed/expected",
}


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(survival, name="survival")
    train.command("survival", epilog="Example: axiom train survival --horizon 90 --strata lifecycle")(train_survival)


@survival.command("km", epilog="Example: axiom survival km --by lifecycle, or --table telco.csv --duration tenure …")
def km(
    by: Annotated[str, typer.Option(help="Segments: an attribute of the customers, or a feature: lifecycle.")] = "",
    as_of: AsOf = None,
    silence: Annotated[str, typer.Option(help="Days without activity that make a churn.")] = "90",
    churn: Churn = "auto",
    activity: Activity = "",
    at: Annotated[list[float] | None, typer.Option(help="Tell the curves at this time; repeatable.")] = None,
    level: Level = 0.95,
    table_file: Table = None,
    duration: Duration = None,
    event: Event = None,
    positive: Positive = None,
    out: Out = None,
    json: JsonFlag = False,
) -> None:
    """Kaplan-Meier curves with bands, medians and the log-rank test: of the lake's customers, or of a table."""
    from axiom.pipelines import survival_curves as stage

    times = tuple(at or ())
    request = _table(table_file, duration, event, positive, None)
    if request is not None:
        where = _out(out, request, "km")
        report = stage.km_table(request, where, by=by, at=times, level=level)
    else:
        asked = stage.KmRequest(
            by,
            parse_time(as_of, "--as-of") if as_of else None,
            parse_days(silence, "--silence"),
            churn_definition(churn, activity),
            times,
            level,
        )
        with workspace() as ws:
            report, folder = stage.km(ws, asked)
            where = Path(ws.lake.storage.full(folder))
    emit({**report.to_dict(), "report_path": str(where)}, as_json=json, lines=_km_lines(report, where))


@survival.command("customer", epilog="Example: axiom survival customer C0042 --horizons 30,90,180 --elapsed 45")
def customer(
    customer_id: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Id of the customer.", show_default=False)],
    horizons: Annotated[str, typer.Option(help="Days ahead, by commas.")] = "30,90,180",
    elapsed: Annotated[
        float, typer.Option(min=0.0, help="Days without the event since the cut-off: everything is told given these.")
    ] = 0.0,
    model: Annotated[str, typer.Option(help="Survival version.")] = "survival",
    as_of: AsOf = None,
    json: JsonFlag = False,
) -> None:
    """P(churn) of one customer at several horizons, the median, and survival given the time elapsed."""
    from axiom.pipelines.survival_customer import customer_ahead

    asked = [float(parse_days(part.strip(), "--horizons")) for part in horizons.split(",")]
    moment = parse_time(as_of, "--as-of") if as_of else None
    with workspace() as ws:
        found = customer_ahead(ws, customer_id, asked, model=split_reference(model), as_of=moment, elapsed=elapsed)
    given = f", {found.elapsed:g} {found.unit} later and no event yet" if found.elapsed else ""
    median = "beyond the follow-up" if found.median is None else f"{found.median:g} {found.unit} ahead"
    event = "churn" if found.outcome == "churn" else "the next activity"
    rows = [
        {"within": f"{one.horizon:g} {found.unit}", "P(churn)": f"{one.p_churn:.3f}", "S(t)": f"{one.survival:.3f}"}
        for one in found.ahead
    ]
    lines = [f"customer {found.customer} as of {found.as_of:%Y-%m-%d}{given}, {found.model}", "", *table(rows)]
    emit(found, as_json=json, lines=[*lines, f"  median time to {event}: {median}"])


def train_survival(
    horizon: Annotated[str | None, typer.Option(help="Days ahead: 90, 13w; of a table in its own unit.")] = None,
    strata: Annotated[list[str] | None, typer.Option(help="Feature with a baseline of its own; repeatable.")] = None,
    ridge: Annotated[float | None, typer.Option(help="L2 penalty. Default: 0.03; on a table none.")] = None,
    scale: Annotated[
        bool | None, typer.Option("--scale/--no-scale", help="Hazard ratios per standard deviation.")
    ] = None,
    churn: Churn = "auto",
    activity: Activity = "",
    active_within: ActiveWithin = None,
    level: Level = 0.95,
    name: Name = None,
    as_of: Latest = None,
    every: Every = "30d",
    back: Back = None,
    features: Features = None,
    gate: Gate = True,
    table_file: Table = None,
    duration: Duration = None,
    event: Event = None,
    positive: Positive = None,
    drop: Drop = None,
    out: Out = None,
    json: JsonFlag = False,
) -> None:
    """Fit Cox's proportional hazards, judge it on later customers and register it; or on a table, out of fold."""
    from axiom.pipelines import survival as stage
    from axiom.training.survival import SurvivalOptions

    request = _table(table_file, duration, event, positive, drop)
    seed = settings().seed
    scaled = request is None if scale is None else scale
    options = SurvivalOptions(tuple(strata or ()), ridge, scaled, level, seed=seed)
    if request is not None:
        folder = _out(out, request, "cox")
        result = stage.train_survival_table(request, folder, horizon=_number(horizon), options=options)
        payload: dict[str, Any] = {"model": None, "report": result.report.to_dict(), "report_path": str(folder)}
        lines = _report_lines(result.report, "not registered: rows without times", result.report.warnings, folder)
        emit(payload, as_json=json, lines=lines)
        return
    asked = training_request(horizon or "90", name, as_of, every, back, features, gate)
    with workspace() as ws:
        trained = stage.train_survival(
            ws, asked, options=options, definition=churn_definition(churn, activity, active_within)
        )
        where = Path(ws.lake.storage.full(trained.report_path))
    report: SurvivalReport = trained.result.report
    payload = {"model": trained.version.ref, "report": report.to_dict(), "report_path": trained.report_path}
    lines = _report_lines(report, trained.version.ref, trained.warnings, where)
    emit({**payload, "warnings": trained.warnings}, as_json=json, lines=lines)


def _table(
    path: Path | None, duration: str | None, event: str | None, positive: str | None, drop: list[str] | None
) -> TableRequest | None:
    from axiom.pipelines.survival import TableRequest

    if path is None:
        if duration or event or positive or drop:
            raise MisuseError("--duration, --event, --positive and --drop describe a --table", hint="name the file")
        return None
    if not duration or not event:
        raise MisuseError("a --table needs its --duration and --event columns", hint="--duration tenure --event Churn")
    return TableRequest(path, duration, event, positive, tuple(drop or ()))


def _out(out: Path | None, request: TableRequest, what: str) -> Path:
    return out or settings().home / "reports" / "survival" / f"{what}-{request.path.stem}"


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise MisuseError(f"--horizon {text!r} is not a number", hint="write it in the unit of the duration") from None


def _km_lines(report: KmReport, where: Path) -> list[str]:
    lines = [f"{report.clock}, in {report.unit}", "", *table([_km_row(curve, report) for curve in report.curves])]
    if report.log_rank is not None:
        test = report.log_rank
        p = f"p = {test.p_value:.3g}" if test.p_value >= 1e-6 else "p < 1e-6"
        lines += ["", f"  log-rank: χ² = {test.statistic:.4f} with {test.degrees_of_freedom} degrees of freedom, {p}"]
    return [*lines, *(f"  note: {note}" for note in report.notes), f"  report and plot: {where}"]


def _km_row(curve: KmCurve, report: KmReport) -> dict[str, Any]:
    middle, low, high = curve.median
    reached = middle is not None or low is not None
    told = f"{_plain(middle)} [{_plain(low)}, {_plain(high)}]" if reached else "not reached"
    row: dict[str, Any] = {report.by or "segment": curve.segment, "customers": curve.customers, "events": curve.events}
    return row | {"median": told} | {f"S({time})": _interval(value) for time, value in curve.at.items()}


def _report_lines(report: SurvivalReport, ref: str, warnings: Sequence[str], where: Path) -> list[str]:
    shown = {key: title for key, title in SHOWN.items() if report.metrics.get(key)}
    rows: list[dict[str, Any]] = [
        {"model": name} | {title: _interval(metrics.get(key)) for key, title in shown.items()}
        for name, metrics in {"cox_ph": report.metrics, **report.baselines}.items()
    ]
    terms = sorted(report.terms, key=lambda term: -abs(term.z))[:MOST_TERMS]
    ratios = [
        {
            "covariate": term.name,
            "hazard ratio": _interval(term.hazard_ratio),
            "p": f"{term.p_value:.2g}" if term.p_value >= 1e-6 else "< 1e-6",
        }
        for term in terms
    ]
    more = len(report.terms) - len(terms)
    event = "churn" if report.outcome == "churn" else "coming back, whose absence is churn"
    return [
        f"{ref}: {report.verdict}",
        "",
        *table(rows),
        "",
        f"  hazard of {event}; horizon {report.horizon:g} {report.unit}; {report.per}",
        *table(ratios),
        *([f"  … and {more} more in the report"] if more else []),
        *(f"  warning: {warning}" for warning in warnings),
        f"  report and plots: {where}",
    ]


def _interval(value: MetricValue | None) -> str | None:
    return None if value is None else f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
