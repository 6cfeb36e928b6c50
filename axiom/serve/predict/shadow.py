"""Shadow scoring: the same vectors, off the reply path, into the inference log alone."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.serve.predict.replies import log_row
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.scoring.inference import InferenceLog
    from axiom.serve.predict.lines import Kind, Lines, Served
    from axiom.serve.predict.metrics import PredictMetrics

MOST_WAITING = 10_000
EVERY_SECONDS = 0.25
_SLICE = 64
"""Vectors scored at once: short enough that a request hardly waits for the interpreter."""
_log = get_logger(__name__)


class ShadowScorer:
    """A bounded queue and a thread. What does not fit is counted and forgotten: a shadow never slows an answer.

    Args:
        lines: gives the present picture.
        log: where answers go, with the role `shadow`.
        metrics: counts.
    """

    def __init__(self, lines: Callable[[], Lines], log: InferenceLog, metrics: PredictMetrics) -> None:
        self._lines, self._log, self._metrics = lines, log, metrics
        self._waiting: deque[tuple[Kind, str, FloatArray, str, str]] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="axiom-shadow", daemon=True)
        self._thread.start()

    def offer(self, kind: Kind, customer: str, vector: FloatArray, request_id: str, key_id: str) -> None:
        """Score this later, if there is room; never blocks."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append((kind, customer, vector, request_id, key_id))
        else:
            self._metrics.rejected("shadow")

    def close(self) -> None:
        """Score what waits, and stop."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(_SLICE, len(self._waiting)))]
            lines = self._lines()
            for kind in ("churn", "clv"):
                rows = [row for row in taken if row[0] == kind]
                line = lines.churn if kind == "churn" else lines.clv
                for served in line.shadows if line is not None and rows else ():
                    self._score(served, rows, lines)

    def _score(self, served: Served[Any], rows: Sequence[tuple[Kind, str, FloatArray, str, str]], lines: Lines) -> None:
        started = time.perf_counter()
        try:
            answers = served.bound.score_many(np.stack([vector for _, _, vector, _, _ in rows]))
        except Exception as error:  # noqa: BLE001  (a model on trial may fail in any way; nobody waits for it)
            self._metrics.rejected("shadow")
            _log.warning("shadow_failed", model=served.version, error=repr(error))
            return
        each = (time.perf_counter() - started) * 1000.0 / len(rows)
        as_of = lines.store.as_of if lines.store is not None else None
        for (kind, customer, _, request_id, key_id), answer in zip(rows, answers, strict=True):
            self._metrics.predicted(kind, served.version, served.role)
            self._log.add(
                log_row(
                    *(kind, served, answer, customer, "id"),
                    request_id=request_id,
                    as_of=as_of,
                    cached=True,
                    latency_ms=each,
                    key_id=key_id,
                )
            )
