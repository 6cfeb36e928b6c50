"""What came out, and whether it is what was asked for."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "": 1.0, "%": 0.01}
_TIMES = ("mean", "p50", "p90", "p95", "p99", "p99.9", "max")
_COUNTS = ("rate", "errors", "error_rate", "requests")
_EXPECTATION = re.compile(r"\s*([a-z_0-9.]+)\s*(<=|>=|==|=|<|>)\s*([0-9.]+(?:e[0-9]+)?)\s*(us|ms|s|%)?\s*")


@dataclass(frozen=True)
class Spread:
    """Distribution of times in milliseconds; percentiles are exact, by nearest rank. NaN where there are none."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        """Of times in seconds."""
        if not seconds:
            return cls(*[math.nan] * 7)
        times = sorted(seconds)
        ranks = [times[max(0, math.ceil(len(times) * share) - 1)] for share in (0.5, 0.9, 0.95, 0.99, 0.999, 1.0)]
        return cls(*(value * 1e3 for value in (math.fsum(times) / len(times), *ranks)))


@dataclass(frozen=True)
class LoadReport:
    """Outcome of a load test.

    Attributes:
        url: what was asked.
        mode: `open` or `closed` loop.
        offered_rate: requests a second that were due; None in a closed loop.
        seconds: from the end of the warm-up to the end of the test or the last answer, whichever is later.
        connections: kept open.
        batch: ids in one request.
        requests: that were due within the measurement; every one of them is counted, answered or not.
        rate: requests a second that succeeded.
        statuses: HTTP status, or what went wrong -> requests.
        errors: requests with a status of 400 and more, or none at all.
        error_examples: what went wrong -> beginning of the first body.
        latency_ms: from the moment a request was due (corrected for coordinated omission).
        uncorrected_ms: from the moment it was sent.
        generator_cpu: cores this process used; near 1 it measured itself.
        generator_lag_ms: how late requests were sent though a connection was free.
    """

    url: str
    mode: str
    offered_rate: float | None
    seconds: float
    connections: int
    batch: int
    requests: int
    rate: float
    statuses: Mapping[str, int]
    errors: int
    error_examples: Mapping[str, str]
    latency_ms: Spread
    uncorrected_ms: Spread
    generator_cpu: float
    generator_lag_ms: Spread

    def value(self, name: str) -> float:
        """The number an expectation speaks of; times in milliseconds."""
        if name == "error_rate":
            return self.errors / self.requests if self.requests else math.nan
        if name in _COUNTS:
            return float(getattr(self, name))
        return float(getattr(self.latency_ms, name.replace(".", "")))

    @property
    def suspect(self) -> str:
        """Why the numbers may say more about this process than about the service; "" where they do not."""
        if self.generator_cpu > 0.9:
            return f"the generator used {self.generator_cpu:.2f} of its core: it is the bottleneck"
        if self.generator_lag_ms.p99 > max(1.0, 0.5 * self.latency_ms.p99):
            return (
                f"one request in a hundred was sent {self.generator_lag_ms.p99:.1f} ms late: the machine is overloaded"
            )
        return ""


class Expectation(NamedTuple):
    """`p95<4ms`, taken apart; `bound` in milliseconds, requests a second, or a share."""

    text: str
    name: str
    sign: str
    bound: float


def parse_expectation(text: str) -> Expectation:
    """Read `p95<4ms`, `errors=0`, `rate>=990`, `error_rate<0.1%`.

    Raises:
        MisuseError: it cannot be read.
    """
    match = _EXPECTATION.fullmatch(text)
    name, sign, number, unit = match.groups() if match else ("", "", "", None)
    times = name in _TIMES
    fits = unit in (("us", "ms", "s", None) if times else ("%", None) if name == "error_rate" else (None,))
    if not match or name not in (*_TIMES, *_COUNTS) or not fits or number.count(".") > 1 or number.strip(".") == "":
        raise MisuseError(
            f"expectation {text!r} cannot be read",
            hint=f"write it like p95<4ms, errors=0 or rate>=990; there are {', '.join((*_TIMES, *_COUNTS))}",
        )
    return Expectation(text, name, "=" if sign == "==" else sign, float(number) * _UNITS[unit or ""])


def unmet(report: LoadReport, expectations: Sequence[Expectation]) -> list[str]:
    """What was expected and did not come true. Errors are tolerated only where an expectation speaks of them."""
    wanted = list(expectations)
    if wanted and not any(one.name in {"errors", "error_rate"} for one in wanted):
        wanted.append(parse_expectation("errors=0"))
    return [
        f"{one.text}: it is {report.value(one.name):.4g}"
        for one in wanted
        if not _COMPARE[one.sign](report.value(one.name), one.bound)
    ]
