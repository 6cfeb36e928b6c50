"""One namespace of a Kubernetes cluster, through the official client: read, apply on the server, delete, logs.

The client's own methods differ by kind; its `ApiClient` does not, and carries the authentication of every kind of
kubeconfig. What a server refuses becomes an error of ours that says what to do; what is only busy is asked again.
"""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from axiom.errors import (
    AxiomError,
    BadInputError,
    ConflictError,
    ForbiddenError,
    MisuseError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from axiom.kube.kinds import KINDS, MANAGER, kind_of, named
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from axiom.kube.kinds import Document

_log = get_logger(__name__)
_BUSY = frozenset({429, 500, 502, 503, 504})
_APPLY = "application/apply-patch+yaml"
_PODS = "v1"


@dataclass(frozen=True)
class Patience:
    """How long a busy API server is asked again.

    Attributes:
        attempts: at most, the first included.
        pause: seconds before the second; each further one waits twice as long, half of it by chance.
        longest: seconds between two at most, also where the server asks for more.
        sleep: waits.
    """

    attempts: int = 6
    pause: float = 0.5
    longest: float = 15.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self, attempt: int, retry_after: str | None) -> None:
        """Wait before the attempt after `attempt` (the first is 1)."""
        asked = float(retry_after) if retry_after and retry_after.isdigit() else 0.0
        own = self.pause * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311  (spreads callers, no secret)
        self.sleep(min(max(asked, own), self.longest))


