"""Train as a Ray job: `ray job submit -- python jobs/train.py churn --horizon 90`."""

import sys

from axiom.cli import main

sys.argv.insert(1, "train")
main()
