"""How many replicas: as many as keep each of them below a share of one core.

Ray's own policy counts ongoing requests, and in throughput mode a handler that never waits always looks idle to it: it
never scales. Here each replica reports the CPU it used. Ray applies its delays and factors to what is returned.

Named in `serve_config.yaml` as `axiom.serve.predict.autoscaling:policy`, or `:BusyPolicy` with `policy_kwargs`. Ray
copies this module to its controller by value, so it imports the standard library only.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

METRIC = "busy"
TARGET = 0.5
RELIEF = 0.8


class Context(Protocol):
    """What Ray tells a policy (part of `ray.serve.config.AutoscalingContext`)."""

    aggregated_metrics: Mapping[str, Mapping[Any, float]] | None
    running_replicas: Sequence[Any]
    target_num_replicas: int
    capacity_adjusted_min_replicas: int
    capacity_adjusted_max_replicas: int


def wanted(
    shares: Sequence[float], *, now: int, running: int, least: int, most: int, target: float, relief: float
) -> int:
    """Replicas that bring the busy share of each to `target`.

    n = ceil(sum of shares / target). Fewer than now only when they would stay below `relief` x `target`, so that a
    load at the edge does not go up and down for ever, and only when every running replica has reported.

    Args:
        shares: CPU seconds per second of each replica that has reported; what is no number counts as no report.
        now: replicas aimed at so far.
        running: replicas that run.
        least: bound from below.
        most: bound from above.
        target: busy share to aim at, 0..1.
        relief: 0..1; the smaller, the later replicas are given up.

    Returns:
        A number of replicas from `least` to `most`.
    """
    # One report of `most` cores asks for all replicas already; without the bound a wild one would overflow.
    reported = [min(share, most) for share in shares if math.isfinite(share) and share >= 0]
    work = sum(reported)
    want = now
    if reported:
        # The tolerance keeps 3 x 0.1 / 0.1, which is 3.0000000000000004, at three.
        up = math.ceil(work / target - 1e-9)
        down = math.ceil(work / (target * relief) - 1e-9)
        if up > now:
            want = up
        elif down < now and len(reported) >= running:
            want = down
    return max(least, min(most, want))


class BusyPolicy:
    """The policy with numbers of your own.

    Args:
        target: busy share of one core that a replica should have, 0..1.
        relief: a replica is given up when the others would stay below `relief` x `target`.
    """

    def __init__(self, target: float = TARGET, relief: float = RELIEF) -> None:
        if not 0 < target <= 1 or not 0 < relief <= 1:
            raise ValueError(f"target={target} and relief={relief} must be above 0 and at most 1")
        self._target, self._relief = target, relief

    def __call__(self, ctx: Context) -> tuple[int, dict[str, Any]]:
        """Decide; the second value is state for the next call, which this policy does not need."""
        shares = list(((ctx.aggregated_metrics or {}).get(METRIC) or {}).values())
        want = wanted(
            shares,
            now=ctx.target_num_replicas,
            running=len(ctx.running_replicas),
            least=ctx.capacity_adjusted_min_replicas,
            most=ctx.capacity_adjusted_max_replicas,
            target=self._target,
            relief=self._relief,
        )
        return want, {}


def policy(ctx: Context) -> tuple[int, dict[str, Any]]:
    """`BusyPolicy` with its defaults."""
    return BusyPolicy()(ctx)


class BusyMeter:
    """CPU seconds per second of this process, all threads together.

    A deployment returns `{"busy": meter.share()}` from `record_autoscaling_stats`.

    Args:
        window: seconds; asking more often gives the last answer again, so several readers may share one meter.
        clock: wall clock, seconds.
        used: CPU seconds used so far.
    """

    def __init__(
        self,
        window: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
    ) -> None:
        self._window, self._clock, self._used = window, clock, used
        self._since, self._before = clock(), used()
        self._share = 0.0

    def share(self) -> float:
        """Cores in use since the last window began; 0 until the first one is over."""
        now = self._clock()
        if now - self._since >= self._window:
            used = self._used()
            self._share = (used - self._before) / (now - self._since)
            self._since, self._before = now, used
        return self._share
