"""Audit features for leakage as a Ray job: `ray job submit -- python jobs/audit.py`."""

import sys

from axiom.cli import main

sys.argv.insert(1, "audit")
main()
