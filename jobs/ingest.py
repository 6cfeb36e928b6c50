"""Ingest as a Ray job: `ray job submit -- python jobs/ingest.py s3://bucket/orders.parquet --entity transactions`."""

import sys

from axiom.cli import main

sys.argv.insert(1, "ingest")
main()
