"""The command tree."""

from __future__ import annotations

from typing import Annotated

import typer

from axiom import __version__
from axiom.cli import (
    audit_trail,
    build,
    db,
    demo,
    evaluate,
    explain,
    ingest,
    inspect,
    jobs,
    key,
    kube,
    lake,
    lineage,
    loadtest,
    models,
    monitor,
    online,
    pipelines,
    rollout,
    schedule,
    score,
    serve,
    survival,
    synthetic,
    train,
    tune,
    user,
)

app = typer.Typer(
    name="axiom",
    help="Churn probabilities and customer lifetime values with honest intervals, from raw files to served scores.",
    epilog="Start with `axiom demo`, or with `axiom init` and `axiom ingest FILE`. Settings: `axiom settings`.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"axiom {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


for _room in (
    inspect,
    ingest,
    lake,
    build,
    train,
    survival,
    tune,
    evaluate,
    explain,
    score,
    serve,
    kube,
    loadtest,
    online,
    models,
    rollout,
    monitor,
    lineage,
    jobs,
    pipelines,
    schedule,
    key,
    user,
    audit_trail,
    db,
    demo,
    synthetic,
):
    _room.register(app)
