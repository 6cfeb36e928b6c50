"""What each route needs: a permission of `axiom.access.permissions`, any credential, or nothing.

The application does not start with a route that is not here; a test looks for lines that no route has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.jobs.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

ANYBODY = "anybody"
"""No credential is looked at."""
SIGNED_IN = "signed in"
"""Any good credential will do."""

PASSED_ON = "passed on"
"""The application `predict` looks at the credential."""

PERMITS: Mapping[str, str] = {
    "POST /api/auth/login": ANYBODY,
    "POST /api/auth/refresh": ANYBODY,
    "POST /api/auth/logout": ANYBODY,
    "GET /api/auth/me": SIGNED_IN,
    "GET /health": PASSED_ON,
    "GET /predict/{user_id:path}": PASSED_ON,
    "POST /predict/batch": PASSED_ON,
    "GET /explain/{customer_id:path}": PASSED_ON,
    "GET /api/explain/{customer_id:path}": PASSED_ON,
    "POST /cache/sync": "cache",
    "POST /cache/clear": "cache",
    "GET /api/health": ANYBODY,
    "GET /api/health/live": ANYBODY,
    "GET /api/health/ready": ANYBODY,
    "GET /api/users": "users.read",
    "POST /api/users": "users.write",
    "GET /api/users/{name}": "users.read",
    "PATCH /api/users/{name}": "users.write",
    "DELETE /api/users/{name}": "users.write",
    "GET /api/users/{name}/sessions": "users.read",
    "POST /api/users/{name}/logout": "users.write",
    "POST /api/users/{name}/unlock": "users.write",
    "GET /api/roles": "users.read",
    "GET /api/keys": "keys.read",
    "POST /api/keys": "keys.write",
    "GET /api/keys/{key_id}": "keys.read",
    "POST /api/keys/{key_id}/rotate": "keys.write",
    "POST /api/keys/{key_id}/revoke": "keys.write",
    "GET /api/audit": "audit.read",
    "GET /api/audit/verify": "audit.read",
    "GET /api/models": "models.read",
    "GET /api/models/{name}": "models.read",
    "GET /api/models/{name}/versions/{version}": "models.read",
    "GET /api/models/{name}/versions/{version}/lineage": "models.read",
    "GET /api/models/{name}/versions/{version}/artefact": "models.read",
    "GET /api/models/{name}/versions/{version}/files": "models.read",
    "GET /api/models/{name}/versions/{version}/files/{file:path}": "models.read",
    "POST /api/models/{name}/versions/{version}/stage": "models.write",
    "POST /api/models/{name}/versions/{version}/trial": "models.write",
    "PUT /api/models/{name}/versions/{version}/rule": "models.write",
    "POST /api/models/{name}/versions/{version}/stop": "models.write",
    "POST /api/models/{name}/rollback": "models.write",
    "GET /api/models/{name}/rollout": "models.read",
    "PUT /api/models/{name}/rollout/share": "models.write",
    "GET /api/models/{name}/history": "models.read",
    "GET /api/scores": "customers.read",
    "GET /api/scores/{customer_id:path}": "customers.read",
    "GET /api/score-sets": "dashboard.read",
    "GET /api/score-sets/{score_set_id}": "dashboard.read",
    "GET /api/customers": "customers.read",
    "GET /api/customers/{customer_id:path}": "customers.read",
    "GET /api/lineage/customers/{customer_id:path}": "customers.read",
    "GET /api/predictions/{customer_id:path}": "customers.read",
    "GET /api/feature-sets": "features.read",
    "GET /api/feature-sets/{version}": "features.read",
    "GET /api/datasets": "features.read",
    "GET /api/datasets/{kind}/{dataset_id}": "features.read",
    "GET /api/sources": "sources.read",
    "POST /api/sources": "sources.write",
    "POST /api/sources/preview": "sources.write",
    "GET /api/sources/{name}": "sources.read",
    "PUT /api/sources/{name}": "sources.write",
    "DELETE /api/sources/{name}": "sources.write",
    "POST /api/sources/{name}/test": "sources.write",
    "GET /api/sources/{name}/columns": "sources.read",
    "GET /api/sources/{name}/mapping": "sources.read",
    "GET /api/sources/{name}/drift": "sources.read",
    "GET /api/batches": "sources.read",
    "GET /api/batches/{batch_id}": "sources.read",
    "GET /api/runs": "jobs.read",
    "GET /api/runs/{run_id}": "jobs.read",
    "POST /api/runs/{run_id}/cancel": "jobs.run",
    "GET /api/jobs": "jobs.read",
    "GET /api/jobs/kinds": "jobs.read",
    "GET /api/jobs/{job_id}": "jobs.read",
    "GET /api/jobs/{job_id}/log": "jobs.read",
    "POST /api/jobs/{job_id}/cancel": "jobs.run",
    "POST /api/jobs/{job_id}/retry": "jobs.run",
    **{f"POST /api/jobs/{kind}": "jobs.run" for kind in KINDS},
    "POST /api/jobs/shadow": "models.write",  # these two change what is rolled out
    "POST /api/jobs/judge": "models.write",
    "GET /api/pipelines": "pipelines.read",
    "GET /api/pipelines/{pipeline}": "pipelines.read",
    "GET /api/pipelines/{pipeline}/latency": "pipelines.read",
    "POST /api/pipelines/{pipeline}/runs": "pipelines.run",
    "POST /api/pipelines/{pipeline}/backfill": "pipelines.run",
    "GET /api/pipeline-runs": "pipelines.read",
    "GET /api/pipeline-runs/{run_id}": "pipelines.read",
    "POST /api/pipeline-runs/{run_id}/resume": "pipelines.run",
    "POST /api/pipeline-runs/{run_id}/cancel": "pipelines.run",
    "GET /api/events/jobs": "jobs.read",
    "GET /api/events/pipelines": "pipelines.read",
    "GET /api/online": "features.read",
    "POST /api/online/sync": "cache",
    "POST /api/online/clear": "cache",
    "POST /api/online/verify": "cache",
    "GET /api/dashboard/summary": "dashboard.read",
    "GET /api/dashboard/timeline": "dashboard.read",
    "GET /api/dashboard/distribution": "dashboard.read",
}
