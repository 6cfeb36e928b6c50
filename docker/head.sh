#!/usr/bin/env bash
# A Ray head with the service on it. Ends when either of them does, so that whoever started it starts it again.
set -euo pipefail

config=${1:-/opt/axiom/serve_config.yaml}
port=${RAY_PORT:-6379}
agent=${RAY_AGENT_PORT:-52365}
export RAY_ADDRESS=127.0.0.1:$port

# Draining is done by `stop` below; Ray's own would wait 30 s for the service's controller, which has nowhere to go.
RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0 \
    ray start --head --port="$port" --dashboard-host=0.0.0.0 --dashboard-port="${RAY_DASHBOARD_PORT:-8265}" \
    --dashboard-agent-listen-port="$agent" --metrics-export-port="${RAY_METRICS_PORT:-8080}" --block &
ray=$!

stop() {
    trap - TERM INT
    if [ "$deploy" ]; then
        kill "$deploy" 2> /dev/null || true
        axiom serve stop --config "$deployed" || true # requests in flight finish
    fi
    kill -TERM "$ray"
    wait "$ray" || true
    exit 0
}

# Replicas of other nodes have to be reached too, so they may not listen on the loopback alone.
deployed=$(mktemp --suffix=.yaml)
sed 's/host: 127\.0\.0\.1/host: 0.0.0.0/' "$config" > "$deployed"
deploy=
trap stop TERM INT

until wget --quiet --output-document=/dev/null "http://127.0.0.1:$agent/api/healthz"; do
    kill -0 "$ray" # it may have ended: then so does this script
    sleep 1
done
axiom serve deploy "$deployed" & # not in the foreground: a signal would wait for its end
deploy=$!
wait "$deploy"
wait "$ray"
