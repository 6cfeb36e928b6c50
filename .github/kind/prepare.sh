#!/usr/bin/env bash
# A cluster with everything that Axiom needs and does not bring along: KubeRay, PostgreSQL, Redis, an object store.
set -euo pipefail
cd "$(dirname "$0")/../.."
image=axiom:0.1.0-ray2.60.0
password=$(openssl rand -hex 32)
secret() { kubectl --namespace axiom create secret generic "$@"; }

kind create cluster --wait 120s
kind load docker-image "$image"

helm repo add kuberay https://ray-project.github.io/kuberay-helm/
helm install kuberay-operator kuberay/kuberay-operator --version 1.7.0 \
    --namespace kuberay-system --create-namespace --values kube/helm/kuberay-operator.yaml --wait --timeout 5m

kubectl create namespace axiom
secret services --from-literal=password="$password"
secret axiom-redis --from-literal=password="$password"
secret axiom-ray-token --from-literal=auth_token="$(openssl rand -hex 32)"
secret axiom-settings \
    --from-literal=AXIOM_DATABASE_URL="postgresql+psycopg://axiom:$password@db:5432/axiom" \
    --from-literal=AXIOM_REDIS_URL="redis://:$password@redis:6379/0" \
    --from-literal=AXIOM_SECRET_KEY="$(openssl rand -hex 32)" \
    --from-literal=AXIOM_S3_ENDPOINT=http://s3:443 --from-literal=AXIOM_S3_REGION=us-east-1 \
    --from-literal=AXIOM_S3_ACCESS_KEY=axiom --from-literal=AXIOM_S3_SECRET_KEY="$password"
secret s3 --from-literal=s3.json="{\"identities\": [{\"name\": \"axiom\", \"actions\": [\"Admin\", \"Read\", \"Write\", \"List\"],
    \"credentials\": [{\"accessKey\": \"axiom\", \"secretKey\": \"$password\"}]}]}"
kubectl --namespace axiom apply --filename .github/kind/services.yaml
kubectl --namespace axiom wait --for condition=Available --timeout 5m deployment --all
kubectl --namespace axiom wait --for condition=Complete --timeout 5m job --all
