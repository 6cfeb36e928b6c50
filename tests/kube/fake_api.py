"""An API server of one namespace over real HTTP, strict where a real one is: what Axiom's deployer is tested against.

It has discovery, server-side apply with owners of fields, dry run, strict field validation by the definitions it
serves, generations, resource versions, finalizers, logs; and, on demand, errors, silence and an operator that moves
one step whenever somebody looks. Not a copy of Kubernetes: what the deployer never asks for is not there.
"""

from __future__ import annotations

import copy
import itertools
import json
import threading
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import kubernetes_validate

from axiom.kube.crds import known_schemas
from axiom.kube.kinds import KINDS
from axiom.kube.schema import problems, with_defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KUBERNETES = "1.34"
CUSTOM = {kind.name: kind for kind in KINDS.values() if kind.crd}
PLURALS = {kind.plural: kind for kind in KINDS.values()}
SERVER_FIELDS = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "deletionTimestamp")


class RefusedError(Exception):
    """An answer with an error status, as the API server words it."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}


@dataclass
class Fault:
    """What goes wrong instead of the next answer to `method` on a path that contains `path`."""

    method: str
    path: str
    status: int = 0  # 0: the connection breaks without an answer
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False  # the server has done its work, only the answer is lost


@dataclass
class FakeApi:
    """State of the server; tests read and change it directly."""

    namespace: str = "axiom"
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    schemas: dict[str, Any] = field(default_factory=lambda: dict(known_schemas().by_kind))
    operators: list[dict[str, Any]] = field(default_factory=list)
    gateway: bool = False
    faults: list[Fault] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    scripts: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    before_write: Callable[[Any], None] | None = None  # called once, when the first thing is really written
    logs: dict[tuple[str, str], str] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    _versions: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def put(self, plural: str, document: dict[str, Any]) -> dict[str, Any]:
        """Have an object there, without anybody's apply."""
        with self._lock:
            stored = copy.deepcopy(document)
            stored["metadata"].setdefault("labels", {})
            stored["metadata"] |= {"uid": f"uid-{next(self._versions)}", "resourceVersion": str(next(self._versions))}
            self.objects[plural, stored["metadata"]["name"]] = stored
            return stored

    def script(self, plural: str, name: str, *steps: Any) -> None:
        """What the operator does to an object, a step each time somebody reads it: a status, or a function of it."""
        self.scripts[plural, name] = list(steps)

    def writes(self) -> list[tuple[str, str]]:
        """Method and path of every request that changed something, or meant to."""
        return [(method, path) for method, path, query in self.requests if method != "GET" and "dryRun" not in query]

    # -- one request ------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], content_type: str, body: Any) -> Any:
        with self._lock:
            self.requests.append((method, path, query))
            if any(part in path for part in self.forbidden):
                raise RefusedError(403, "Forbidden", f'{path} is forbidden: User "tester" cannot')
            if method == "GET" and (found := self._discovery(path, query)) is not None:
                return found
            plural, name, sub = self._route(path)
            if method == "GET":
                return self._get(plural, name, sub, query)
            if method == "PATCH" and name:
                return self._apply(plural, name, query, content_type, body)
            if method == "DELETE" and name:
                return self._delete(plural, name, query)
            raise RefusedError(405, "MethodNotAllowed", f"{method} {path}")

    def _discovery(self, path: str, query: dict[str, str]) -> Any:
        if path == "/version":
            return {"gitVersion": f"v{KUBERNETES}.0"}
        for version in {kind.api_version for kind in CUSTOM.values()}:
            if path == f"/apis/{version}":
                kinds = [k for k in CUSTOM.values() if k.api_version == version and k.name in self.schemas]
                if not kinds:
                    raise RefusedError(404, "NotFound", "the server could not find the requested resource")
                return {"resources": [{"kind": kind.name, "name": kind.plural} for kind in kinds]}
        if path == "/apis/gateway.networking.k8s.io/v1" and self.gateway:
            return {"resources": []}
        if path == "/apis/apps/v1/deployments":
            return {"items": self.operators}
        for kind in CUSTOM.values():
            if path.endswith(f"/customresourcedefinitions/{kind.crd}") and kind.name in self.schemas:
                return definition(kind.name, self.schemas[kind.name])
        return None

    def _route(self, path: str) -> tuple[str, str, str]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if "namespaces" not in parts:
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        at = parts.index("namespaces")
        rest = parts[at + 2 :]
        plural = rest[0]
        kind = PLURALS.get(plural)
        version = "/".join(parts[1:at])
        known = plural in ("pods", "secrets") or (kind is not None and kind.api_version == version)
        if not known or (kind and kind.crd and kind.name not in self.schemas):
            raise RefusedError(404, "NotFound", "the server could not find the requested resource")
        if parts[at + 1] != self.namespace:
            raise RefusedError(404, "NotFound", f'namespaces "{parts[at + 1]}" not found')
        return plural, rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else ""

    def _get(self, plural: str, name: str, sub: str, query: dict[str, str]) -> Any:
        if not name:
            wanted = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
            items = [
                one
                for (kind, _), one in sorted(self.objects.items())
                if kind == plural and wanted.items() <= one["metadata"]["labels"].items()
            ]
            return {"kind": "List", "items": copy.deepcopy(items)}
        if sub == "log":
            text = self.logs.get((name, query.get("container", "")))
            if text is None:
                raise RefusedError(404, "NotFound", f'container "{query.get("container")}" has written nothing')
            lines = text.splitlines(keepends=True)[-int(query.get("tailLines", 10**6)) :]
            return "".join(lines)
        self._operate(plural, name)
        return copy.deepcopy(self._there(plural, name))

    def _there(self, plural: str, name: str) -> dict[str, Any]:
        if (plural, name) not in self.objects:
            raise RefusedError(404, "NotFound", f'{plural} "{name}" not found')
        return self.objects[plural, name]

    def _operate(self, plural: str, name: str) -> None:
        steps = self.scripts.get((plural, name))
        if not steps or (plural, name) not in self.objects:
            return
        step, found = steps.pop(0), self.objects[plural, name]
        status = step(found) if callable(step) else step
        if status is not None and (plural, name) in self.objects:
            # The status subresource: nothing else changes, the generation least of all.
            found["status"] = copy.deepcopy(status)
            found["metadata"]["resourceVersion"] = str(next(self._versions))

    def _apply(self, plural: str, name: str, query: dict[str, str], content_type: str, body: Any) -> Any:
        if content_type != "application/apply-patch+yaml":
            raise RefusedError(415, "UnsupportedMediaType", f"{content_type} is no server-side apply")
        if not query.get("fieldManager"):
            raise RefusedError(400, "BadRequest", "fieldManager is required for apply patch")
        manager, force = query["fieldManager"], query.get("force") == "true"
        if body["metadata"]["name"] != name or body.get("kind") != PLURALS[plural].name:
            raise RefusedError(400, "BadRequest", "the name or kind of the object does not match the path")
        live = copy.deepcopy(self.objects.get((plural, name)))
        asked = body["metadata"].get("resourceVersion")
        if asked is not None and (live is None or live["metadata"]["resourceVersion"] != asked):
            raise RefusedError(
                409, "Conflict", "the object has been modified; please apply your changes to the latest version"
            )
        self._check(body, query)
        merged = self._merged(live, body, manager, force=force)
        if live is not None and _content(live) == _content(merged) and _owners(live) == _owners(merged):
            return live
        merged["metadata"]["resourceVersion"] = str(next(self._versions))
        if live is None:
            merged["metadata"] |= {"uid": f"uid-{name}", "generation": 1, "creationTimestamp": "2026-11-20T00:00:00Z"}
        elif merged.get("spec") != live.get("spec"):
            merged["metadata"]["generation"] = live["metadata"].get("generation", 1) + 1
        if query.get("dryRun") != "All":
            self.objects[plural, name] = merged
            if self.before_write is not None:
                self.before_write, called = None, self.before_write
                called(self)
        return merged

    def _check(self, body: dict[str, Any], query: dict[str, str]) -> None:
        kind = body["kind"]
        if kind in CUSTOM:
            schema = self.schemas[kind]
            found = [str(one) for one in problems(with_defaults(body, schema), schema)]
        else:
            told = {**body, "metadata": {k: v for k, v in body["metadata"].items() if k not in SERVER_FIELDS}}
            found = _judged(json.dumps(told))
        if found and query.get("fieldValidation") == "Strict":
            raise RefusedError(400, "BadRequest", f"strict decoding error: {'; '.join(found)}")

    def _merged(
        self, live: dict[str, Any] | None, body: dict[str, Any], manager: str, *, force: bool
    ) -> dict[str, Any]:
        schema = self.schemas.get(body["kind"], {})
        new = _leaves({k: v for k, v in body.items() if k not in ("apiVersion", "kind")})
        new = {path: value for path, value in new.items() if path[:2] not in _IDENTITY}
        merged = copy.deepcopy(live) or {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": {}}
        merged["metadata"] |= {"name": body["metadata"]["name"], "namespace": self.namespace}
        owners = {who: {tuple(path) for path in paths} for who, paths in _owners(merged).items()}
        there = _leaves(merged)
        taken = [
            (who, path)
            for who, paths in owners.items()
            for path in paths & set(new)
            if who != manager and there.get(path) != new[path]
        ]
        if taken and not force:
            who, path = min(taken)
            raise RefusedError(
                409, "Conflict", f'Apply failed with 1 conflict: conflict with "{who}": .{".".join(path)}'
            )
        for path in owners.get(manager, set()) - set(new):
            if not any(path in paths for who, paths in owners.items() if who != manager):
                _drop(merged, path)
        for path, value in new.items():
            _set(merged, path, copy.deepcopy(value))
        for who, path in taken:
            owners[who].discard(path)
        owners[manager] = set(new)
        merged["metadata"]["managedFields"] = [
            {"manager": who, "operation": "Apply", "fields": sorted(map(list, paths))} for who, paths in owners.items()
        ]
        merged["metadata"].setdefault("labels", {})
        return with_defaults(merged, schema) if schema else merged

    def _delete(self, plural: str, name: str, query: dict[str, str]) -> Any:
        found = self._there(plural, name)
        if query.get("dryRun") == "All":
            return found
        if found["metadata"].get("finalizers"):
            found["metadata"]["deletionTimestamp"] = "2026-11-20T00:00:00Z"
        else:
            del self.objects[plural, name]
        return {"kind": "Status", "status": "Success"}


@cache
def _judged(text: str) -> list[str]:
    try:
        kubernetes_validate.validate(json.loads(text), KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [error.message]
    return []


_IDENTITY = {("metadata", "name"), ("metadata", "namespace"), ("metadata", "resourceVersion")}


def definition(kind: str, schema: Any) -> dict[str, Any]:
    """A custom resource definition around a schema."""
    found = KINDS[kind]
    version = {"name": found.api_version.partition("/")[2], "served": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "kind": "CustomResourceDefinition",
        "metadata": {"name": found.crd},
        "spec": {"group": found.group, "names": {"kind": kind, "plural": found.plural}, "versions": [version]},
    }


def _content(document: dict[str, Any]) -> Any:
    metadata = {key: value for key, value in document["metadata"].items() if key not in SERVER_FIELDS}
    return {**{k: v for k, v in document.items() if k != "status"}, "metadata": metadata}


def _owners(document: dict[str, Any]) -> dict[str, Any]:
    return {one["manager"]: one["fields"] for one in document["metadata"].get("managedFields", [])}


def _leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Leaf paths of nested mappings; items of lists of named things by their name, other lists as one leaf."""
    if path == ("metadata", "managedFields"):
        return {}
    if isinstance(value, dict) and value:
        return {k: v for key, inner in value.items() for k, v in _leaves(inner, (*path, key)).items()}
    if isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
        return {k: v for one in value for k, v in _leaves(one, (*path, f"[{one['name']}]")).items()}
    return {path: value}


def _inside(value: Any, key: str, *, make: bool) -> Any:
    if key.startswith("["):
        found = next((one for one in value if one.get("name") == key[1:-1]), None)
        if found is None and make:
            found = {"name": key[1:-1]}
            value.append(found)
        return found
    return value.setdefault(key, None) if make else value.get(key)


def _set(value: Any, path: tuple[str, ...], leaf: Any) -> None:
    for key, then in itertools.pairwise(path):
        inner = _inside(value, key, make=True)
        if not isinstance(inner, list if then.startswith("[") else dict):
            inner = value[key] = [] if then.startswith("[") else {}
        value = inner
    value[path[-1]] = leaf


def _drop(value: Any, path: tuple[str, ...]) -> None:
    for key in path[:-1]:
        value = _inside(value, key, make=False)
        if value is None:
            return
    value.pop(path[-1], None)


def serve(api: FakeApi) -> Callable[[], None]:
    """Answer over HTTP from a thread; gives what ends it."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            split = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            body = json.loads(raw) if raw else None
            fault = next((one for one in api.faults if one.method == self.command and one.path in split.path), None)
            if fault is not None:
                api.faults.remove(fault)
            if fault is None or fault.after:
                try:
                    kind = self.headers.get("Content-Type", "")
                    code, found = 200, api.answer(self.command, split.path, dict(parse_qsl(split.query)), kind, body)
                except RefusedError as refused:
                    code, found = refused.code, refused.body
            if fault is not None:
                if not fault.status:
                    self.close_connection = True
                    self.connection.close()
                    return
                code, found = fault.status, {"kind": "Status", "message": "the server is busy", "code": fault.status}
            reply = found.encode() if isinstance(found, str) else json.dumps(found).encode()
            self.send_response(code)
            for key, value in (fault.headers if fault else {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_PATCH = do_DELETE = _any  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
