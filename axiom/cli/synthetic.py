"""The verb that invents data: synthetic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from axiom.cli.console import JsonFlag, emit

Target = Annotated[Path, typer.Option("--to", help="Folder to write to; the truth goes to its subfolder `truth`.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command(epilog="Example: axiom synthetic shop --to shop --scale 0.1 --seed 7")(synthetic)


def synthetic(
    population: Annotated[str, typer.Argument(help="users, lifecycle, retail or shop.")],
    to: Target,
    scale: Annotated[float, typer.Option(help="1 is the documented size.")] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 42,
    start: Annotated[str, typer.Option(help="First day.")] = "2023-01-01",
    format: Annotated[str, typer.Option("--format", help="parquet or csv.")] = "parquet",  # noqa: A002
    json: JsonFlag = False,
) -> None:
    """Write a company whose truth is known: transactions, events and customers to ingest, and the truth beside them."""
    from axiom.errors import MisuseError
    from axiom.sources.synthetic import iter_chunks, write

    if format not in ("parquet", "csv"):
        raise MisuseError(f"--format {format!r} is unknown", hint="parquet or csv")
    blocks = iter_chunks(population, seed=seed, scale=scale, start=start)
    paths = write(blocks, to, format="csv" if format == "csv" else "parquet")
    lines = [
        *(str(path) for path in paths),
        "",
        f"next:  axiom ingest {to}/transactions.{format} --entity transactions",
    ]
    emit({"files": [str(path) for path in paths]}, as_json=json, lines=lines)
