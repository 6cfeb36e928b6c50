"""Backtest as a Ray job: `ray job submit -- python jobs/backtest.py clv`."""

import sys

from axiom.cli import main

sys.argv.insert(1, "backtest")
main()
