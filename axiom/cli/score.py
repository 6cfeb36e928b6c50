"""The verb that uses models: score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import AsOf, JsonFlag, emit, parse_time, plain, table, workspace

if TYPE_CHECKING:
    from axiom.pipelines.score import ScoreReport

TOP = (
    "select customer_id, p_churn, p_alive, expected_purchases, clv_mean, clv_p05, clv_p50, clv_p95, expected_loss "
    "from scores order by expected_loss desc nulls last, customer_id limit 10"
)


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command(epilog="Example: axiom score --as-of 2011-12-09")(score)


def score(
    as_of: AsOf = None,
    churn: Annotated[str, typer.Option(help='Name of the churn model; "" leaves it out.')] = "churn",
    clv: Annotated[str, typer.Option(help='Name of the CLV model; "" leaves it out.')] = "clv",
    which: Annotated[
        str, typer.Option("--version", help="A number, a stage, latest, or auto: the champion, else the latest.")
    ] = "auto",
    gate: Annotated[bool, typer.Option(help="Refuse data that do not pass `axiom quality`.")] = True,
    publish: Annotated[bool, typer.Option(help="Replace the `scores` table of the database as well.")] = True,
    online: Annotated[
        bool | None,
        typer.Option("--online/--no-online", help="Put the features into the online store. Default: as --publish."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Score every customer: a Parquet dataset, the `scores` table, the online store. Running it again adds nothing."""
    from axiom.lake.views import query
    from axiom.pipelines.score import score as run

    moment = parse_time(as_of, "--as-of") if as_of else None
    with workspace() as ws:
        report = run(
            ws,
            as_of=moment,
            churn=churn or None,
            clv=clv or None,
            which=which,
            gate=gate,
            publish=publish,
            online=online,
        )
        top: list[dict[str, Any]] = [] if json or report.already else plain(query(ws.lake, TOP).to_pylist())
    models = ", ".join(version for version in report.models.values() if version)
    if report.already:
        lines = [
            f"score set {report.score_set} exists already: {report.rows:,} customers, nothing to do",
            *_online_lines(report),
        ]
    else:
        lines = [
            f"{report.rows:,} customers scored as of {report.as_of:%Y-%m-%d} by {models}",
            f"  dataset {report.path} (score set {report.score_set})",
            *(
                f"  {name.replace('_', ' ')}: {value:,.4g}"
                for name, value in report.totals.items()
                if value is not None
            ),
            *_online_lines(report),
            "",
            "the ten with the most to lose:",
            *table(top),
        ]
    emit(report, as_json=json, lines=lines)


def _online_lines(report: ScoreReport) -> list[str]:
    held = report.online
    told = [f"  online store {held.place}: {held.customers:,} vectors"] if held and not held.already else []
    return [*told, *(f"  warning: {warning}" for warning in report.warnings)]
