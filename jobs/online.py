"""Publish features online as a Ray job: `ray job submit -- python jobs/online.py sync`."""

import sys

from axiom.cli import main

sys.argv.insert(1, "online")
main()
