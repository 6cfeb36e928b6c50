"""Customer lifetime value: models of purchases and of spend, and their predictive distributions."""

from __future__ import annotations

from axiom.clv.beta_geo import BetaGeo
from axiom.clv.gamma_gamma import GammaGamma
from axiom.clv.modified_beta_geo import ModifiedBetaGeo
from axiom.clv.pareto_nbd import ParetoNBD
from axiom.clv.rfm import RFMSummary, rfm_summary

__all__ = ["BetaGeo", "GammaGamma", "ModifiedBetaGeo", "ParetoNBD", "RFMSummary", "rfm_summary"]
