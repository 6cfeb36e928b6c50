"""Build features and labels as a Ray job: `ray job submit -- python jobs/build.py --every 30d --back 5`."""

import sys

from axiom.cli import main

sys.argv.insert(1, "build")
main()
