"""Load for an HTTP service from one process: open loop at a rate, or closed loop with so many connections."""

from axiom.serve.loadtest.generator import run_load
from axiom.serve.loadtest.plan import LoadPlan
from axiom.serve.loadtest.report import LoadReport, Spread, parse_expectation, unmet

__all__ = ["LoadPlan", "LoadReport", "Spread", "parse_expectation", "run_load", "unmet"]
