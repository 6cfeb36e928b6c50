"""Search for the best model as a Ray job: `ray job submit -- python jobs/tune.py churn --trials 50`."""

import sys

from axiom.cli import main

sys.argv.insert(1, "tune")
main()
