"""The verb that judges registered versions: evaluate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, parse_time, table, workspace
from axiom.cli.models import split_reference
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from axiom.maths.intervals import MetricValue
    from axiom.maths.profit import RetentionCosts
    from axiom.training.evaluate import ChurnEvaluation, VersionScore
    from axiom.training.evaluate_clv import ClvEvaluation

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
    "rmse_spend": "RMSE money",
    "bias_purchases": "bias",
    "bias_spend": "bias money",
    "recalibrated_90_spend": "cover 90",
}


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command(epilog="Example: axiom evaluate churn@3 churn@2 --contact-cost 1 --offer-cost 5 --save-rate 0.3")(
        evaluate
    )


def evaluate(
    models: Annotated[list[str], typer.Argument(help="Versions of one kind: churn@3 churn@2, or clv@champion.")],
    as_of: Annotated[
        list[str] | None,
        typer.Option(
            "--as-of", metavar="DATE", help="Cut-off to judge at; repeatable. Default: the latest labelled one."
        ),
    ] = None,
    contact_cost: Annotated[float | None, typer.Option(help="What one contact costs.")] = None,
    offer_cost: Annotated[float | None, typer.Option(help="What an accepted offer costs.")] = None,
    save_rate: Annotated[float | None, typer.Option(help="Share of contacted churners who stay.")] = None,
    take_rate: Annotated[float, typer.Option(help="Share of contacted stayers who take the offer all the same.")] = 1.0,
    value_at_risk: Annotated[
        float | None, typer.Option(help="What a customer is worth. Default: what each spent per horizon so far.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Contact from this probability on. Default: break-even, or the version's own.")
    ] = None,
    level: Annotated[float, typer.Option(help="Confidence level of every interval.")] = 0.95,
    draws: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 1000,
    json: JsonFlag = False,
) -> None:
    """Judge versions on the same labelled rows, new to all of them: metrics with intervals, paired tests, plots."""
    from axiom.pipelines.evaluate import evaluate as run
    from axiom.training.evaluate import EvaluationOptions

    references = [split_reference(reference) for reference in models]
    moments = [parse_time(text, "--as-of") for text in as_of or ()]
    costs = _costs(contact_cost, offer_cost, save_rate, take_rate)
    if value_at_risk is not None and not (costs and value_at_risk >= 0):
        raise MisuseError(f"--value-at-risk {value_at_risk:g} needs the costs, and cannot be negative")
    with workspace() as ws:
        options = EvaluationOptions(costs, threshold, level, draws, ws.settings.seed)
        done = run(ws, references, as_ofs=moments, options=options, value_at_risk=value_at_risk)
        where = ws.lake.storage.full(done.report_path)
    lines = _churn_lines(done.evaluation) if done.kind == "churn" else _clv_lines(done.evaluation)  # type: ignore[arg-type]
    payload = {"kind": done.kind, "report_path": done.report_path, **done.evaluation.to_dict()}
    emit(payload, as_json=json, lines=[*lines, f"  report and plots: {where}"])


def _costs(contact: float | None, offer: float | None, save: float | None, take: float) -> RetentionCosts | None:
    from axiom.maths.profit import RetentionCosts

    given = {"--contact-cost": contact, "--offer-cost": offer, "--save-rate": save}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return None
    if missing or contact is None or offer is None or save is None:
        raise MisuseError(
            f"the costs lack {', '.join(missing)}", hint="give all three: --contact-cost --offer-cost --save-rate"
        )
    try:
        return RetentionCosts(contact, offer, save, take)
    except ValueError as error:
        raise MisuseError(str(error)) from None


def _churn_lines(evaluation: ChurnEvaluation) -> list[str]:
    when = ", ".join(time[:10] for time in evaluation.as_ofs)
    rows = [_churn_row(score) for score in evaluation.versions]
    return [
        f"{evaluation.rows:,} rows at {when}, churn rate {evaluation.churn_rate:.3f}",
        f"  churn: {evaluation.definition}, {evaluation.horizon_days:g} days",
        "",
        *table(rows),
        "",
        *(f"  {found.verdict}" for found in evaluation.comparisons),
        *(f"  {line}" for score in evaluation.versions for line in _campaign(score)),
        *(f"  warning: {warning}" for warning in evaluation.warnings),
    ]


def _churn_row(score: VersionScore) -> dict[str, Any]:
    row: dict[str, Any] = {"model": score.name}
    row |= {title: _with_interval(score.metrics.get(name)) for name, title in CHURN_COLUMNS.items()}
    lead = score.lead
    row["threshold"] = round(score.threshold, 3)
    row["lead days"] = None if lead is None or lead.days is None else round(lead.days.value, 1)
    row["warned early"] = None if lead is None else f"{lead.early.value:.0%} of {lead.churns:,}"
    if "profit_per_customer" in score.metrics:
        row["profit/customer"] = _with_interval(score.metrics["profit_per_customer"])
    return row


def _campaign(score: VersionScore) -> list[str]:
    campaign = score.campaign
    if campaign is None:
        return []
    own = f"contacting the {campaign.own_share:.1%} whose own odds pay earns {campaign.own_profit:,.2f}"
    above = f"the {campaign.share:.1%} from {score.threshold:.3f} on ({score.threshold_rule}) {campaign.profit:,.2f}"
    best = f"at best, in hindsight, {campaign.best_profit:,.2f}"
    return [f"{score.name}: {own}; {above}; {best}"]


def _clv_lines(evaluation: ClvEvaluation) -> list[str]:
    when = ", ".join(time[:10] for time in evaluation.as_ofs)
    rows: list[dict[str, Any]] = [
        {"model": score.name, "family": score.family}
        | {title: _with_interval(score.metrics[name].value) for name, title in CLV_COLUMNS.items()}
        for score in evaluation.versions
    ]
    return [
        f"{evaluation.rows:,} customers at {when}, {evaluation.horizon_days} days ahead",
        "",
        *table(rows),
        "",
        *(f"  {found.verdict}" for found in evaluation.comparisons),
        *(f"  warning: {warning}" for warning in evaluation.warnings),
    ]


def _with_interval(metric: MetricValue | None) -> str | None:
    return None if metric is None else f"{metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}]"
