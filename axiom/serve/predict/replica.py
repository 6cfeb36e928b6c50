"""Everything one replica holds: models, vectors, keys, limits, log, metrics, and the thread that keeps them current."""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from axiom.errors import AxiomError, NotFoundError
from axiom.pipelines.explain import actions_of
from axiom.pipelines.workspace import opened
from axiom.scoring.inference import InferenceLog, read_inference
from axiom.scoring.online.cache import VectorCache
from axiom.scoring.online.store import open_store
from axiom.serve.predict.lines import KINDS, Lines
from axiom.serve.predict.load import LoopLag
from axiom.serve.predict.loading import LineLoader
from axiom.serve.predict.metrics import PredictMetrics
from axiom.serve.predict.shadow import ShadowScorer
from axiom.serve.predict.vectors import Vectors
from axiom.serve.ray_push import RayPush
from axiom.telemetry import get_logger
from axiom.tracing import open_tracing

if TYPE_CHECKING:
    from typing import Self

    import pyarrow as pa

    from axiom.maths.arrays import FloatArray
    from axiom.scoring.online.cache import CacheView
    from axiom.serve.predict.options import PredictOptions
    from axiom.settings import Settings

_AGAIN_SECONDS = 10.0
_log = get_logger(__name__)


class Replica:
    """One replica of the `predict` application.

    Registry, store and keys are asked once a second from a thread. What cannot be read stays as it was and shows in
    `health`; a request never waits for it.

    Args:
        settings: where lake, database and store are.
        options: of the application.

    Raises:
        NotFoundError: there is no lake.
        UnavailableError: lake or database do not answer at the start.
    """

    def __init__(self, settings: Settings, options: PredictOptions) -> None:
        from axiom.access.opening import open_door, open_limiter

        self._options = options
        self._owned = ExitStack()
        self.started_at = datetime.now(UTC)
        self.name = secrets.token_hex(6)
        self.metrics = PredictMetrics()
        self.tracing = open_tracing(settings, "predict")
        self._owned.callback(self.tracing.close)
        self.lag = LoopLag()
        self._ws = self._owned.enter_context(opened(settings))
        self._store = open_store(settings, readonly=True)
        self._owned.callback(self._store.close)
        self._cache = VectorCache(self._store, most=options.cache_customers, ttl_seconds=options.cache_ttl_seconds)
        self.vectors = Vectors(remote=settings.redis_url is not None, tracing=self.tracing)
        self.keys = open_door(settings, self._ws.db)
        self._owned.callback(self.keys.close)
        self.limiter = open_limiter(settings)
        self._owned.callback(self.limiter.close)
        self.log = InferenceLog(
            self._ws.lake.storage, options.log_sample, options.log_most_buffered, options.log_flush_seconds
        )
        self._owned.callback(self.log.close)
        self.shadow = ShadowScorer(lambda: self.lines, self.log, self.metrics)
        self._owned.callback(self.shadow.close)
        self._loader = LineLoader(self._ws, options.models, actions_of(self._ws))
        self.lines = Lines()
        self._problems: dict[str, str] = {}
        self._seen: CacheView | None = None
        self._again = 0.0
        self.probe: tuple[CacheView | None, FloatArray | None] = (None, None)
        self._refreshing = threading.Lock()
        self._stop = threading.Event()
        self._measure()
        self.refresh()
        self._thread = threading.Thread(target=self._watch, name="axiom-watch", daemon=True)

    def start(self) -> Self:
        """Keep current from now on, and push the metrics to Ray where there is one."""
        self._thread.start()
        push = RayPush(self.metrics)
        push.start()
        self._owned.callback(push.stop)
        return self

    @property
    def overloaded(self) -> bool:
        """Whether new requests would wait too long."""
        return self.lag.overloaded

    @property
    def log_share(self) -> float:
        """Share of the requests that are recorded."""
        return self._options.log_sample

    def adopt(self, options: PredictOptions) -> None:
        """Go on with other options: nothing that is held gets lost, no request waits.

        A model line that cannot be read leaves the one before in use, and shows in `health`.
        """
        with self._refreshing:
            before, self._options = self._options, options
            self._problems.pop("configuration", None)
            self._cache.keep(options.cache_customers, options.cache_ttl_seconds)
            self.log.keep(options.log_sample, options.log_most_buffered, options.log_flush_seconds)
            if options.models != before.models:
                self._loader.names = options.models
                self._seen = None  # what was seen is of other models
        self.refresh()

    def refuse(self, error: AxiomError) -> None:
        """Stay with the options that are in use, and say so in `health`."""
        self._note("configuration", error)

    def recorded(self, customer: str, since: datetime, until: datetime) -> pa.Table:
        """Recorded predictions of a customer, what still waits to be written included."""
        self.log.flush()
        return read_inference(self._ws.lake.storage, since, until, customer_id=customer)

    def refresh(self, *, gone: Lines | None = None) -> None:
        """Look at store and registry, and take over what changed; what cannot be read is noted and stays as it was.

        Args:
            gone: a picture whose generation is not in the store any more, so keeping it is no way out.
        """
        with self._refreshing:
            view = self._visible()
            try:
                lost = gone is self.lines  # of many requests that find out at once, the first one mends it
                if lost or self._changed(view):
                    self._take(self._loader.load(view, self.lines), gone=lost)
                self._problems.pop("database", None)
            except AxiomError as error:
                self._note("database", error)

    def _changed(self, view: CacheView | None) -> bool:
        lines = self.lines
        if self._loader.revision() != lines.revision or view is not self._seen:
            return True
        # What could not be loaded may be mended without a trace in registry or store: a file that was put back.
        return bool(lines.problems) and time.monotonic() > self._again

    def _take(self, found: Lines, *, gone: bool) -> None:
        """Make a picture the present one. One that would answer less keeps the old models on their old vectors."""
        before = self.lines
        lost = [kind for kind in KINDS if before.has(kind) and not found.has(kind)]
        self._seen, self._again = found.view, time.monotonic() + _AGAIN_SECONDS
        if lost and not gone and before.view is not None:
            problems = {kind: f"{text}; the features before are still in use" for kind, text in found.problems.items()}
            found = replace(before, revision=found.revision, problems=problems)
        self.lines = found  # one assignment: a request sees the old picture or the new one

    def _visible(self) -> CacheView | None:
        """The vectors that the store calls visible; while it is away, those of before."""
        self._cache.refresh()
        try:
            return self._cache.view()
        except NotFoundError:
            return None
        except AxiomError:
            return self.lines.view

    def check(self) -> None:
        """A health check that does work: every champion scores a vector that was asked for before.

        Raises:
            AxiomError: one of them cannot.
        """
        (view, vector), lines = self.probe, self.lines
        if vector is None or view is not lines.view:
            return  # nobody asked yet; and a vector of before may have to be read in another way
        for line in (lines.churn, lines.clv):
            if line is not None:
                line.champion.bound.score(vector)

    def health(self) -> dict[str, Any]:
        """Every component: `ok`, `degraded` (answers, but something is wrong) or `unavailable`."""
        lines, stats, cache = self.lines, self.log.stats, self._cache.stats
        held = lines.store
        models = {
            kind: None if line is None else _told(line) for kind, line in (("churn", lines.churn), ("clv", lines.clv))
        }
        wrong = {
            **self._problems,
            **{f"model {kind}": text for kind, text in lines.problems.items()},
            **({"keys": text} if (text := self.keys.degraded) else {}),
            **({"limits": text} if (text := self.limiter.degraded) else {}),
            **({"store": "nothing was published yet"} if held is None else {}),
            **({"store": text} if (text := self._cache.degraded) else {}),
            **({"inference log": stats.error} if stats.error else {}),
            **({"load": f"the event loop runs {self.lag.seconds:.2f} s late"} if self.overloaded else {}),
        }
        able = held is not None and any(models.values())
        return {
            "status": "unavailable" if not able else "degraded" if wrong else "ok",
            "problems": wrong,
            "models": models,
            "store": None
            if held is None
            else {
                "generation": held.generation,
                "feature_set": held.layout.feature_set,
                "fingerprint": held.layout.fingerprint,
                "as_of": held.as_of,
                "customers": held.customers,
                "published_at": held.published_at,
            },
            "cache": {
                "customers": cache.size,
                "hits": cache.hits,
                "misses": cache.misses,
                "stale": cache.stale,
                "hit_rate": cache.hit_rate,
            },
            "inference_log": {
                "written": stats.written,
                "buffered": stats.buffered,
                "dropped": stats.dropped,
                "failed": stats.failed,
            },
            "requests": self.metrics.totals(),
            "replica": self.name,
            "started_at": self.started_at,
        }

    def close(self) -> None:
        """Stop watching, write what the log still holds, close everything."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._owned.close()

    def _watch(self) -> None:
        while not self._stop.wait(self._options.watch_seconds):
            try:
                self.refresh()
                self._problems.pop("watch", None)
            except Exception as error:  # noqa: BLE001  (a watcher that dies leaves a replica that never changes)
                self._note("watch", error)

    def _measure(self) -> None:
        """Numbers that are asked for only when somebody reads the metrics."""
        watch, cache, log = self.metrics.watch, self._cache, self.log
        watch("axiom_predict_cache_hits_total", lambda: cache.stats.hits)
        watch("axiom_predict_cache_misses_total", lambda: cache.stats.misses)
        watch("axiom_predict_cache_entries", lambda: cache.stats.size)
        watch("axiom_predict_store_staleness_seconds", lambda: cache.stats.staleness)
        watch("axiom_predict_features_age_seconds", self._features_age)
        watch("axiom_predict_degraded", lambda: float(self.health()["status"] != "ok"))
        watch("axiom_predict_inference_log_written_total", lambda: log.stats.written)
        watch("axiom_predict_inference_log_dropped_total", lambda: log.stats.dropped)
        watch("axiom_predict_inference_log_failed_total", lambda: log.stats.failed)

    def _features_age(self) -> float | None:
        held = self.lines.store
        return None if held is None else (datetime.now(UTC) - held.as_of).total_seconds()

    def _note(self, component: str, error: Exception) -> None:
        text = str(error)
        if self._problems.get(component) != text:
            _log.warning("component_away", component=component, error=text)
        self._problems[component] = text


def _told(line: Any) -> dict[str, Any]:
    def one(served: Any) -> dict[str, Any]:
        return {"version": served.version, "stage": served.stage, "horizon_days": served.horizon_days}

    return {
        "champion": one(line.champion),
        "canary": None if line.canary is None else one(line.canary) | {"share": line.rollout.canary_share},
        "shadows": [one(served) for served in line.shadows],
    }
