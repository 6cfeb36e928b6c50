"""The verb that says why: explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import AsOf, JsonFlag, emit, parse_time, table, workspace
from axiom.cli.models import split_reference
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from datetime import datetime

    from axiom.pipelines.explain import ChurnExplanation, ClvExplanation, Explanation
    from axiom.pipelines.explain_global import GlobalExplanation


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command(epilog="Example: axiom explain C0042 --model churn@champion, or axiom explain --global churn@3")(
        explain
    )


def explain(
    customer: Annotated[str | None, typer.Argument(help="Id of the customer.", show_default=False)] = None,
    model: Annotated[str | None, typer.Option(help="Churn version. Default: the champion, else the latest.")] = None,
    clv: Annotated[str | None, typer.Option(help="CLV version. Default: the champion, else the latest.")] = None,
    whole: Annotated[
        str | None, typer.Option("--global", metavar="VERSION", help="Explain a whole churn version instead.")
    ] = None,
    as_of: AsOf = None,
    top: Annotated[int, typer.Option(min=1, help="How many reasons, or how many features are plotted.")] = 5,
    json: JsonFlag = False,
) -> None:
    """Why one customer has these scores and what to do: reasons, drivers, actions. Or what a whole model rests on.

    Recommended actions come from actions.yaml in AXIOM_HOME where there is one.
    """
    moment = parse_time(as_of, "--as-of") if as_of else None
    if (customer is None) == (whole is None):
        raise MisuseError(
            "explain one customer or one model", hint="axiom explain C0042, or axiom explain --global churn@3"
        )
    if whole is not None:
        _explain_model(whole, moment, top, as_json=json)
        return
    from axiom.pipelines.explain import explain_customer

    churn_version = split_reference(model) if model else None
    clv_version = split_reference(clv) if clv else None
    with workspace() as ws:
        found = explain_customer(ws, str(customer), churn=churn_version, clv=clv_version, as_of=moment, most=top)
    emit(found, as_json=json, lines=_customer_lines(found, top))


def _explain_model(reference: str, moment: datetime | None, top: int, *, as_json: bool) -> None:
    from axiom.pipelines.explain_global import explain_model, to_dict

    with workspace() as ws:
        found = explain_model(ws, split_reference(reference), as_of=moment, most=top)
        where = ws.lake.storage.full(found.report_path)
    emit(to_dict(found), as_json=as_json, lines=[*_model_lines(found), f"  report and plots: {where}"])


def _customer_lines(found: Explanation, top: int) -> list[str]:
    (header,) = table([{"": f"customer {found.customer} as of {found.as_of:%Y-%m-%d}"}])[2:]
    return [
        header,
        *(_churn_lines(found.churn, top) if found.churn else ()),
        *(_clv_lines(found.clv) if found.clv else ()),
    ]


def _churn_lines(churn: ChurnExplanation, top: int) -> list[str]:
    before = "" if churn.calibration in ("identity", "none") else f" ({churn.p_raw:.3f} before {churn.calibration})"
    verb = "contact" if churn.contact else "leave alone"
    lines = [
        "",
        f"P(churn in {churn.horizon_days:g} days) {churn.p_churn:.3f}{before}, by {churn.model}",
        f"  {verb}: the threshold is {churn.threshold:.3f}",
    ]
    if churn.note:
        return [*lines, f"  no reasons: {churn.note}"]
    reasons: list[dict[str, Any]] = [
        {
            "feature": one.feature,
            "value": one.value,
            f"adds ({churn.scale})": one.contribution,
            "driver": one.driver or None,
        }
        for one in churn.reasons
    ]
    calming: list[dict[str, Any]] = [
        {"feature": one.feature, "value": one.value, f"takes off ({churn.scale})": -one.contribution}
        for one in churn.terms
        if one.contribution < 0
    ][:top]
    lines += ["", "what raises it:", *table(reasons)]
    lines += ["", "what lowers it:", *table(calming)]
    return [*lines, *(["", "recommended:"] if churn.actions else []), *(f"  - {action}" for action in churn.actions)]


def _clv_lines(clv: ClvExplanation) -> list[str]:
    if clv.note:
        return ["", f"value, by {clv.model}: {clv.note}"]
    money = (
        "no amounts in the data"
        if clv.clv_mean is None
        else (f"{clv.clv_mean:,.2f}, 90 % between {clv.clv_p05:,.2f} and {clv.clv_p95:,.2f}, median {clv.clv_p50:,.2f}")
    )
    purchases = f"{clv.expected_purchases:.2f}, 90 % between {clv.purchases_p05:.0f} and {clv.purchases_p95:.0f}"
    return [
        "",
        f"value of the next {clv.horizon_days} days, by {clv.model} ({clv.family}): {money}",
        f"  purchases {purchases}; still a customer {clv.p_alive:.3f}, no purchase {clv.p_no_purchase:.3f}",
    ]


def _model_lines(found: GlobalExplanation) -> list[str]:
    rows: list[dict[str, Any]] = [
        {
            "feature": one.feature,
            "importance": f"{one.increase.value:.4f} [{one.increase.low:.4f}, {one.increase.high:.4f}]",
            f"mean contribution ({found.scale})": found.mean_contribution.get(one.feature),
        }
        for one in found.importance
    ]
    if not found.scale:
        rows = [{name: value for name, value in row.items() if not name.startswith("mean")} for row in rows]
    return [f"{found.model} on {found.rows:,} rows at {found.as_of:%Y-%m-%d} that it never saw", "", *table(rows)]
