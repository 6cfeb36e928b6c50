"""The composer of stages: what the CLI, the jobs and the API all call."""
