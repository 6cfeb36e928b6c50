"""How big an installation has to be: arithmetic over what was measured, nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Measured:
    """What one machine did, with where it was measured in mind: other machines, other numbers.

    Attributes:
        requests_per_core: requests/s that one busy core of a replica answers.
        requests_per_ingress: requests/s that one busy core of HAProxy passes on; it has one thread.
        replica_bytes: memory of a replica with an empty cache.
        vector_bytes: memory of one customer in a replica's cache.
        store_bytes: memory of one customer in the online store, one generation.
        scored_per_core: customers/s that batch scoring does with one core.
    """

    requests_per_core: float
    requests_per_ingress: float
    replica_bytes: float
    vector_bytes: float
    store_bytes: float
    scored_per_core: float


@dataclass(frozen=True)
class Wanted:
    """What an installation has to do.

    Attributes:
        customers: known to it.
        requests: a second, at the peak.
        hot_share: share of the customers that replicas keep in memory, 0 to 1.
        scoring_hours: how long scoring everybody may take.
        busy: share of a core that a replica or an ingress may use at the peak, 0 to 1; the scaling policy aims at 0.5.
    """

    customers: int
    requests: float
    hot_share: float = 0.1
    scoring_hours: float = 1.0
    busy: float = 0.5


@dataclass(frozen=True)
class Plan:
    """What that takes.

    Attributes:
        replicas: each uses one core at most; one more than the load needs, so that one may be lost.
        ingresses: likewise; more than one need `proxy_location: EveryNode` and a load balancer.
        replica_bytes: memory of each.
        store_bytes: of the online store: two generations, because a publish writes the next one beside the visible one.
        scoring_cores: for batch scoring.
    """

    replicas: int
    ingresses: int
    replica_bytes: float
    store_bytes: float
    scoring_cores: int


def plan(measured: Measured, wanted: Wanted) -> Plan:
    """Size an installation.

    replicas = ceil(requests / (requests_per_core * busy)) + 1;
    ingresses = ceil(requests / (requests_per_ingress * busy)), and one more where there are several;
    memory of each = replica_bytes + customers * hot_share * vector_bytes (each replica sees all customers);
    store = 2 * customers * store_bytes;
    scoring cores = ceil(customers / (scored_per_core * 3600 * scoring_hours)).

    Raises:
        MisuseError: a number is negative, or a share or a rate is out of range.
    """
    _refuse_nonsense(measured, wanted)
    ingresses = max(1, math.ceil(wanted.requests / (measured.requests_per_ingress * wanted.busy)))
    return Plan(
        replicas=math.ceil(wanted.requests / (measured.requests_per_core * wanted.busy)) + 1,
        ingresses=ingresses + (ingresses > 1),
        replica_bytes=measured.replica_bytes + wanted.customers * wanted.hot_share * measured.vector_bytes,
        store_bytes=2.0 * wanted.customers * measured.store_bytes,
        scoring_cores=math.ceil(wanted.customers / (measured.scored_per_core * 3600.0 * wanted.scoring_hours)),
    )


def _refuse_nonsense(measured: Measured, wanted: Wanted) -> None:
    for name, value in (*vars(measured).items(), *vars(wanted).items()):
        if not math.isfinite(value) or value < 0:
            raise MisuseError(f"{name}={value} is no size")
    for name in ("requests_per_core", "requests_per_ingress", "scored_per_core"):
        if getattr(measured, name) == 0:
            raise MisuseError(f"{name} must not be 0")
    if wanted.scoring_hours == 0 or not 0 < wanted.busy <= 1 or wanted.hot_share > 1:
        raise MisuseError("scoring_hours must be above 0, busy above 0 and at most 1, hot_share at most 1")


COLUMNS = (
    "customers",
    "requests/s",
    "replicas",
    "ingresses",
    "cores to serve",
    "memory of each replica",
    "of all",
    "online store",
    "cores to score",
)


def table(measured: Measured, rows: Sequence[Wanted]) -> list[str]:
    """Plans as lines of Markdown."""
    head = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    return [*head, *(_row(plan(measured, wanted), wanted) for wanted in rows)]


def _row(found: Plan, wanted: Wanted) -> str:
    cells = (
        f"{wanted.customers:,}",
        f"{wanted.requests:,.0f}",
        f"{found.replicas:,}",
        f"{found.ingresses:,}",
        f"{found.replicas + found.ingresses:,}",
        size(found.replica_bytes),
        size(found.replicas * found.replica_bytes),
        size(found.store_bytes),
        f"{found.scoring_cores:,}",
    )
    return f"| {' | '.join(cells)} |"


def steps(measured: Measured, wanted: Wanted) -> str:
    """One plan with its arithmetic, in words."""
    found, m = plan(measured, wanted), measured
    rate, customers, spare = f"{wanted.requests:,.0f}", f"{wanted.customers:,}", " + 1" if found.ingresses > 1 else ""
    kept = f"{customers} × {wanted.hot_share} × {m.vector_bytes:,.0f} bytes"
    hour = f"{m.scored_per_core:,.0f} × 3600 × {wanted.scoring_hours:g}"
    return "; ".join(
        (
            f"⌈{rate} ÷ ({m.requests_per_core:,.0f} × {wanted.busy})⌉ + 1 = {found.replicas:,} replicas",
            f"⌈{rate} ÷ ({m.requests_per_ingress:,.0f} × {wanted.busy})⌉{spare} = {found.ingresses:,} ingresses",
            f"{size(m.replica_bytes)} + {kept} = {size(found.replica_bytes)} each",
            f"2 × {customers} × {m.store_bytes:,.0f} bytes = {size(found.store_bytes)}",
            f"⌈{customers} ÷ ({hour})⌉ = {found.scoring_cores:,} cores to score",
        )
    )


def size(n: float) -> str:
    """Bytes in the unit that suits them, with two or three digits that mean something."""
    for unit in ("MB", "GB"):
        n /= 1e6 if unit == "MB" else 1e3
        if n < 1000:
            break
    return f"{n:,.1f} {unit}" if n < 100 else f"{n:,.0f} {unit}"
