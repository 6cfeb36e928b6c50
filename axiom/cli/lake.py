"""Verbs about the data in the lake: quality, lake compact, clean, verify, copy."""

from __future__ import annotations

from typing import Annotated

import typer

from axiom.cli.console import AsOf, JsonFlag, emit, parse_time, table, workspace

lake = typer.Typer(no_args_is_help=True, help="Look after the lake: compact, clean, verify, copy.")


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command(epilog="Example: axiom quality --as-of 2011-12-09")(quality)
    app.add_typer(lake, name="lake")


def quality(as_of: AsOf = None, json: JsonFlag = False) -> None:
    """The data-quality gate that training and scoring pass first. Exit code 1 when a check fails."""
    from axiom.pipelines.gate import quality as run

    with workspace() as ws:
        report = run(ws, parse_time(as_of, "--as-of") if as_of else None)
    rows = [
        {"check": check.name, "of": f"{check.entity} {check.column}".strip() or "-", "verdict": check.verdict}
        | {"what": check.message}
        for check in report.checks
    ]
    emit(report.to_dict(), as_json=json, lines=[f"verdict: {report.verdict}", "", *table(rows)])
    report.require()


@lake.command("compact", epilog="Example: axiom lake compact")
def compact(
    max_files: Annotated[int, typer.Option(min=1, help="Buckets with more files than this are rewritten.")] = 8,
    json: JsonFlag = False,
) -> None:
    """Merge the files of many small batches. Nothing that readers see changes."""
    from axiom.contracts import ENTITIES
    from axiom.lake.compact import compact as run

    with workspace() as ws:
        made = {entity: run(ws.lake, entity, max_files=max_files) for entity in ENTITIES}
    done = {entity: manifest.id for entity, manifest in made.items() if manifest is not None}
    lines = [f"{entity}: rewritten as {commit}" for entity, commit in done.items()] or ["nothing to compact"]
    emit({"compacted": done}, as_json=json, lines=lines)


@lake.command("clean", epilog="Example: axiom lake clean --older-than 24")
def clean(
    older_than: Annotated[float, typer.Option(min=0, help="Only files older than so many hours.")] = 24.0,
    json: JsonFlag = False,
) -> None:
    """Delete leftovers of crashes, and files that compaction replaced."""
    from datetime import timedelta

    from axiom.lake.compact import clean as run

    with workspace() as ws:
        gone = run(ws.lake, older_than=timedelta(hours=older_than))
    emit({"deleted": gone}, as_json=json, lines=[*gone, f"{len(gone)} files deleted"])


@lake.command("verify", epilog="Example: axiom lake verify")
def verify(json: JsonFlag = False) -> None:
    """Check every file of silver and gold against the checksum in its manifest. Exit code 1 when one differs."""
    from axiom.contracts import ENTITIES
    from axiom.lake import Dataset

    checked: dict[str, int] = {}
    with workspace() as ws:
        sets = [commit for entity in ENTITIES for commit in ws.lake.snapshot(entity).commits]
        sets += [manifest for kind in ("features", "labels", "scores") for manifest in ws.lake.datasets(kind)]
        for manifest in sets:
            Dataset(ws.lake.storage, manifest).verify()
            checked[manifest.kind] = checked.get(manifest.kind, 0) + len(manifest.files)
    lines = [f"{kind}: {files} files as they were written" for kind, files in checked.items()] or ["nothing to verify"]
    emit({"verified": checked}, as_json=json, lines=lines)


@lake.command("copy", epilog="Example: axiom lake copy --to s3://backups/axiom-lake")
def copy(
    to: Annotated[str, typer.Option("--to", metavar="PLACE", help="Directory or s3:// URI, at the same S3 endpoint.")],
    json: JsonFlag = False,
) -> None:
    """Make another place hold what the lake holds: new files are copied, files that are gone are deleted there."""
    from axiom.lake.copy import copy_lake

    with workspace() as ws:
        report = copy_lake(ws.lake.storage, to)
    lines = [
        f"{report.copied:,} files copied ({report.bytes:,} bytes), {report.deleted:,} deleted, {report.same:,} kept",
        f"  {report.target} is a copy now",
    ]
    emit(report, as_json=json, lines=lines)
