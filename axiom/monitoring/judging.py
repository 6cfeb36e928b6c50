"""From readings to states: beyond its limit, and by more than chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axiom.maths.drift import benjamini_hochberg
from axiom.monitoring.measures import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.db.measurements import ReadingState
    from axiom.monitoring.measures import Measure
    from axiom.monitoring.thresholds import Threshold

FALSE_ALARMS = 0.01
"""Largest expected share of false ones among the changes that one run calls more than chance."""


@dataclass(frozen=True)
class Reading:
    """A measured value.

    Attributes:
        measure: of what; a name of `MEASURES`.
        subject: of which entity, feature, model or cohort; "" where there is one.
        value: None where it could not be measured.
        reason: why it could not; "" otherwise.
        p_value: of no change at all; None where the value is no comparison of samples.
        interval: where the value may truly lie; None where it is no estimate.
        evidence: what stands behind it, JSON values.
    """

    measure: str
    subject: str = ""
    value: float | None = None
    reason: str = ""
    p_value: float | None = None
    interval: tuple[float, float] | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """A reading with what it means.

    Attributes:
        measure: of what.
        subject: of which one.
        value: None where it is unknown.
        state: `ok`, `breached`, `unknown` or `off`.
        threshold: that it was held against.
        reason: why it is unknown, off, or not called a breach although it lies beyond its limit; "" otherwise.
        evidence: what stands behind it.
    """

    measure: Measure
    subject: str
    value: float | None
    state: ReadingState
    threshold: Threshold
    reason: str
    evidence: Mapping[str, Any]


def judge(readings: Sequence[Reading], thresholds: Mapping[str, Threshold]) -> list[Judged]:
    """Hold every reading against its threshold; measures that nobody read are unknown.

    Of many features some move by chance in every run. A comparison of samples breaches its limit only if it is also
    more than chance after Benjamini and Hochberg's correction over all comparisons of the run, and an estimate only if
    its whole interval lies beyond the limit.
    """
    read = {reading.measure for reading in readings}
    nobody = [Reading(name, reason="it was left out") for name in MEASURES if name not in read]
    adjusted = _adjusted(readings)
    every = [*zip(readings, adjusted, strict=True), *((one, None) for one in nobody)]
    return [_judged(reading, thresholds[reading.measure], q) for reading, q in every]


def _adjusted(readings: Sequence[Reading]) -> list[float | None]:
    tested = [reading.p_value for reading in readings if reading.p_value is not None]
    corrected = iter(benjamini_hochberg(tested).tolist() if tested else ())
    return [None if reading.p_value is None else next(corrected) for reading in readings]


def _judged(reading: Reading, threshold: Threshold, q: float | None) -> Judged:
    measure = MEASURES[reading.measure]
    tested = {} if q is None else {"p_value": reading.p_value, "adjusted_p_value": q}
    between = {} if reading.interval is None else {"interval": list(reading.interval)}
    state, reason = _state(reading, measure, threshold, q)
    evidence = {**reading.evidence, **tested, **between}
    return Judged(measure, reading.subject, reading.value, state, threshold, reason, evidence)


def _state(reading: Reading, measure: Measure, threshold: Threshold, q: float | None) -> tuple[ReadingState, str]:
    limit = threshold.limit
    if reading.value is None:
        return "unknown", reading.reason
    if not threshold.enabled:
        return "off", "its threshold is disabled"
    if not measure.breached(reading.value, limit):
        return "ok", ""
    if q is not None and q > FALSE_ALARMS:
        return "ok", f"beyond the limit, but chance alone may do that (adjusted p-value {q:.2g})"
    if reading.interval is not None and not all(measure.breached(end, limit) for end in reading.interval):
        low, high = reading.interval
        return "ok", f"beyond the limit, but its interval {low:.4g} to {high:.4g} is not"
    return "breached", ""
