"""Ray as the engine: bucket work as Ray Data, single fits as Ray tasks."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from axiom.errors import AxiomError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from axiom.settings import Settings

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class RayEngine:
    """Work on a Ray cluster: the one at `RAY_ADDRESS`, else one that this process starts on this machine."""

    workers: int

    @classmethod
    def start(cls, settings: Settings) -> RayEngine:
        """Connect to Ray, or start it; where this process is connected already, that connection is used.

        Raises:
            UnavailableError: `RAY_ADDRESS` names a cluster that does not answer.
        """
        import ray

        if not ray.is_initialized():
            # Both are read by Ray when it starts; what the user set stays.
            os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
            os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
            _connect(settings)
        _quiet_ray_data()
        return cls(workers=max(1, int(ray.cluster_resources().get("CPU", 1))))

    def map_buckets(
        self, function: Callable[[int], R], buckets: Sequence[int], *, on_done: Callable[[], None] | None = None
    ) -> list[R]:
        """See `Engine.map_buckets`. One Ray Data block a bucket; only the small results travel back."""
        import ray
        from ray import cloudpickle

        if not buckets:
            return []

        def work(batch: dict[str, Any]) -> dict[str, Any]:
            # An error is carried back as a value: it reaches the caller as itself, without a wrapped traceback.
            return {"bucket": batch["bucket"], "result": [_outcome(function, int(b)) for b in batch["bucket"]]}

        rows = ray.data.from_items([{"bucket": b} for b in buckets], override_num_blocks=len(buckets))
        done: dict[int, Any] = {}
        for row in rows.map_batches(work, batch_size=None).iter_rows():
            done[row["bucket"]] = _value(cloudpickle.loads(row["result"]))
            if on_done is not None:
                on_done()
        return [done[bucket] for bucket in buckets]

    def map_tasks(
        self, function: Callable[[T], R], items: Sequence[T], *, on_done: Callable[[], None] | None = None
    ) -> list[R]:
        """See `Engine.map_tasks`. The function goes to the object store once, however many items there are."""
        import ray
        from ray import cloudpickle

        shared = ray.put(function)
        task = ray.remote(_task)
        references = [task.remote(shared, item) for item in items]
        done: dict[Any, Any] = {}
        waiting = list(references)
        try:
            while waiting:
                ready, waiting = ray.wait(waiting)
                for reference in ready:
                    done[reference] = _value(cloudpickle.loads(ray.get(reference)))
                    if on_done is not None:
                        on_done()
        finally:
            for reference in waiting:
                ray.cancel(reference, force=False)
        return [done[reference] for reference in references]


def _task(function: Callable[[Any], Any], item: Any) -> bytes:
    return _outcome(function, item)


def _outcome(function: Callable[[Any], Any], item: Any) -> bytes:
    from ray import cloudpickle

    try:
        return bytes(cloudpickle.dumps((True, function(item))))
    except AxiomError as error:
        return bytes(cloudpickle.dumps((False, error)))


def _value(outcome: tuple[bool, Any]) -> Any:
    succeeded, value = outcome
    if succeeded:
        return value
    raise value


def _connect(settings: Settings) -> None:
    import ray

    address = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": False}
    if not address:
        options |= {"num_cpus": settings.num_cpus, "include_dashboard": False}
    # Ray tells on every start that a local cluster checks a token, which is as it should be.
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
    try:
        ray.init(address=address or "local", **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UnavailableError(
            f"Ray does not answer at {address or 'this machine'}: {error}",
            hint="check RAY_ADDRESS, or unset it to run on this machine, or set AXIOM_ENGINE=inline to run without Ray",
        ) from error


def _quiet_ray_data() -> None:
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray.data", "ray._private", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
