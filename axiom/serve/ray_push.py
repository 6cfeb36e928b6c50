"""Numbers of a replica to Ray, whose endpoint on every node shows them to Prometheus."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from axiom.observe.catalogue import family_of
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from axiom.observe.catalogue import Sample

_log = get_logger(__name__)


class Source(Protocol):
    """Whatever can say its numbers as they stand."""

    def samples(self) -> Iterable[Sample]:
        """Every number; names are those of the catalogue."""
        ...


class RayPush:
    """Hands what was counted since the last time to `ray.util.metrics`, from a thread of its own.

    Counters go as increments, gauges as they stand, a histogram as the counters `…_bucket_total` (with `le`),
    `…_sum_total` and `…_count_total`, which `histogram_quantile` understands: Ray's own histogram would want every
    observation. Does nothing where Ray is not initialised.

    Args:
        source: of the numbers.
        seconds: between two pushes.
        tags: added to every series, for example `replica`.
    """

    def __init__(self, source: Source, *, seconds: float = 5.0, **tags: str) -> None:
        self._source, self._every, self._tags = source, seconds, tags
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
        for sample in self._source.samples():
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

        family = family_of(sample.name)
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
