"""Run a pipeline as a Ray job: `ray job submit -- python jobs/pipelines.py run daily`."""

import sys

from axiom.cli import main

sys.argv.insert(1, "pipelines")
main()
