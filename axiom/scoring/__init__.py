"""From a model and feature rows to scores: one scorer for batch and online."""
