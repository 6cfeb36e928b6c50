"""Score the whole base as a Ray job: `ray job submit -- python jobs/evaluate.py --as-of 2011-12-09`."""

import sys

from axiom.cli import main

sys.argv.insert(1, "evaluate")
main()
