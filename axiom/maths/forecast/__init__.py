"""Metrics of lifetime-value forecasts: points, quantiles, whole distributions, tables, and recalibrated intervals."""

from axiom.maths.forecast.points import Defined, mae, mape, mase, r_squared, rmse, smape, total_bias
from axiom.maths.forecast.predictive import (
    CountLogScore,
    PitTest,
    count_log_score,
    interval_coverage,
    pinball_loss,
    pinball_losses,
    pit_coverage,
    pit_histogram,
    pit_test,
    randomised_pit,
)
from axiom.maths.forecast.recalibration import LevelMap
from axiom.maths.forecast.tables import CountRow, DecileRow, count_table, decile_table

__all__ = [
    "CountLogScore",
    "CountRow",
    "DecileRow",
    "Defined",
    "LevelMap",
    "PitTest",
    "count_log_score",
    "count_table",
    "decile_table",
    "interval_coverage",
    "mae",
    "mape",
    "mase",
    "pinball_loss",
    "pinball_losses",
    "pit_coverage",
    "pit_histogram",
    "pit_test",
    "r_squared",
    "randomised_pit",
    "rmse",
    "smape",
    "total_bias",
]
