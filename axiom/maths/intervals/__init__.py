"""Confidence intervals: closed forms where theory gives one, the bootstrap elsewhere."""

from axiom.maths.intervals.bootstrap import bootstrap, bootstrap_draws, each_draw, paired_bootstrap
from axiom.maths.intervals.delong import delong_interval, delong_test
from axiom.maths.intervals.values import (
    MetricValue,
    PairedTest,
    mean_and_error,
    mean_interval,
    normal_interval,
    paired_mean,
    wilson,
)

__all__ = [
    "MetricValue",
    "PairedTest",
    "bootstrap",
    "bootstrap_draws",
    "delong_interval",
    "delong_test",
    "each_draw",
    "mean_and_error",
    "mean_interval",
    "normal_interval",
    "paired_bootstrap",
    "paired_mean",
    "wilson",
]
