"""Survival analysis: time to churn when many customers have not churned yet."""

from axiom.maths.survival.brier import BrierCurve, ipcw_brier
from axiom.maths.survival.concordance import concordance_index
from axiom.maths.survival.cox import CoxPH, CoxTerm
from axiom.maths.survival.kaplan_meier import KaplanMeier, LogRankTest, kaplan_meier, log_rank_test
from axiom.maths.survival.proportionality import ProportionalityTest, proportionality_test

__all__ = [
    "BrierCurve",
    "CoxPH",
    "CoxTerm",
    "KaplanMeier",
    "LogRankTest",
    "ProportionalityTest",
    "concordance_index",
    "ipcw_brier",
    "kaplan_meier",
    "log_rank_test",
    "proportionality_test",
]
