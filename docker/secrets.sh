#!/usr/bin/env bash
# Make the secrets of the compose file, once: what is there already stays. `make up` runs this.
set -euo pipefail
file=${1:-$(dirname "$0")/.env}
umask 077
touch "$file"
for name in POSTGRES_PASSWORD REDIS_PASSWORD S3_SECRET_KEY GRAFANA_PASSWORD AXIOM_SECRET_KEY RAY_AUTH_TOKEN; do
    grep -q "^$name=" "$file" || echo "$name=$(openssl rand -hex 32)" >> "$file"
done
grep -q '^S3_ACCESS_KEY=' "$file" || echo "S3_ACCESS_KEY=$(openssl rand -hex 10)" >> "$file"
