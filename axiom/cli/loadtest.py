"""The verb `loadtest`."""

from __future__ import annotations

import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from axiom.cli.console import JsonFlag, emit, workspace
from axiom.errors import MisuseError, NotFoundError, QualityError

if TYPE_CHECKING:
    from axiom.serve.loadtest import LoadReport, Spread

LAKE = "lake"


class Arrivals(StrEnum):
    """How requests are spread over time."""

    CONSTANT = "constant"
    POISSON = "poisson"


class Method(StrEnum):
    """Where the id goes: the query, or a JSON body."""

    GET = "GET"
    POST = "POST"


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command(
        epilog="Example: axiom loadtest http://127.0.0.1:8000/api/predict/churn --rate 1000 --ids lake "
        "--expect 'p95<4ms' --expect 'p99<15ms'"
    )(loadtest)


def loadtest(
    url: Annotated[str, typer.Argument(help="Where requests go; {id} in it, with GET, stands for the customer.")],
    rate: Annotated[
        float | None,
        typer.Option(help="Requests a second, come what may (open loop). Default: closed loop."),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of the measurement.")] = 10.0,
    warm_up: Annotated[float, typer.Option(help="Seconds before it that are not counted.")] = 2.0,
    connections: Annotated[int, typer.Option(help="Connections kept open.")] = 64,
    arrivals: Annotated[Arrivals, typer.Option(help="Evenly spaced, or a Poisson process.")] = Arrivals.CONSTANT,
    method: Annotated[Method, typer.Option(help="GET sends the id in the query, POST in a body.")] = Method.POST,
    batch: Annotated[int, typer.Option(help="Ids in one request.")] = 1,
    ids: Annotated[
        str | None, typer.Option(help="A file with one customer id a line, or `lake`: those of the newest scores.")
    ] = None,
    key: Annotated[
        str, typer.Option(help="API key.", envvar="LOADTEST_KEY", show_envvar=True, show_default=False)
    ] = "",
    timeout: Annotated[float, typer.Option(help="Seconds after which a request has failed.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Seed of arrivals and order.")] = 42,
    expect: Annotated[
        list[str] | None, typer.Option(help="p95<4ms, errors=0, rate>=990 …; exit code 1 where not met. Repeatable.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Load a service; latencies count from when a request was due (corrected for coordinated omission)."""
    from axiom.serve.loadtest import LoadPlan, parse_expectation, run_load, unmet

    expected = [parse_expectation(text) for text in expect or []]
    plan = LoadPlan(
        url,
        rate,
        seconds,
        warm_up,
        connections,
        arrivals.value,
        method.value,
        batch,
        _ids(ids) if ids else (),
        key,
        timeout,
        seed,
    )
    report = run_load(plan)
    emit(report, as_json=json, lines=_lines(report))
    if broken := unmet(report, expected):
        raise QualityError(f"not met: {'; '.join(broken)}")


def _ids(source: str) -> list[str]:
    found: list[str]
    if source == LAKE:
        from axiom.lake.views import query

        with workspace() as ws:
            found = query(ws.lake, "select customer_id from scores order by customer_id")["customer_id"].to_pylist()
    else:
        try:
            found = [line for line in Path(source).read_text(encoding="utf-8").splitlines() if line]
        except (OSError, UnicodeDecodeError) as error:
            raise NotFoundError(f"--ids {source}: {error}", hint="one customer id a line, or the word lake") from None
    if not found:
        raise MisuseError(f"--ids {source}: there are none")
    return found


def _lines(report: LoadReport) -> list[str]:
    offered = f"{report.offered_rate:,.0f} requests/s offered" if report.offered_rate else "closed loop"
    rows = {"latency": report.latency_ms, "uncorrected": report.uncorrected_ms}
    lines = [
        f"{report.url}: {offered}, {report.connections} connections, {report.seconds:.1f} s",
        f"  {report.requests:,} requests, {report.errors:,} errors, {report.rate:,.1f}/s succeeded",
        *(
            [f"  {report.rate * report.batch:,.0f} predictions/s in batches of {report.batch}"]
            if report.batch > 1
            else []
        ),
        "  ms           " + "".join(f"{name:>10}" for name in ("p50", "p90", "p95", "p99", "p99.9", "max")),
        *(f"  {name:<13}{_row(spread)}" for name, spread in rows.items()),
        *(f"  {what}: {count:,}{_example(report, what)}" for what, count in report.statuses.items()),
        f"  generator: {report.generator_cpu:.2f} cores",
    ]
    if report.suspect:
        sys.stderr.write(f"WARNING: {report.suspect}\n")
    return lines


def _row(spread: Spread) -> str:
    values = (spread.p50, spread.p90, spread.p95, spread.p99, spread.p999, spread.max)
    return "".join(f"{'-' if math.isnan(value) else f'{value:,.2f}':>10}" for value in values)


def _example(report: LoadReport, what: str) -> str:
    text = report.error_examples.get(what, "")
    return f"  {text[:120]}" if text else ""
