"""Jobs as RayJobs of KubeRay: each attempt has a Ray cluster of its own, named by its submission id."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axiom.errors import MisuseError, NotFoundError
from axiom.jobs.backend import Standing
from axiom.kube.cluster import Cluster
from axiom.kube.health import job_verdict
from axiom.kube.kinds import INSTANCE
from axiom.kube.report import logs
from axiom.kube.templates import read_yaml

if TYPE_CHECKING:
    from axiom.db.jobs import Job
    from axiom.settings import Settings

_LONGEST = 47  # of a RayJob's name
_LINES = 1_000_000


@dataclass(frozen=True)
class KubeBackend:
    """Drivers are entry points of RayJobs.

    What drivers need to know stands in the template: settings from a ConfigMap, secrets from a Secret.

    Attributes:
        cluster: namespace that the jobs run in.
        template: a RayJob; name and entry point are filled in.
    """

    cluster: Cluster
    template: dict[str, Any]
    name: str = "kube"

    @classmethod
    def connect(cls, settings: Settings) -> KubeBackend:
        """With the template that AXIOM_KUBE_JOB names, and the account of this pod or a kubeconfig.

        Raises:
            MisuseError: there is no template, or no way to a cluster.
        """
        path = settings.kube_job
        if path is None:
            raise MisuseError(
                "AXIOM_KUBE_JOB is not set", hint="it names a RayJob: `axiom kube render` has it, ConfigMap …-job"
            )
        template = read_yaml(path)
        if template.get("kind") != "RayJob" or not template.get("spec"):
            raise MisuseError(f"{path} is no RayJob", hint="`axiom kube render` makes it")
        return cls(Cluster.connect(template["metadata"]["namespace"]), template)

    def submit(self, job: Job) -> None:
        """See `JobBackend.submit`. The same attempt twice is one RayJob."""
        document = copy.deepcopy(self.template)
        metadata, spec = document["metadata"], document["spec"]
        metadata["name"] = self.object_name(job.submission_id)
        metadata.setdefault("labels", {})["axiom.io/job"] = job.kind
        metadata.setdefault("annotations", {})["axiom.io/submission"] = job.submission_id
        spec["entrypoint"] = f"python -m axiom.jobs.driver {job.job_id} {job.attempt}"
        # An attempt runs once, the database sees to it; further attempts are the caller's to make.
        spec["backoffLimit"] = 0
        self.cluster.apply(document)

    def standing(self, job: Job) -> Standing:
        """See `JobBackend.standing`."""
        found = self.cluster.get("RayJob", self.object_name(job.submission_id))
        if found is None:
            return Standing("missing")
        verdict = job_verdict(found)
        if verdict.state == "waiting":
            return Standing("alive", verdict.reason)
        return Standing("ended", f"KubeRay says {verdict.reason}"[:500])

    def stop(self, job: Job) -> None:
        """See `JobBackend.stop`. A RayJob that has ended stays, for its log."""
        if self.standing(job).state == "alive":
            self.cluster.delete("RayJob", self.object_name(job.submission_id))

    def log(self, submission_id: str, offset: int, limit: int) -> bytes:
        """See `JobBackend.log`. Nothing once KubeRay has deleted the pods, minutes after a job has ended."""
        name = self.object_name(submission_id)
        try:
            texts = [text for _, text in logs(self.cluster, self._instance, job=name, tail=_LINES)]
        except NotFoundError:
            return b""
        return "".join(texts).encode()[offset : offset + limit]

    @property
    def _instance(self) -> str:
        return str(self.template["metadata"].get("labels", {}).get(INSTANCE, "axiom"))

    def object_name(self, submission_id: str) -> str:
        """Name of the RayJob of a submission: the same on every machine, and short enough for KubeRay."""
        digest = hashlib.blake2b(submission_id.encode(), digest_size=8).hexdigest()
        return f"{self._instance[: _LONGEST - len(digest) - 1].rstrip('-')}-{digest}"