@dataclass(frozen=True)
class Cluster:
    """A namespace that somebody is allowed to work in.

    Attributes:
        api: a `kubernetes.client.ApiClient`.
        namespace: of everything that is read and written.
        patience: with a busy server.
        timeout: seconds to connect, seconds to answer.
    """

    api: Any
    namespace: str
    patience: Patience = field(default_factory=Patience)
    timeout: tuple[float, float] = (10.0, 60.0)

    @classmethod
    def connect(cls, namespace: str, *, kubeconfig: Path | None = None, context: str | None = None) -> Cluster:
        """By a kubeconfig, or, inside a pod, by its service account.

        Args:
            namespace: to work in.
            kubeconfig: default: KUBECONFIG, else ~/.kube/config.
            context: default: the file's current one.

        Raises:
            MisuseError: there is no such file or context, and this is no pod.
        """
        from kubernetes import client, config

        own = client.Configuration()
        own.retries = False  # asking again is decided here
        usual = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        try:
            if kubeconfig is None and context is None and not any(map(os.path.exists, usual.split(os.pathsep))):
                config.load_incluster_config(client_configuration=own)
            else:
                config.load_kube_config(str(kubeconfig or usual), context=context, client_configuration=own)
        except (config.ConfigException, OSError) as error:
            raise MisuseError(
                f"there is no way to a cluster: {error}", hint="set KUBECONFIG, or give --kubeconfig and --context"
            ) from None
        return cls(client.ApiClient(own), namespace)

    def apply(self, document: Document, *, dry_run: bool = False, force: bool = False) -> Document:
        """Server-side apply: make the object, or what of it is ours, as the document says. Twice changes nothing.

        Args:
            document: with kind and name.
            dry_run: the server only says what would be there then.
            force: take over fields that others own.

        Returns:
            The object as the server has it, or would have it.

        Raises:
            BadInputError: the server finds it malformed; unknown fields included.
            ConflictError: others own fields of it.
            ForbiddenError: this is not allowed here.
            NotFoundError: the cluster knows no such kind, or there is no such namespace.
            UnavailableError: no answer.
        """
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict", "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        path = self._path(kind_of(document).name, document["metadata"]["name"])
        return self._json("PATCH", path, query, document, _APPLY, what=named(document))

    def get(self, kind: str, name: str) -> Document | None:
        """An object; None where there is none, or the cluster does not know its kind."""
        try:
            return self._json("GET", self._path(kind, name), what=f"{kind}/{name}")
        except NotFoundError:
            return None

    def listed(self, kind: str, labels: Mapping[str, str] | None = None) -> list[Document]:
        """Objects with these labels; none where the cluster does not know the kind."""
        selector = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        query = {"labelSelector": selector} if selector else {}
        try:
            return list(self._json("GET", self._path(kind), query, what=kind).get("items", []))
        except NotFoundError:
            return []

    def delete(self, kind: str, name: str, *, dry_run: bool = False) -> bool:
        """Delete an object and what it owns; False where there was none."""
        query = {"propagationPolicy": "Background"} | ({"dryRun": "All"} if dry_run else {})
        try:
            self._json("DELETE", self._path(kind, name), query, what=f"{kind}/{name}")
        except NotFoundError:
            return False
        return True

    def pods(self, labels: Mapping[str, str]) -> list[Document]:
        """Pods with these labels."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        path = f"/api/{_PODS}/namespaces/{quote(self.namespace)}/pods"
        return list(self._json("GET", path, {"labelSelector": selector}, what="pods").get("items", []))

    def log(self, pod: str, container: str, *, tail: int | None = None, previous: bool = False) -> str:
        """What a container wrote.

        Raises:
            NotFoundError: there is no such pod, or it has not begun.
        """
        query = {"container": container} | ({"tailLines": str(tail)} if tail is not None else {})
        if previous:
            query["previous"] = "true"
        path = f"/api/{_PODS}/namespaces/{quote(self.namespace)}/pods/{quote(pod)}/log"
        return self._ask("GET", path, query, what=f"log of {pod}").decode("utf-8", "replace")

    def read(self, path: str, query: Mapping[str, str] | None = None) -> Document | None:
        """Whatever stands at a path of the API; None where there is nothing, or it may not be seen from here."""
        try:
            return self._json("GET", path, query or {}, what=path)
        except (NotFoundError, ForbiddenError):
            return None

    def _path(self, kind: str, name: str | None = None) -> str:
        found = KINDS.get(kind)
        version, plural = (found.api_version, found.plural) if found else (_PODS, f"{kind.lower()}s")
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        path = f"{root}/namespaces/{quote(self.namespace)}/{plural}"
        return path if name is None else f"{path}/{quote(name)}"

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        *,
        what: str,
    ) -> Document:
        raw = self._ask(method, path, query or {}, body, content_type, what=what)
        try:
            found: Document = json.loads(raw)
        except ValueError:
            raise UnavailableError(f"{what}: what answers is no API server", hint="check the kubeconfig") from None
        return found

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        content_type: str = "application/json",
        *,
        what: str,
    ) -> bytes:
        for attempt in range(1, self.patience.attempts + 1):
            status, raw, retry_after, silence = self._once(method, path, query, body, content_type)
            if status and status not in _BUSY:
                if status < HTTPStatus.BAD_REQUEST:
                    return raw
                raise _refusal(status, raw, what)
            reason = silence or f"HTTP {status}: {_message(raw)}"
            if attempt < self.patience.attempts:
                _log.warning("kubernetes_busy", what=what, reason=reason, attempt=attempt)
                self.patience.wait(attempt, retry_after)
        raise UnavailableError(
            f"{what}: the API server does not answer: {reason}", hint="the same command again goes on where it stopped"
        )

    def _once(
        self, method: str, path: str, query: Mapping[str, str], body: Any, content_type: str
    ) -> tuple[int, bytes, str | None, str]:
        """Status, body, Retry-After and, where nobody answered, why."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json", "Content-Type": content_type}
        serialized = self.api.param_serialize(
            method=method,
            resource_path=path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            reply = self.api.call_api(*serialized, _request_timeout=self.timeout)
            reply.read()
        except (HTTPError, ApiException) as error:
            return 0, b"", None, str(error).splitlines()[0][:300]
        return reply.status, reply.data or b"", reply.getheader("Retry-After"), ""


def _refusal(status: int, raw: bytes, what: str) -> AxiomError:
    message = f"{what}: {_message(raw) or f'HTTP {status}'}"
    if status == HTTPStatus.UNAUTHORIZED:
        return UnauthorizedError(message, hint="log in to the cluster again")
    if status == HTTPStatus.FORBIDDEN:
        return ForbiddenError(message, hint="the account needs a Role that allows this; see docs/deploy.md")
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError(message, hint="is KubeRay installed, and the namespace there?")
    if status == HTTPStatus.CONFLICT:
        return ConflictError(message, hint="--force takes the fields over, once their owner has agreed")
    return BadInputError(message, hint="the cluster's own definitions refuse it; `axiom kube status` shows versions")


def _message(raw: bytes) -> str:
    try:
        found = json.loads(raw)
    except ValueError:
        return " ".join(raw.decode("utf-8", "replace").split())[:300]
    return str(found.get("message", "")) if isinstance(found, dict) else ""
