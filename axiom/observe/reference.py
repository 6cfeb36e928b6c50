"""The reference of metrics, written from the catalogue: `make dashboards`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.observe.alerts import ALERTS
from axiom.observe.catalogue import LATENCY_BOUNDS, PREDICT, SURROUNDINGS, WORKSPACE
from axiom.observe.slo import FAST, OBJECTIVES, SLOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from axiom.observe.alerts import Alert
    from axiom.observe.catalogue import Metric
    from axiom.observe.slo import Burn

_HEAD = """\
# Metrics

Written by `make dashboards` from the code; a test fails when it is out of date.

Replicas hand their numbers to Ray every five seconds, the platform those of the workspace every thirty; Ray publishes
them on every node, at the port of `--metrics-export-port` (8080 in our images and manifests), with the prefix `ray_`.
That is what dashboards and alerts read, because it shows all replicas. `GET /api/predict/metrics` shows the replica
that happens to answer, without the prefix. A histogram arrives at Ray as three counters, `…_bucket_total` (with `le`),
`…_sum_total` and `…_count_total`; `histogram_quantile` reads them. Series have Ray's labels too (`WorkerId`,
`NodeAddress`, …): sum or take the maximum over them.

The ingress often says 499 where a client closes the connection once it has its answer, whatever that was, so its
statuses undercount errors; the objective of availability is counted by the replicas, and what fails before it
reaches one has an alert of its own (AxiomIngressErrors).
"""


def reference() -> str:
    """The whole page as Markdown."""
    bounds = ", ".join(f"{bound:g}" for bound in LATENCY_BOUNDS)
    return "\n".join(
        [
            _HEAD,
            "## Online scoring, counted by each replica",
            "",
            *_table(PREDICT),
            "",
            f"Bounds of the latency histogram, seconds: {bounds}.",
            "",
            "## Workspace, read from database and lake by the platform",
            "",
            *_table(WORKSPACE),
            "",
            "## From Prometheus and Ray, used by dashboards and alerts",
            "",
            "| series | says |",
            "|---|---|",
            *(f"| `{name}` | {says} |" for name, says in SURROUNDINGS.items()),
            "",
            "## Objectives",
            "",
            *_objectives(),
            "",
            "## Alerts",
            "",
            "| alert | severity | after | while |",
            "|---|---|---|---|",
            *map(_alert, ALERTS),
            "",
        ]
    )


def _table(metrics: Sequence[Metric]) -> Iterator[str]:
    yield "| metric | kind | labels | says | series in Prometheus |"
    yield "|---|---|---|---|---|"
    for one in metrics:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        series = ", ".join(f"`{name}`" for name in one.series)
        yield f"| `{one.name}` | {one.kind} | {labels} | {one.help} | {series} |"


def _objectives() -> Iterator[str]:
    for one in OBJECTIVES:
        yield f"* **{one.name}**, {one.target:.4g}: {one.says}. Recorded as `{one.record('5m')}` and so on."
    yield ""
    yield "An alarm needs both of its windows, so it does not ring for a blip and stops soon after the trouble does."
    yield ""
    yield "| burns | over | and still over | budget of 30 days gone by then | rings |"
    yield "|---|---|---|---|---|"
    yield from (_row(burn, "page") for burn in FAST)
    yield from (_row(burn, "ticket") for burn in SLOW)


def _row(burn: Burn, severity: str) -> str:
    return f"| {burn.factor:g}x | {burn.long} | {burn.short} | {burn.spent:.0%} | {severity} |"


def _alert(one: Alert) -> str:
    section = f"operations.md#{one.name.lower()}"
    return f"| [{one.name}]({section}) | {one.severity} | {one.hold} | `{_cell(one.expr)}` |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
