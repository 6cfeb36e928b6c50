"""What a replica counts of its own work: cheap enough for every request, read by Prometheus in two ways.

A scrape of one replica's `/metrics` shows that replica. `RayPush` hands the same numbers to Ray, whose own endpoint on
every node then shows all replicas, each name with the prefix `ray_`.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from axiom.errors import MisuseError
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = get_logger(__name__)

BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the latency histogram, seconds."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the reference of metrics."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str


METRICS = (
    Metric(
        "axiom_predict_requests_total",
        "counter",
        ("route", "status", "model", "role"),
        "Requests answered, errors and rejections included; model and role are empty where no single model answered.",
    ),
    Metric(
        "axiom_predict_latency_seconds",
        "histogram",
        ("route",),
        "Time in the replica, from the first line of our code to the reply, whatever its status.",
    ),
    Metric(
        "axiom_predict_predictions_total",
        "counter",
        ("kind", "model", "role"),
        "Predictions made: one for each customer of a batch, and one for each shadow.",
    ),
    Metric(
        "axiom_predict_rejected_total",
        "counter",
        ("reason",),
        "Requests refused before any work: key, scope, limit, overload, size.",
    ),
    Metric("axiom_predict_in_flight", "gauge", (), "Requests being answered now."),
    Metric("axiom_predict_cache_hits_total", "counter", (), "Feature vectors that were in the replica's memory."),
    Metric("axiom_predict_cache_misses_total", "counter", (), "Feature vectors that had to be read from the store."),
    Metric("axiom_predict_cache_entries", "gauge", (), "Feature vectors in the replica's memory."),
    Metric("axiom_predict_store_staleness_seconds", "gauge", (), "Time since the online store last answered."),
    Metric("axiom_predict_features_age_seconds", "gauge", (), "Time since the cut-off of the published features."),
    Metric("axiom_predict_degraded", "gauge", (), "1 while a component is away and the replica answers without it."),
    Metric("axiom_predict_busy_ratio", "gauge", (), "CPU seconds of the replica per second, over a few seconds."),
    Metric("axiom_predict_inference_log_written_total", "counter", (), "Rows of the inference log in the lake."),
    Metric("axiom_predict_inference_log_dropped_total", "counter", (), "Sampled rows of the log that are lost."),
    Metric("axiom_predict_inference_log_failed_total", "counter", (), "Writes of the inference log that were refused."),
)
_BY_NAME = {metric.name: metric for metric in METRICS}
_WATCHED = frozenset(metric.name for metric in METRICS if not metric.labels)


class Sample(NamedTuple):
    """One number as it stands: counters and histogram buckets count from the start of the replica."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    cumulative: bool


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
            names = _BY_NAME[name].labels
            for values, count in list(counts.items()):
                yield Sample(name, tuple(zip(names, map(str, values), strict=True)), count, cumulative=True)
        for route, latency in list(self._latency.items()):
            yield from _histogram("axiom_predict_latency_seconds", (("route", route),), latency)
        for name, source in list(self._sources.items()):
            value = _asked(name, source)
            if value is not None:
                yield Sample(name, (), value, cumulative=_BY_NAME[name].kind == "counter")

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


class RayPush:
    """Hands what was counted since the last time to `ray.util.metrics`, from a thread of its own.

    Counters go as increments, gauges as they stand, a histogram as the counters `…_bucket_total` (with `le`),
    `…_sum_total` and `…_count_total`, which `histogram_quantile` understands: Ray's own histogram would want every
    observation. Does nothing where Ray is not initialised.

    Args:
        metrics: of the replica.
        seconds: between two pushes.
        tags: added to every series, for example `replica`.
    """

    def __init__(self, metrics: PredictMetrics, *, seconds: float = 5.0, **tags: str) -> None:
        self._metrics, self._every, self._tags = metrics, seconds, tags
        self._series: dict[str, Any] = {}
        self._pushed: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics-push", daemon=True)

    def start(self) -> bool:
        """Begin to push; whether there is a Ray to push to."""
        import ray

        if not ray.is_initialized():
            return False
        self._thread.start()
        return True

    def stop(self) -> None:
        """End the thread, after a last push."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def push(self) -> None:
        """Push once, in the calling thread."""
        for sample in self._metrics.samples():
            series = self._series.get(sample.name)
            if series is None:
                series = self._series[sample.name] = self._make(sample)
            tags = dict(sample.labels) | self._tags
            if not sample.cumulative:
                series.set(sample.value, tags)
                continue
            key = (sample.name, sample.labels)
            increment = sample.value - self._pushed.get(key, 0.0)
            if increment > 0:
                series.inc(increment, tags)
                self._pushed[key] = sample.value

    def _make(self, sample: Sample) -> Any:
        from ray.util import metrics

        family = _BY_NAME.get(sample.name) or _BY_NAME[sample.name.rpartition("_")[0]]
        kind = metrics.Counter if sample.cumulative else metrics.Gauge
        names = (*(name for name, _ in sample.labels), *self._tags)
        # Ray appends `_total` to the name of every counter by itself.
        return kind(sample.name.removesuffix("_total"), description=family.help, tag_keys=names)

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._push_or_complain()
        self._push_or_complain()

    def _push_or_complain(self) -> None:
        try:
            self.push()
        except Exception as error:  # noqa: BLE001  (numbers that do not arrive are no reason to stop answering)
            _log.debug("metrics_not_pushed", error=str(error))
