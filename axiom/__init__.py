"""Axiom: churn probabilities and customer lifetime values with honest intervals."""

__version__ = "0.1.0"
