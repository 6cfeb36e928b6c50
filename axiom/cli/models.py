"""Verbs about registered models: list, show, lineage, download, promote, rollback, history."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, table, workspace
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from axiom.registry.registry import ModelVersion

models = typer.Typer(
    no_args_is_help=True, help="Registered models: list, show, lineage, download, promote, rollback, history."
)


Folder = Annotated[Path, typer.Option(help="Folder that is new or empty.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(models, name="models")


def split_reference(reference: str) -> tuple[str, str]:
    """`churn@3`, `churn@champion` or `churn` as name and version; `latest` where none is given."""
    name, at, which = reference.partition("@")
    if not name or (at and not which):
        raise MisuseError(f"{reference!r} names no model", hint="write it like churn@3 or churn@champion")
    return name, which or "latest"


@models.command("list", epilog="Example: axiom models list")
def list_models(
    name: Annotated[str | None, typer.Argument(help="Only this model.")] = None, json: JsonFlag = False
) -> None:
    """Every version with its stage and main metrics."""
    with workspace() as ws:
        found = ws.registry.list(name)
    rows = [
        {
            "model": version.ref,
            "stage": version.stage,
            "type": version.card.model_type,
            "horizon": f"{version.card.training_window.horizon_days} d",
            "trained": f"{version.created_at:%Y-%m-%d %H:%M}",
            "metrics": _headline(version),
        }
        for version in found
    ]
    emit({"models": [_facts(version) for version in found]}, as_json=json, lines=table(rows))


@models.command("show", epilog="Example: axiom models show churn@champion")
def show(
    reference: Annotated[str, typer.Argument(help="name, name@version or name@stage.")], json: JsonFlag = False
) -> None:
    """The card of one version: data, windows, metrics with intervals, baselines."""
    with workspace() as ws:
        version = ws.registry.get(*split_reference(reference))
    card = version.card
    window = card.training_window
    metrics: list[dict[str, Any]] = [
        {"metric": name, "value": m.value, "low": m.low, "high": m.high}
        | {base: known[name].value if name in known else None for base, known in card.baselines.items()}
        for name, m in card.metrics.items()
    ]
    lines = [
        f"{version.ref} ({version.stage}): {card.model_type}, horizon {window.horizon_days} days",
        f"  features     {card.feature_set.name} {card.feature_set.version}",
        f"  trained on   {_days(window.train_as_ofs)}",
        f"  calibrated   {_days(window.calibration_as_ofs) or '-'}  {card.calibration}",
        f"  judged on    {_days(window.holdout_as_ofs) or '-'}",
        f"  rows         {', '.join(f'{part} {rows:,}' for part, rows in card.rows.items())}",
        f"  data         {card.data_hash[:16]}",
        f"  artefact     {version.artefact_path}",
        "",
        *table(metrics),
    ]
    emit(_facts(version), as_json=json, lines=[*lines, *([card.notes] if card.notes else [])])


@models.command("lineage", epilog="Example: axiom models lineage churn@3")
def lineage(
    reference: Annotated[str, typer.Argument(help="name, name@version or name@stage.")], json: JsonFlag = False
) -> None:
    """Which batches, snapshots and datasets a version was trained on, and which score sets it made."""
    from axiom.cli.lineage import lines_of
    from axiom.pipelines.lineage import lineage_of_model

    with workspace() as ws:
        found = lineage_of_model(ws, *split_reference(reference))
    emit(found.to_dict(), as_json=json, lines=lines_of(found))


@models.command("download", epilog="Example: axiom models download churn@3 --to churn-3")
def download(
    reference: Annotated[str, typer.Argument(help="name, name@version or name@stage.")],
    to: Folder,
    json: JsonFlag = False,
) -> None:
    """Write the files of a version, checked by checksum, and its card.json into a new folder."""
    from axiom.registry.download import download as run

    with workspace() as ws:
        version = ws.registry.get(*split_reference(reference))
        written = run(ws.registry, version, to)
    lines = [f"{version.ref}: {len(written)} files in {to}", *(f"  {path.relative_to(to)}" for path in written)]
    emit({"model": version.ref, "folder": str(to), "files": list(map(str, written))}, as_json=json, lines=lines)


@models.command("promote", epilog='Example: axiom models promote churn@3 --to champion --reason "beats churn@2"')
def promote(
    reference: Annotated[str, typer.Argument(help="name@version.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")],
    to: Annotated[str, typer.Option(help="candidate, shadow, canary, champion or archived.")] = "champion",
    json: JsonFlag = False,
) -> None:
    """Move a version to another stage; a new champion archives the old one."""
    with workspace() as ws:
        found = ws.registry.get(*split_reference(reference))
        moved = ws.registry.promote(
            found.name,
            found.version,
            to,  # type: ignore[arg-type]  # the registry refuses an unknown stage
            actor=getpass.getuser(),
            reason=reason,
        )
    emit(_facts(moved), as_json=json, lines=[f"{moved.ref} is {moved.stage} now"])


@models.command("rollback", epilog='Example: axiom models rollback churn --reason "calibration drifted"')
def rollback(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")],
    json: JsonFlag = False,
) -> None:
    """Bring the champion before the present one back."""
    with workspace() as ws:
        moved = ws.registry.rollback(name, actor=getpass.getuser(), reason=reason)
    emit(_facts(moved), as_json=json, lines=[f"{moved.ref} is {moved.stage} again"])


@models.command("history", epilog="Example: axiom models history churn")
def history(name: Annotated[str, typer.Argument(help="Name of the model.")], json: JsonFlag = False) -> None:
    """Who moved which version when and why."""
    with workspace() as ws:
        events = ws.registry.history(name)
    rows = [
        {
            "when": f"{event.at:%Y-%m-%d %H:%M:%S}",
            "version": event.version,
            "from": event.from_stage,
            "to": event.to_stage,
            "who": event.actor,
            "why": event.reason,
        }
        for event in events
    ]
    emit({"events": events}, as_json=json, lines=table(rows))


def _headline(version: ModelVersion) -> str:
    shown = [(name, m.value) for name, m in version.card.metrics.items() if m.value is not None][:4]
    return ", ".join(f"{name} {value:.4g}" for name, value in shown)


def _days(times: tuple[Any, ...]) -> str:
    return ", ".join(f"{time:%Y-%m-%d}" for time in times)


def _facts(version: ModelVersion) -> dict[str, Any]:
    import json

    return {
        "name": version.name,
        "version": version.version,
        "stage": version.stage,
        "created_at": version.created_at,
        "artefact_path": version.artefact_path,
        "artefact_sha256": version.artefact_sha256,
        "card": json.loads(version.card.to_json()),
    }
