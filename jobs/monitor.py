"""Measure data and models as a Ray job: `ray job submit -- python jobs/monitor.py run`."""

import sys

from axiom.cli import main

sys.argv.insert(1, "monitor")
main()
