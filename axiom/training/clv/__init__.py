"""Training of lifetime-value models: candidates, rolling-origin backtest, champion, recalibrated intervals."""

from axiom.training.clv.backtest import backtest_clv
from axiom.training.clv.candidate import Candidate, Choices, FittedCandidate, Forecast, Known, Span
from axiom.training.clv.options import ChampionRule, ClvOptions
from axiom.training.clv.result import ClvBacktest, ClvResult
from axiom.training.clv.rows import Origin, RfmArrays, Snapshot, origins_from_tables, snapshots_from_table
from axiom.training.clv.tracking import PurchaseDays
from axiom.training.clv.train import train_clv

__all__ = [
    "Candidate",
    "ChampionRule",
    "Choices",
    "ClvBacktest",
    "ClvOptions",
    "ClvResult",
    "FittedCandidate",
    "Forecast",
    "Known",
    "Origin",
    "PurchaseDays",
    "RfmArrays",
    "Snapshot",
    "Span",
    "backtest_clv",
    "origins_from_tables",
    "snapshots_from_table",
    "train_clv",
]
