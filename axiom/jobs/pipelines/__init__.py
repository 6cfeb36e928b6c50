"""Pipelines: steps that need each other, run once a logical time, resumed after any crash."""
