"""Stages as jobs that run elsewhere, pipelines of jobs, and the clock that starts them."""
