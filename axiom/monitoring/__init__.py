"""Monitoring: measures under three pillars, their thresholds, and the alerts that breaches raise."""
