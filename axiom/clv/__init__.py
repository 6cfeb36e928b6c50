"""Customer lifetime value: models of purchases and of spend, and their predictive distributions."""

from __future__ import annotations

from axiom.clv.beta_geo import BetaGeo
from axiom.clv.beta_geo_regression import BetaGeoRegression, ModifiedBetaGeoRegression
from axiom.clv.cohorts import CohortFit, fit_cohorts
from axiom.clv.gamma_gamma import GammaGamma
from axiom.clv.gamma_gamma_regression import GammaGammaRegression
from axiom.clv.modified_beta_geo import ModifiedBetaGeo
from axiom.clv.pareto_nbd import ParetoNBD
from axiom.clv.rfm import RFMSummary, rfm_summary

__all__ = [
    "BetaGeo",
    "BetaGeoRegression",
    "CohortFit",
    "GammaGamma",
    "GammaGammaRegression",
    "ModifiedBetaGeo",
    "ModifiedBetaGeoRegression",
    "ParetoNBD",
    "RFMSummary",
    "fit_cohorts",
    "rfm_summary",
]
