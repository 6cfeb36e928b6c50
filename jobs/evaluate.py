"""Judge registered versions as a Ray job: `ray job submit -- python jobs/evaluate.py churn@2 churn@1`."""

import sys

from axiom.cli import main

sys.argv.insert(1, "evaluate")
main()
