#!/usr/bin/env bash
# One more node for the cluster of RAY_ADDRESS.
set -euo pipefail
: "${RAY_ADDRESS:?names the head, like axiom:6379}"
exec ray start --address="$RAY_ADDRESS" --metrics-export-port="${RAY_METRICS_PORT:-8080}" --block
