"""Verbs of the online store: axiom online sync, status, verify, clear."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from axiom.cli.console import JsonFlag, emit, parse_time, table, workspace

if TYPE_CHECKING:
    from axiom.pipelines.online import OnlineReport
    from axiom.pipelines.online_verify import VerifyReport

online = typer.Typer(no_args_is_help=True, help="The online store, where replicas read features: fill, check, empty.")

Dataset = Annotated[
    str | None, typer.Option("--dataset", metavar="ID", help="Features dataset. Default: that of the newest scores.")
]
OnlineAsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="Cut-off, UTC. Default: that of the newest scores, or the last one."),
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(online, name="online")


@online.command("sync", epilog="Example: axiom online sync")
def sync(dataset: Dataset = None, as_of: OnlineAsOf = None, json: JsonFlag = False) -> None:
    """Put the features of the newest score set into the online store. What is there already is not written again."""
    publish(dataset, as_of, as_json=json)


def publish(dataset: str | None, as_of: str | None, *, as_json: bool) -> None:
    """What `axiom online sync` and `axiom features publish` do."""
    from axiom.pipelines.online import publish_features

    with workspace() as ws:
        report = publish_features(ws, dataset, parse_time(as_of, "--as-of") if as_of else None)
    done = "are there already, nothing to do" if report.already else f"published in {report.seconds:.1f} s"
    emit(report, as_json=as_json, lines=[f"{report.customers:,} vectors {done}", *_held_lines(report)])


@online.command("status", epilog="Example: axiom online status --json")
def status(json: JsonFlag = False) -> None:
    """What the online store holds, and whether that is what the newest scores were made from."""
    from axiom.pipelines.online import online_status

    with workspace() as ws:
        report = online_status(ws)
    if report.held is None:
        lines = [f"online store {report.place}: empty; fill it with `axiom online sync`"]
    else:
        word = "the" if report.current else "not the"
        lines = [*_held_lines(report.held), f"  these are {word} features of the newest scores"]
    emit(report, as_json=json, lines=lines)


@online.command("verify", epilog="Example: axiom online verify")
def verify(json: JsonFlag = False) -> None:
    """Compare every vector with the features it was made from, bit by bit. Exit code 1 on any difference."""
    from axiom.pipelines.online_verify import verify_online

    with workspace() as ws:
        report = verify_online(ws)
    emit({**asdict(report), "equal": report.equal}, as_json=json, lines=_verify_lines(report))
    report.require()


@online.command("clear", epilog="Example: axiom online clear")
def clear(json: JsonFlag = False) -> None:
    """Remove everything from the online store; replicas then know nobody until the next sync."""
    from axiom.pipelines.online import clear_online

    with workspace() as ws:
        report = clear_online(ws)
    emit(report, as_json=json, lines=[f"{report.customers:,} vectors removed from the online store {report.place}"])


def _held_lines(held: OnlineReport) -> list[str]:
    return [
        f"online store {held.place}: {held.customers:,} customers as of {held.as_of:%Y-%m-%d}",
        f"  {held.features} features of {held.features_id}, layout {held.fingerprint}",
        f"  generation {held.generation}, published {held.published_at:%Y-%m-%d %H:%M:%S} UTC",
    ]


def _verify_lines(report: VerifyReport) -> list[str]:
    told = f"{report.compared:,} vectors compared with features {report.features_id} in {report.seconds:.1f} s"
    counts = f"{report.different:,} different (by {report.max_difference:g} at most), {report.missing:,} missing"
    more = f"{report.extra:,} too many, {report.corrupt:,} corrupt"
    rows = [asdict(example) for example in report.examples]
    return [told, f"  {counts}, {more}", *(["", *table(rows)] if rows else [])]
