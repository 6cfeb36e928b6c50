"""What a replica counts of its own work: cheap enough for every request, read by Prometheus in two ways.

A scrape of one replica's `/metrics` shows that replica. `RayPush` hands the same numbers to Ray, whose own endpoint on
every node then shows all replicas, each name with the prefix `ray_`. What there is stands in `axiom.observe.catalogue`.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from axiom.errors import MisuseError
from axiom.observe.catalogue import BY_NAME, Sample
from axiom.observe.catalogue import LATENCY_BOUNDS as BUCKETS
from axiom.observe.catalogue import PREDICT as METRICS
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = get_logger(__name__)

SCORING = frozenset({"churn", "clv", "explain", "history"})
"""Routes that people and applications wait for."""
_WATCHED = frozenset(metric.name for metric in METRICS if not metric.labels)


class _Latency:
    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0


class PredictMetrics:
    """The numbers of one replica.

    Recording belongs to the thread of the event loop; reading may happen in any thread.
    """

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int, str, str], int] = {}
        self._latency: dict[str, _Latency] = {}
        self._predictions: dict[tuple[str, str, str], int] = {}
        self._rejected: dict[tuple[str], int] = {}
        self._sources: dict[str, Callable[[], float | None]] = {"axiom_predict_in_flight": lambda: self._in_flight}
        self._in_flight = 0
        self._renderer: Callable[[], bytes] | None = None

    def begin(self) -> None:
        """One more request is being answered."""
        self._in_flight += 1

    def end(self) -> None:
        """One request less is being answered."""
        self._in_flight -= 1

    def request(self, route: str, status: int, seconds: float, model: str = "", role: str = "") -> None:
        """Count one reply and its latency in seconds."""
        key = (route, status, model, role)
        counts = self._requests
        counts[key] = counts.get(key, 0) + 1
        latency = self._latency.get(route)
        if latency is None:
            latency = self._latency[route] = _Latency()
        latency.counts[bisect_left(BUCKETS, seconds)] += 1
        latency.total += seconds

    def predicted(self, kind: str, model: str, role: str, count: int = 1) -> None:
        """Count predictions of one model."""
        key = (kind, model, role)
        self._predictions[key] = self._predictions.get(key, 0) + count

    def rejected(self, reason: str) -> None:
        """Count one request that was refused before any work."""
        key = (reason,)
        self._rejected[key] = self._rejected.get(key, 0) + 1

    def totals(self) -> dict[str, int]:
        """Answers of routes that score, predictions and refusals since the replica started."""
        answered = list(self._requests.items())
        return {
            "answered": sum(count for (route, *_), count in answered if route.removeprefix("grpc_") in SCORING),
            "predictions": sum(list(self._predictions.values())),
            "rejected": sum(list(self._rejected.values())),
        }

    def watch(self, name: str, source: Callable[[], float | None]) -> None:
        """Let a number without labels be asked for at each reading; None, and a source that raises, show nothing.

        Raises:
            MisuseError: there is no such metric, or it has labels.
        """
        if name not in _WATCHED:
            raise MisuseError(
                f"{name!r} is no metric without labels", hint=f"choose from {', '.join(sorted(_WATCHED))}"
            )
        self._sources[name] = source

    def samples(self) -> Iterator[Sample]:
        """Every number as it stands now, histograms as `_bucket` (with `le`), `_sum` and `_count`."""
        labelled: tuple[tuple[str, dict[Any, int]], ...] = (
            ("axiom_predict_requests_total", self._requests),
            ("axiom_predict_predictions_total", self._predictions),
            ("axiom_predict_rejected_total", self._rejected),
        )
        for name, counts in labelled:
            names = BY_NAME[name].labels
            for values, count in list(counts.items()):
                yield Sample(name, tuple(zip(names, map(str, values), strict=True)), count, cumulative=True)
        for route, latency in list(self._latency.items()):
            yield from _histogram("axiom_predict_latency_seconds", (("route", route),), latency)
        for name, source in list(self._sources.items()):
            value = _asked(name, source)
            if value is not None:
                yield Sample(name, (), value, cumulative=BY_NAME[name].kind == "counter")

    def render(self) -> bytes:
        """Text exposition for Prometheus (format 0.0.4), in the order of `METRICS`."""
        if self._renderer is None:
            from prometheus_client import CollectorRegistry, generate_latest

            registry = CollectorRegistry()
            registry.register(self)
            self._renderer = lambda: generate_latest(registry)
        return self._renderer()

    def describe(self) -> list[Any]:
        """Nothing: the registry must not collect at registration (protocol of prometheus_client)."""
        return []

    def collect(self) -> Iterator[Any]:
        """The families of prometheus_client."""
        from prometheus_client.core import Metric as Family

        found: dict[str, Any] = {
            metric.name: Family(metric.name.removesuffix("_total"), metric.help, metric.kind) for metric in METRICS
        }
        for sample in self.samples():
            family = found.get(sample.name) or found[sample.name.rpartition("_")[0]]
            family.add_sample(sample.name, dict(sample.labels), sample.value)
        for family in found.values():
            if family.samples:
                yield family


def _histogram(name: str, labels: tuple[tuple[str, str], ...], latency: _Latency) -> Iterator[Sample]:
    counts, total, below = list(latency.counts), latency.total, 0
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
        below += count
        yield Sample(f"{name}_bucket", (*labels, ("le", bound)), below, cumulative=True)
    yield Sample(f"{name}_count", labels, below, cumulative=True)
    yield Sample(f"{name}_sum", labels, total, cumulative=True)


def _asked(name: str, source: Callable[[], float | None]) -> float | None:
    try:
        return source()
    except Exception as error:  # noqa: BLE001  (one broken component must not hide the other numbers)
        _log.debug("metric_source_failed", metric=name, error=str(error))
        return None
