"""Verbs that make gold: build, audit, features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.audit_trail import audits
from axiom.cli.console import AsOf, JsonFlag, emit, parse_days, parse_time, table, workspace
from axiom.cli.online import Dataset, OnlineAsOf, publish

if TYPE_CHECKING:
    from axiom.pipelines.build import BuildReport, BuildRequest

features = typer.Typer(no_args_is_help=True, help="Feature definitions: show them, or as SQL; list what is built.")

FeatureFile = Annotated[
    Path | None,
    typer.Option("--features", help="YAML file. Default: features.yaml in AXIOM_HOME, else the defaults.", exists=True),
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command(epilog="Example: axiom build --as-of 2011-09-10 --every 30d --back 5")(build)
    audits.command("features", epilog="Example: axiom audit features --as-of 2011-09-10")(audit)
    app.add_typer(features, name="features")


def build(
    as_of: AsOf = None,
    every: Annotated[str, typer.Option(help="Distance between cut-offs: 30d, 4w.")] = "30d",
    back: Annotated[int, typer.Option(min=0, help="How many earlier cut-offs.")] = 0,
    horizon: Annotated[
        list[str] | None, typer.Option(help="Days ahead that labels look; repeatable. Default: 30 60 90 180 365.")
    ] = None,
    feature_file: FeatureFile = None,
    cancel: Annotated[list[str] | None, typer.Option(help="Event types that end a contract.")] = None,
    audited: Annotated[bool, typer.Option("--audit/--no-audit", help="Prove that no feature sees the future.")] = True,
    json: JsonFlag = False,
) -> None:
    """Build features and labels of every customer at rolling cut-offs, and audit them for leakage."""
    from axiom.pipelines.build import build as run

    request = _request(as_of, every, back, horizon, feature_file, cancel)
    with workspace() as ws:
        report = run(ws, replace(request, audit=audited))
    emit(report, as_json=json, lines=[*_build_lines(report), *(f"  {line}" for line in report.audit)])


def audit(
    as_of: AsOf = None,
    every: Annotated[str, typer.Option(help="Distance between cut-offs: 30d, 4w.")] = "30d",
    back: Annotated[int, typer.Option(min=0, help="How many earlier cut-offs.")] = 0,
    feature_file: FeatureFile = None,
    json: JsonFlag = False,
) -> None:
    """Audit features for leakage: a table per feature, and proof by altering everything after the cut-off.

    Exit code 1 when a feature changes with the future.
    """
    from axiom.pipelines.build import audit as run

    with workspace() as ws:
        verdict = run(ws, _request(as_of, every, back, None, feature_file, None))
    emit(verdict.to_dict(), as_json=json, lines=verdict.lines())
    verdict.require()


@features.command("show", epilog="Example: axiom features show --sql")
def show(
    feature_file: FeatureFile = None,
    sql: Annotated[bool, typer.Option("--sql", help="As one DuckDB SELECT with the parameter $as_of.")] = False,
    json: JsonFlag = False,
) -> None:
    """The feature set for the data in the lake, with its version."""
    from axiom.features.plan import compile_plan
    from axiom.features.sql import feature_sql
    from axiom.pipelines.build import feature_set_of, schema_of

    with workspace() as ws:
        snapshots = {entity: found for entity, found in ws.lake.snapshots().items() if found.rows}
        plan = compile_plan(feature_set_of(ws, snapshots, feature_file), schema_of(snapshots))
    if sql:
        text = feature_sql(plan)
        emit({"version": plan.feature_set.version, "sql": text}, as_json=json, lines=[text])
        return
    rows: list[dict[str, Any]] = [
        {
            "feature": column.name,
            "type": column.type,
            "kind": column.feature.kind,
            "from": column.feature.entity or "-",
            "window": f"{column.window} d" if isinstance(column.window, int) else column.window,
        }
        for column in plan.columns
    ]
    head = f"{plan.feature_set.name}, version {plan.feature_set.version}: {len(rows)} features"
    emit({"version": plan.feature_set.version, "features": rows}, as_json=json, lines=[head, "", *table(rows)])


@features.command("list", epilog="Example: axiom features list")
def list_features(json: JsonFlag = False) -> None:
    """Every features dataset in the lake."""
    from axiom.pipelines.build import moment_of

    with workspace() as ws:
        found = ws.lake.datasets("features")
    rows = [
        {
            "dataset": manifest.id,
            "set": manifest.properties["feature_set"],
            "cut-offs": len(manifest.properties["as_ofs"]),
            "latest": f"{moment_of(manifest.properties['as_ofs'][-1]):%Y-%m-%d}",
            "rows": manifest.rows,
            "built": manifest.created_at[:16],
        }
        for manifest in found
    ]
    emit({"features": found}, as_json=json, lines=table(rows))


@features.command("publish", epilog="Example: axiom features publish --dataset 5f1e9c0a-63b1d2… --as-of 2011-09-10")
def publish_features(dataset: Dataset = None, as_of: OnlineAsOf = None, json: JsonFlag = False) -> None:
    """Put the features of one cut-off into the online store, where replicas read them; as `axiom online sync`."""
    publish(dataset, as_of, as_json=json)


def _request(
    as_of: str | None,
    every: str,
    back: int,
    horizon: list[str] | None,
    feature_file: Path | None,
    cancel: list[str] | None,
) -> BuildRequest:
    from axiom.pipelines.build import HORIZONS, BuildRequest

    return BuildRequest(
        as_of=parse_time(as_of, "--as-of") if as_of else None,
        every=parse_days(every, "--every"),
        back=back,
        horizons=tuple(sorted({parse_days(text, "--horizon") for text in horizon})) if horizon else HORIZONS,
        feature_set=feature_file,
        cancel_types=tuple(cancel or ("cancel",)),
    )


def _build_lines(report: BuildReport) -> list[str]:
    cuts = f"{report.as_ofs[0]:%Y-%m-%d}" + (f" … {report.as_ofs[-1]:%Y-%m-%d}" if len(report.as_ofs) > 1 else "")
    done = "exists already" if report.already else f"built in {report.seconds:.1f} s"
    if report.engine_seconds > 1:
        done += f" (and {report.engine_seconds:.1f} s to start the engine)"
    return [
        f"{report.rows:,} feature rows at {len(report.as_ofs)} cut-offs ({cuts}), {done}",
        f"  feature set {report.feature_set} {report.version}: {report.columns} features",
        f"  features {report.features_id}" + (f", labels {report.labels_id}" if report.labels_id else ""),
    ]
