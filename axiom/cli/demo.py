"""The verb for newcomers: demo."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from axiom.cli.console import JsonFlag, emit, settings

DataFile = Annotated[Path | None, typer.Option(help="File of a real data set.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command(epilog="Example: axiom demo --dataset online-retail --path online_retail.parquet")(demo)


def demo(
    dataset: Annotated[str, typer.Option(help="synthetic, online-retail or cdnow.")] = "synthetic",
    path: DataFile = None,
    customers: Annotated[int, typer.Option(min=500, help="Size of the synthetic company.")] = 4000,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the service listens meanwhile.")] = 8000,
    json: JsonFlag = False,
) -> None:
    """One company through every stage: ingest, features, both models, scores, and live answers over HTTP."""
    from axiom.pipelines.demo import run_demo
    from axiom.pipelines.workspace import create, opened
    from axiom.serve.live import ask_live
    from axiom.serve.local import prefer_fast_ingress

    def say(line: str) -> None:
        (sys.stderr if json else sys.stdout).write(f"{line}\n")
        sys.stdout.flush()

    loaded = settings()
    create(loaded)
    prefer_fast_ingress()  # before any stage starts Ray
    with opened(loaded) as ws:
        report = run_demo(
            ws, dataset=dataset, path=path, customers=customers, ask=partial(ask_live, loaded, port=port), say=say
        )
    lines = [
        "",
        f"done in {sum(report.seconds.values()):.0f} s: "
        + ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in report.seconds.items()),
        "look around:",
        f"  export AXIOM_HOME={loaded.home}",
        '  axiom sql "select * from scores order by expected_loss desc limit 10"',
        "  axiom models show churn",
        "  axiom serve",
    ]
    emit(report, as_json=json, lines=lines)
