"""Every operation of the service as a typed method."""

# Generated from the OpenAPI document by `python -m axiom.serve.platform.client_text`; do not edit.

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from axiom.client import types as t
    from axiom.client.transport import Transport


class Auth:
    """Operations of `auth`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def login(self, body: t.Login) -> t.Tokens:
        """Begin a session with a name and a password."""
        return cast('t.Tokens', self._transport.call('POST', '/api/auth/login', {}, {}, {}, body, 'json'))

    def refresh(self, body: t.RefreshToken) -> t.Tokens:
        """Trade a refresh token for the next one and a new access token. One that is used twice ends the session."""
        return cast('t.Tokens', self._transport.call('POST', '/api/auth/refresh', {}, {}, {}, body, 'json'))

    def logout(self, body: t.RefreshToken) -> None:
        """End the session of a refresh token, at once."""
        self._transport.call('POST', '/api/auth/logout', {}, {}, {}, body, 'nothing')

    def me(self) -> t.Me:
        """Who is asking, and what they may do. Needs any good credential."""
        return cast('t.Me', self._transport.call('GET', '/api/auth/me', {}, {}, {}, None, 'json'))

    def password(self, body: t.NewPassword) -> t.OthersEnded:
        """Choose another password. Every other session ends; this one goes on. Needs any good credential."""
        return cast('t.OthersEnded', self._transport.call('POST', '/api/auth/password', {}, {}, {}, body, 'json'))


class Users:
    """Operations of `users`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, role: Literal['analyst', 'data-engineer', 'ml-engineer', 'product-manager', 'administrator'] | None = None, disabled: bool | None = None, sort: Literal['name', '-name', 'role', '-role', 'created_at', '-created_at', 'updated_at', '-updated_at'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedUser:
        """Users. Needs `users.read`."""
        return cast('t.ListedUser', self._transport.call('GET', '/api/users', {}, {'role': role, 'disabled': disabled, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def create(self, body: t.NewUser, *, idempotency_key: str | None = None) -> t.User:
        """Make a user. Needs `users.write`."""
        return cast('t.User', self._transport.call('POST', '/api/users', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def show(self, name: str | int) -> t.User:
        """One user. Needs `users.read`."""
        return cast('t.User', self._transport.call('GET', '/api/users/{name}', {'name': name}, {}, {}, None, 'json'))

    def change(self, name: str | int, body: t.UserChange, *, if_match: str | None = None) -> t.User:
        """Change role, password, or whether the user may log in. Needs `users.write`."""
        return cast('t.User', self._transport.call('PATCH', '/api/users/{name}', {'name': name}, {}, {'If-Match': if_match}, body, 'json'))

    def delete(self, name: str | int, *, if_match: str | None = None) -> None:
        """Forget a user and the user's sessions. The audit trail keeps the name. Needs `users.write`."""
        self._transport.call('DELETE', '/api/users/{name}', {'name': name}, {}, {'If-Match': if_match}, None, 'nothing')

    def sessions(self, name: str | int) -> t.Sessions:
        """The sessions of a user that last. Needs `users.read`."""
        return cast('t.Sessions', self._transport.call('GET', '/api/users/{name}/sessions', {'name': name}, {}, {}, None, 'json'))

    def logout(self, name: str | int) -> t.Ended:
        """End every session of a user. Needs `users.write`."""
        return cast('t.Ended', self._transport.call('POST', '/api/users/{name}/logout', {'name': name}, {}, {}, None, 'json'))

    def unlock(self, name: str | int) -> t.User:
        """Forget the failed attempts to log in under a name. Needs `users.write`."""
        return cast('t.User', self._transport.call('POST', '/api/users/{name}/unlock', {'name': name}, {}, {}, None, 'json'))

    def roles(self) -> t.Roles:
        """Every role with its permissions. Needs `users.read`."""
        return cast('t.Roles', self._transport.call('GET', '/api/roles', {}, {}, {}, None, 'json'))


class Keys:
    """Operations of `keys`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, revoked: bool | None = None, name: str | None = None, sort: Literal['name', '-name', 'created_at', '-created_at', 'expires_at', '-expires_at'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedKey:
        """API keys; never their texts. Needs `keys.read`."""
        return cast('t.ListedKey', self._transport.call('GET', '/api/keys', {}, {'revoked': revoked, 'name': name, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def create(self, body: t.NewKey, *, idempotency_key: str | None = None) -> t.KeyWithText:
        """Make a key and show its text, once: only its hash is kept. Needs `keys.write`."""
        return cast('t.KeyWithText', self._transport.call('POST', '/api/keys', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def show(self, key_id: str | int) -> t.Key:
        """One key. Needs `keys.read`."""
        return cast('t.Key', self._transport.call('GET', '/api/keys/{key_id}', {'key_id': key_id}, {}, {}, None, 'json'))

    def rotate_key(self, key_id: str | int, body: t.Rotation, *, idempotency_key: str | None = None) -> t.KeyWithText:
        """Give a key another text and show it, once. Scopes, limits and expiry stay. Needs `keys.write`."""
        return cast('t.KeyWithText', self._transport.call('POST', '/api/keys/{key_id}/rotate', {'key_id': key_id}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def revoke(self, key_id: str | int, body: t.Revocation, *, if_match: str | None = None) -> t.Key:
        """Make a key useless, for good; services that run know it within a second or two. Needs `keys.write`."""
        return cast('t.Key', self._transport.call('POST', '/api/keys/{key_id}/revoke', {'key_id': key_id}, {}, {'If-Match': if_match}, body, 'json'))


class Audit:
    """Operations of `audit`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, actor: str | None = None, action: str | None = None, object: str | None = None, since: str | None = None, until: str | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedAuditEntry:
        """Who did what to which thing, newest first. Needs `audit.read`."""
        return cast('t.ListedAuditEntry', self._transport.call('GET', '/api/audit', {}, {'actor': actor, 'action': action, 'object': object, 'since': since, 'until': until, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def verify(self, *, anchor: str | None = None) -> t.AuditState:
        """Walk the whole trail. 500 with the problem type `corrupt` names the first thing that does not fit. Needs `audit.read`."""
        return cast('t.AuditState', self._transport.call('GET', '/api/audit/verify', {}, {'anchor': anchor}, {}, None, 'json'))


class Models:
    """Operations of `models`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None, offset: int | None = None) -> t.ListedModelLine:
        """Model names, with their champion and what is on trial. Needs `models.read`."""
        return cast('t.ListedModelLine', self._transport.call('GET', '/api/models', {}, {'limit': limit, 'offset': offset}, {}, None, 'json'))

    def list_versions(self, name: str | int, *, stage: Literal['candidate', 'shadow', 'canary', 'champion', 'archived'] | None = None, sort: Literal['version', '-version', 'created_at', '-created_at'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedVersionInBrief:
        """Versions of a name, newest first. Needs `models.read`."""
        return cast('t.ListedVersionInBrief', self._transport.call('GET', '/api/models/{name}', {'name': name}, {'stage': stage, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def show(self, name: str | int, version: str | int) -> t.ModelVersion:
        """One version: card, metrics, calibration. Needs `models.read`."""
        return cast('t.ModelVersion', self._transport.call('GET', '/api/models/{name}/versions/{version}', {'name': name, 'version': version}, {}, {}, None, 'json'))

    def lineage(self, name: str | int, version: str | int) -> t.Lineage:
        """What a version was trained on, and which score sets it made. Needs `models.read`."""
        return cast('t.Lineage', self._transport.call('GET', '/api/models/{name}/versions/{version}/lineage', {'name': name, 'version': version}, {}, {}, None, 'json'))

    def artefact(self, name: str | int, version: str | int) -> bytes:
        """The artefact as a zip of plain files. `Repr-Digest` (RFC 9530) and `ETag` carry its SHA-256. Needs `models.read`."""
        return cast('bytes', self._transport.call('GET', '/api/models/{name}/versions/{version}/artefact', {'name': name, 'version': version}, {}, {}, None, 'bytes'))

    def files(self, name: str | int, version: str | int) -> t.ArtefactFiles:
        """The files of the artefact. Needs `models.read`."""
        return cast('t.ArtefactFiles', self._transport.call('GET', '/api/models/{name}/versions/{version}/files', {'name': name, 'version': version}, {}, {}, None, 'json'))

    def file(self, name: str | int, version: str | int, file: str | int) -> bytes:
        """One file of the artefact, by the name that the list of files gives. Needs `models.read`."""
        return cast('bytes', self._transport.call('GET', '/api/models/{name}/versions/{version}/files/{file}', {'name': name, 'version': version, 'file': file}, {}, {}, None, 'bytes'))


class Rollouts:
    """Operations of `rollouts`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def show(self, name: str | int) -> t.RollOut:
        """Who answers which share of the customers, and what decides about it. Needs `models.read`."""
        return cast('t.RollOut', self._transport.call('GET', '/api/models/{name}/rollout', {'name': name}, {}, {}, None, 'json'))

    def history(self, name: str | int, *, action: Literal['register', 'promote', 'displace', 'rollback', 'rollout'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedModelEvent:
        """Who moved which version when and why, newest first. Needs `models.read`."""
        return cast('t.ListedModelEvent', self._transport.call('GET', '/api/models/{name}/history', {'name': name}, {'action': action, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def move(self, name: str | int, version: str | int, body: t.StageChange, *, if_match: str | None = None) -> t.ModelVersion:
        """Promote, archive, or put a version back among the candidates; a new champion archives the old one. Needs `models.write`."""
        return cast('t.ModelVersion', self._transport.call('POST', '/api/models/{name}/versions/{version}/stage', {'name': name, 'version': version}, {}, {'If-Match': if_match}, body, 'json'))

    def roll_back(self, name: str | int, body: t.RollBack, *, if_match: str | None = None) -> t.ModelVersion:
        """Bring the champion before the present one back; repeat to go further back. Needs `models.write`."""
        return cast('t.ModelVersion', self._transport.call('POST', '/api/models/{name}/rollback', {'name': name}, {}, {'If-Match': if_match}, body, 'json'))

    def start(self, name: str | int, version: str | int, body: t.NewTrial, *, if_match: str | None = None) -> t.RollOut:
        """Make a version canary (it answers a sticky share of the customers) or shadow (it is asked beside the answer). Needs `models.write`."""
        return cast('t.RollOut', self._transport.call('POST', '/api/models/{name}/versions/{version}/trial', {'name': name, 'version': version}, {}, {'If-Match': if_match}, body, 'json'))

    def set_share(self, name: str | int, body: t.ShareChange, *, if_match: str | None = None) -> t.RollOut:
        """Give the canary another share; who has it keeps it while the share grows. Needs `models.write`."""
        return cast('t.RollOut', self._transport.call('PUT', '/api/models/{name}/rollout/share', {'name': name}, {}, {'If-Match': if_match}, body, 'json'))

    def set_rule(self, name: str | int, version: str | int, body: t.RuleChange, *, if_match: str | None = None) -> t.RollOut:
        """Declare what decides about a canary or shadow; its evidence starts anew. Needs `models.write`."""
        return cast('t.RollOut', self._transport.call('PUT', '/api/models/{name}/versions/{version}/rule', {'name': name, 'version': version}, {}, {'If-Match': if_match}, body, 'json'))

    def stop(self, name: str | int, version: str | int, body: t.Stop, *, if_match: str | None = None) -> t.RollOut:
        """End a trial: the champion answers everybody again. Needs `models.write`."""
        return cast('t.RollOut', self._transport.call('POST', '/api/models/{name}/versions/{version}/stop', {'name': name, 'version': version}, {}, {'If-Match': if_match}, body, 'json'))


class Scores:
    """Operations of `scores`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, sort: Literal['customer_id', '-customer_id', 'p_churn', '-p_churn', 'clv_mean', '-clv_mean', 'expected_loss', '-expected_loss', 'p_alive', '-p_alive'] | None = None, min_p_churn: float | None = None, max_p_churn: float | None = None, min_clv: float | None = None, min_loss: float | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedScore:
        """Current scores, most money at risk first. Needs `customers.read`."""
        return cast('t.ListedScore', self._transport.call('GET', '/api/scores', {}, {'sort': sort, 'min_p_churn': min_p_churn, 'max_p_churn': max_p_churn, 'min_clv': min_clv, 'min_loss': min_loss, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def show(self, customer_id: str | int) -> t.Score:
        """The current score of one customer. Needs `customers.read`."""
        return cast('t.Score', self._transport.call('GET', '/api/scores/{customer_id}', {'customer_id': customer_id}, {}, {}, None, 'json'))

    def list_score_sets(self, *, sort: Literal['published_at', '-published_at', 'as_of', '-as_of'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedScoreSet:
        """Published score sets; the newest one is current. Needs `dashboard.read`."""
        return cast('t.ListedScoreSet', self._transport.call('GET', '/api/score-sets', {}, {'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def show_score_set(self, score_set_id: str | int) -> t.ScoreSet:
        """One score set. Needs `dashboard.read`."""
        return cast('t.ScoreSet', self._transport.call('GET', '/api/score-sets/{score_set_id}', {'score_set_id': score_set_id}, {}, {}, None, 'json'))

    def list_customers(self, *, starts_with: str | None = None, score_set_id: str | None = None, sort: Literal['customer_id', '-customer_id', 'p_churn', '-p_churn', 'clv_mean', '-clv_mean', 'expected_loss', '-expected_loss', 'p_alive', '-p_alive'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedCustomerInBrief:
        """Customers who have a score. Needs `customers.read`."""
        return cast('t.ListedCustomerInBrief', self._transport.call('GET', '/api/customers', {}, {'starts_with': starts_with, 'score_set_id': score_set_id, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))


class Customers:
    """Operations of `customers`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def show(self, customer_id: str | int) -> t.Customer:
        """One customer. Needs `customers.read`."""
        return cast('t.Customer', self._transport.call('GET', '/api/customers/{customer_id}', {'customer_id': customer_id}, {}, {}, None, 'json'))

    def lineage(self, customer_id: str | int) -> t.Lineage:
        """Which batches, snapshots, datasets and versions fed the current score of a customer. Needs `customers.read`."""
        return cast('t.Lineage', self._transport.call('GET', '/api/lineage/customers/{customer_id}', {'customer_id': customer_id}, {}, {}, None, 'json'))

    def predictions(self, customer_id: str | int, *, days: int | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedPrediction:
        """Recorded online predictions of a customer, newest first; only a sample is recorded. Needs `customers.read`."""
        return cast('t.ListedPrediction', self._transport.call('GET', '/api/predictions/{customer_id}', {'customer_id': customer_id}, {'days': days, 'limit': limit, 'offset': offset}, {}, None, 'json'))


class Datasets:
    """Operations of `datasets`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, kind: Literal['features', 'labels', 'scores'] | None = None, sort: Literal['created_at', '-created_at'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedDataset:
        """Datasets of a kind, newest first. Needs `features.read`."""
        return cast('t.ListedDataset', self._transport.call('GET', '/api/datasets', {}, {'kind': kind, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def show(self, kind: str | int, dataset_id: str | int) -> t.DatasetInFull:
        """One dataset. Needs `features.read`."""
        return cast('t.DatasetInFull', self._transport.call('GET', '/api/datasets/{kind}/{dataset_id}', {'kind': kind, 'dataset_id': dataset_id}, {}, {}, None, 'json'))

    def list_feature_sets(self, *, limit: int | None = None, offset: int | None = None) -> t.ListedFeatureSet:
        """Every version of every feature set that something was built with, last built first. Needs `features.read`."""
        return cast('t.ListedFeatureSet', self._transport.call('GET', '/api/feature-sets', {}, {'limit': limit, 'offset': offset}, {}, None, 'json'))

    def show_feature_set(self, version: str | int) -> t.FeatureSetInFull:
        """One version of a feature set. Needs `features.read`."""
        return cast('t.FeatureSetInFull', self._transport.call('GET', '/api/feature-sets/{version}', {'version': version}, {}, {}, None, 'json'))


class Sources:
    """Operations of `sources`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, entity: Literal['transactions', 'events', 'customers'] | None = None, kind: Literal['file', 'sql'] | None = None, sort: Literal['name', '-name', 'updated_at', '-updated_at', 'created_at', '-created_at'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedSource:
        """Registered sources. Needs `sources.read`."""
        return cast('t.ListedSource', self._transport.call('GET', '/api/sources', {}, {'entity': entity, 'kind': kind, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def create(self, body: t.NewSource, *, idempotency_key: str | None = None) -> t.Source:
        """Register a source. Nothing is read yet; preview it first. Needs `sources.write`."""
        return cast('t.Source', self._transport.call('POST', '/api/sources', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def preview(self, body: t.NewSource) -> t.Preview:
        """Columns and mapping of a source before it is registered. Changes nothing. Needs `sources.write`."""
        return cast('t.Preview', self._transport.call('POST', '/api/sources/preview', {}, {}, {}, body, 'json'))

    def show(self, name: str | int) -> t.Source:
        """One source. Needs `sources.read`."""
        return cast('t.Source', self._transport.call('GET', '/api/sources/{name}', {'name': name}, {}, {}, None, 'json'))

    def replace(self, name: str | int, body: t.SourceDefinition, *, if_match: str | None = None) -> t.Source:
        """Another definition for a source. Needs `sources.write`."""
        return cast('t.Source', self._transport.call('PUT', '/api/sources/{name}', {'name': name}, {}, {'If-Match': if_match}, body, 'json'))

    def delete(self, name: str | int, *, if_match: str | None = None) -> None:
        """Forget a source. Rows that it brought stay in the lake. Needs `sources.write`."""
        self._transport.call('DELETE', '/api/sources/{name}', {'name': name}, {}, {'If-Match': if_match}, None, 'nothing')

    def test(self, name: str | int) -> t.Connectivity:
        """Whether the source can be opened now; if not, why. Needs `sources.write`."""
        return cast('t.Connectivity', self._transport.call('POST', '/api/sources/{name}/test', {'name': name}, {}, {}, None, 'json'))

    def columns(self, name: str | int) -> builtins.list[t.SourceColumn]:
        """The columns of a source: types, keys, personal facts, a few values. Needs `sources.read`."""
        return cast('builtins.list[t.SourceColumn]', self._transport.call('GET', '/api/sources/{name}/columns', {'name': name}, {}, {}, None, 'json'))

    def mapping(self, name: str | int) -> t.Preview:
        """What the next ingest of a source would read as what. Needs `sources.read`."""
        return cast('t.Preview', self._transport.call('GET', '/api/sources/{name}/mapping', {'name': name}, {}, {}, None, 'json'))

    def drift(self, name: str | int) -> t.Drift:
        """Recorded changes of the columns. Needs `sources.read`."""
        return cast('t.Drift', self._transport.call('GET', '/api/sources/{name}/drift', {'name': name}, {}, {}, None, 'json'))

    def list_batches(self, *, source: str | None = None, entity: Literal['transactions', 'events', 'customers'] | None = None, status: Literal['running', 'succeeded', 'failed'] | None = None, sort: Literal['started_at', '-started_at', 'rows_in', '-rows_in'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedBatch:
        """Ingest batches, newest first; `source` and `limit=1` give the last ingest of a source. Needs `sources.read`."""
        return cast('t.ListedBatch', self._transport.call('GET', '/api/batches', {}, {'source': source, 'entity': entity, 'status': status, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def show_batch(self, batch_id: str | int) -> t.Batch:
        """One ingest batch. Needs `sources.read`."""
        return cast('t.Batch', self._transport.call('GET', '/api/batches/{batch_id}', {'batch_id': batch_id}, {}, {}, None, 'json'))


class Runs:
    """Operations of `runs`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, stage: str | None = None, status: Literal['running', 'succeeded', 'failed', 'cancelled'] | None = None, sort: Literal['started_at', '-started_at'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedRun:
        """What ran, latest start first. Needs `jobs.read`."""
        return cast('t.ListedRun', self._transport.call('GET', '/api/runs', {}, {'stage': stage, 'status': status, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def show(self, run_id: str | int) -> t.Run:
        """One run. Needs `jobs.read`."""
        return cast('t.Run', self._transport.call('GET', '/api/runs/{run_id}', {'run_id': run_id}, {}, {}, None, 'json'))

    def cancel(self, run_id: str | int, body: t.Cancellation) -> t.Run:
        """Ask a run to stop; its next report is refused, which ends it. Needs `jobs.run`."""
        return cast('t.Run', self._transport.call('POST', '/api/runs/{run_id}/cancel', {'run_id': run_id}, {}, {}, body, 'json'))


class Jobs:
    """Operations of `jobs`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, kind: str | None = None, status: Literal['queued', 'running', 'succeeded', 'failed', 'cancelled'] | None = None, created_by: str | None = None, sort: Literal['created_at', '-created_at'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedJob:
        """Jobs, newest first. Needs `jobs.read`."""
        return cast('t.ListedJob', self._transport.call('GET', '/api/jobs', {}, {'kind': kind, 'status': status, 'created_by': created_by, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def kinds(self) -> t.Kinds:
        """What can be submitted, with which parameters. Needs `jobs.read`."""
        return cast('t.Kinds', self._transport.call('GET', '/api/jobs/kinds', {}, {}, {}, None, 'json'))

    def show(self, job_id: str | int) -> t.JobInFull:
        """One job, after a look at its driver: one that died is marked failed with the reason. Needs `jobs.read`."""
        return cast('t.JobInFull', self._transport.call('GET', '/api/jobs/{job_id}', {'job_id': job_id}, {}, {}, None, 'json'))

    def log(self, job_id: str | int, *, offset: int | None = None, attempt: int | None = None) -> t.LogPiece:
        """A piece of the log of a job, from a byte on. /api/events/jobs tells when there may be more. Needs `jobs.read`."""
        return cast('t.LogPiece', self._transport.call('GET', '/api/jobs/{job_id}/log', {'job_id': job_id}, {'offset': offset, 'attempt': attempt}, {}, None, 'json'))

    def cancel(self, job_id: str | int, body: t.JobCancellation) -> t.Job:
        """Stop a job. Its driver may report no more from this moment on. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/{job_id}/cancel', {'job_id': job_id}, {}, {}, body, 'json'))

    def retry(self, job_id: str | int) -> t.Job:
        """Another attempt of a job that failed or was cancelled. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/{job_id}/retry', {'job_id': job_id}, {}, {}, None, 'json'))

    def ingest(self, body: t.IngestParams, *, idempotency_key: str | None = None) -> t.Job:
        """Read registered sources again: what is new comes in, what is there stays once. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/ingest', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def quality(self, body: t.QualityParams, *, idempotency_key: str | None = None) -> t.Job:
        """Judge the data in the lake. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/quality', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def build(self, body: t.BuildParams, *, idempotency_key: str | None = None) -> t.Job:
        """Build features and labels. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/build', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def build_cutoffs(self, body: t.CutoffsParams, *, idempotency_key: str | None = None) -> t.Job:
        """Build the cut-offs that a training of this horizon reads. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/build-cutoffs', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def train_churn(self, body: t.TrainParams, *, idempotency_key: str | None = None) -> t.Job:
        """Train, judge and register a model. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/train-churn', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def train_clv(self, body: t.TrainParams, *, idempotency_key: str | None = None) -> t.Job:
        """Train, judge and register a model. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/train-clv', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def tune_churn(self, body: t.TuneChurnParams, *, idempotency_key: str | None = None) -> t.Job:
        """Search churn models and hyper-parameters, then train, judge and register the best. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/tune-churn', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def tune_clv(self, body: t.TuneParams, *, idempotency_key: str | None = None) -> t.Job:
        """Search models and hyper-parameters, then train, judge and register the best. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/tune-clv', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def backtest_clv(self, body: t.BacktestParams, *, idempotency_key: str | None = None) -> t.Job:
        """Judge CLV candidates at rolling origins. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/backtest-clv', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def evaluate(self, body: t.EvaluateParams, *, idempotency_key: str | None = None) -> t.Job:
        """Judge registered versions on labelled rows that are new to all of them. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/evaluate', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def compare(self, body: t.CompareParams, *, idempotency_key: str | None = None) -> t.Job:
        """Refuse a candidate that the declared rule does not find good enough beside the champion. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/compare', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def shadow(self, body: t.ShadowParams, *, idempotency_key: str | None = None) -> t.Job:
        """Let a version answer beside the champion, unseen. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `models.write`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/shadow', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def judge(self, body: t.JudgeParams, *, idempotency_key: str | None = None) -> t.Job:
        """Judge every canary and shadow that has a rule, and do what the rule says. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `models.write`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/judge', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def score(self, body: t.ScoreParams, *, idempotency_key: str | None = None) -> t.Job:
        """Score every customer. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/score', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def publish(self, body: t.PublishParams, *, idempotency_key: str | None = None) -> t.Job:
        """Make a score set the current one: the `scores` table, and its features in the online store. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/publish', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def publish_features(self, body: t.FeaturesParams, *, idempotency_key: str | None = None) -> t.Job:
        """Put the features of one cut-off into the online store. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/publish-features', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def export(self, body: t.ExportParams, *, idempotency_key: str | None = None) -> t.Job:
        """Write a score set as one file below `exports/` in the lake. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/export', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def monitor(self, body: t.MonitorParams, *, idempotency_key: str | None = None) -> t.Job:
        """Measure data and models, and bring the alerts in line with what was found. The same `Idempotency-Key` and body give the same job; another body is a conflict. Needs `jobs.run`."""
        return cast('t.Job', self._transport.call('POST', '/api/jobs/monitor', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))


class Pipelines:
    """Operations of `pipelines`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> t.Pipelines:
        """Every pipeline: those that ship with Axiom, and those below AXIOM_HOME/pipelines. Needs `pipelines.read`."""
        return cast('t.Pipelines', self._transport.call('GET', '/api/pipelines', {}, {}, {}, None, 'json'))

    def show(self, pipeline: str | int) -> t.Pipeline:
        """One pipeline. Needs `pipelines.read`."""
        return cast('t.Pipeline', self._transport.call('GET', '/api/pipelines/{pipeline}', {'pipeline': pipeline}, {}, {}, None, 'json'))

    def latency(self, pipeline: str | int, *, runs: int | None = None) -> t.Latencies:
        """How long the steps took in the latest runs. Needs `pipelines.read`."""
        return cast('t.Latencies', self._transport.call('GET', '/api/pipelines/{pipeline}/latency', {'pipeline': pipeline}, {'runs': runs}, {}, None, 'json'))

    def start(self, pipeline: str | int, body: t.NewRun) -> t.PipelineRun:
        """Run a pipeline for a logical time, or find the one run that there is for it. Sending it again is harmless. Needs `pipelines.run`."""
        return cast('t.PipelineRun', self._transport.call('POST', '/api/pipelines/{pipeline}/runs', {'pipeline': pipeline}, {}, {}, body, 'json'))

    def backfill(self, pipeline: str | int, body: t.BackFill) -> t.BackFilled:
        """Have a run for every logical time of a range. What was done stays done. Needs `pipelines.run`."""
        return cast('t.BackFilled', self._transport.call('POST', '/api/pipelines/{pipeline}/backfill', {'pipeline': pipeline}, {}, {}, body, 'json'))

    def list_runs(self, *, pipeline: str | None = None, status: Literal['running', 'succeeded', 'blocked', 'failed', 'cancelled'] | None = None, sort: Literal['logical_time', '-logical_time', 'created_at', '-created_at'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedPipelineRun:
        """Runs, latest logical time first. Needs `pipelines.read`."""
        return cast('t.ListedPipelineRun', self._transport.call('GET', '/api/pipeline-runs', {}, {'pipeline': pipeline, 'status': status, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def show_run(self, run_id: str | int) -> t.PipelineRunInFull:
        """One run with its steps and attempts. Needs `pipelines.read`."""
        return cast('t.PipelineRunInFull', self._transport.call('GET', '/api/pipeline-runs/{run_id}', {'run_id': run_id}, {}, {}, None, 'json'))

    def resume(self, run_id: str | int, body: t.Resumption) -> t.PipelineRun:
        """Go on with a run that failed, was blocked, cancelled or left: only what is missing is done. Needs `pipelines.run`."""
        return cast('t.PipelineRun', self._transport.call('POST', '/api/pipeline-runs/{run_id}/resume', {'run_id': run_id}, {}, {}, body, 'json'))

    def cancel(self, run_id: str | int, body: t.RunCancellation) -> t.PipelineRun:
        """Have a run and its jobs cancelled. What it had finished stays. Needs `pipelines.run`."""
        return cast('t.PipelineRun', self._transport.call('POST', '/api/pipeline-runs/{run_id}/cancel', {'run_id': run_id}, {}, {}, body, 'json'))


class Experiments:
    """Operations of `experiments`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, status: Literal['draft', 'running', 'stopped'] | None = None, metric: Literal['conversion', 'revenue'] | None = None, sort: Literal['name', '-name', 'created_at', '-created_at', 'started_at', '-started_at', 'updated_at', '-updated_at'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedExperiment:
        """Experiments, newest first. Needs `experiments.read`."""
        return cast('t.ListedExperiment', self._transport.call('GET', '/api/experiments', {}, {'status': status, 'metric': metric, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def create(self, body: t.NewExperiment, *, idempotency_key: str | None = None) -> t.Experiment:
        """Make a draft. Needs `experiments.write`."""
        return cast('t.Experiment', self._transport.call('POST', '/api/experiments', {}, {}, {'Idempotency-Key': idempotency_key}, body, 'json'))

    def show(self, name: str | int) -> t.ExperimentInDetail:
        """One experiment, with what was observed of each variant. Needs `experiments.read`."""
        return cast('t.ExperimentInDetail', self._transport.call('GET', '/api/experiments/{name}', {'name': name}, {}, {}, None, 'json'))

    def change(self, name: str | int, body: t.ExperimentChange, *, if_match: str | None = None) -> t.Experiment:
        """Change a draft. Needs `experiments.write`."""
        return cast('t.Experiment', self._transport.call('PATCH', '/api/experiments/{name}', {'name': name}, {}, {'If-Match': if_match}, body, 'json'))

    def delete(self, name: str | int, *, if_match: str | None = None) -> None:
        """Forget a draft. Needs `experiments.write`."""
        self._transport.call('DELETE', '/api/experiments/{name}', {'name': name}, {}, {'If-Match': if_match}, None, 'nothing')

    def start(self, name: str | int, *, if_match: str | None = None) -> t.Experiment:
        """Let a draft run. From now on it cannot be changed, so that who sees what stays the same. Needs `experiments.write`."""
        return cast('t.Experiment', self._transport.call('POST', '/api/experiments/{name}/start', {'name': name}, {}, {'If-Match': if_match}, None, 'json'))

    def stop(self, name: str | int, body: t.Stopping, *, if_match: str | None = None) -> t.Experiment:
        """End an experiment, for good. It takes no more observations. Needs `experiments.write`."""
        return cast('t.Experiment', self._transport.call('POST', '/api/experiments/{name}/stop', {'name': name}, {}, {'If-Match': if_match}, body, 'json'))

    def observe(self, name: str | int, body: t.NewObservations) -> t.Appended:
        """Append exposures and outcomes of a running experiment. A batch may be sent again: it adds nothing twice. Needs `experiments.write`."""
        return cast('t.Appended', self._transport.call('POST', '/api/experiments/{name}/observations', {'name': name}, {}, {}, body, 'json'))

    def assignment(self, name: str | int, customer_id: str | int) -> t.Assignment:
        """Which variant a customer sees. Nothing is stored; report an exposure when it was shown. Needs `experiments.read`."""
        return cast('t.Assignment', self._transport.call('GET', '/api/experiments/{name}/assignment/{customer_id}', {'name': name, 'customer_id': customer_id}, {}, {}, None, 'json'))


class Online:
    """Operations of `online`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def status(self) -> t.OnlineStatus:
        """What the online store holds. Needs `features.read`."""
        return cast('t.OnlineStatus', self._transport.call('GET', '/api/online', {}, {}, {}, None, 'json'))

    def sync(self) -> t.OnlineReport:
        """Fill the store with the features of the newest score set; what is there already is not written again. Needs `cache`."""
        return cast('t.OnlineReport', self._transport.call('POST', '/api/online/sync', {}, {}, {}, None, 'json'))

    def clear(self) -> t.Cleared:
        """Remove everything from the store. Needs `cache`."""
        return cast('t.Cleared', self._transport.call('POST', '/api/online/clear', {}, {}, {}, None, 'json'))

    def verify(self) -> t.Verified:
        """Compare every vector of the store with the features it was made from. Needs `cache`."""
        return cast('t.Verified', self._transport.call('POST', '/api/online/verify', {}, {}, {}, None, 'json'))

    def cache_sync(self) -> t.OnlineReport:
        """As POST /api/online/sync. Needs `cache`."""
        return cast('t.OnlineReport', self._transport.call('POST', '/cache/sync', {}, {}, {}, None, 'json'))

    def cache_clear(self) -> t.Cleared:
        """As POST /api/online/clear. Needs `cache`."""
        return cast('t.Cleared', self._transport.call('POST', '/cache/clear', {}, {}, {}, None, 'json'))


class Dashboard:
    """Operations of `dashboard`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def summary(self) -> t.Summary:
        """The state of things in one answer. Needs `dashboard.read`."""
        return cast('t.Summary', self._transport.call('GET', '/api/dashboard/summary', {}, {}, {}, None, 'json'))

    def timeline(self, *, metric: Literal['churn_rate', 'customers', 'clv_total', 'clv_mean', 'clv_median', 'expected_loss'] | None = None, points: int | None = None) -> t.TimeLine:
        """A metric over the newest score sets, oldest first. The newest set of each cut-off counts. Needs `dashboard.read`."""
        return cast('t.TimeLine', self._transport.call('GET', '/api/dashboard/timeline', {}, {'metric': metric, 'points': points}, {}, None, 'json'))

    def distribution(self, *, measure: Literal['p_churn', 'clv_mean', 'expected_loss', 'p_alive'] | None = None, bins: int | None = None) -> t.Distribution:
        """How a score is spread over the customers of the newest score set. Needs `dashboard.read`."""
        return cast('t.Distribution', self._transport.call('GET', '/api/dashboard/distribution', {}, {'measure': measure, 'bins': bins}, {}, None, 'json'))


class Monitoring:
    """Operations of `monitoring`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def summary(self) -> t.MonitoringSummary:
        """The three pillars: data quality, model health, business impact. Needs `monitoring.read`."""
        return cast('t.MonitoringSummary', self._transport.call('GET', '/api/monitoring/summary', {}, {}, {}, None, 'json'))

    def measures(self, *, pillar: Literal['data_quality', 'model_health', 'business_impact'] | None = None, state: Literal['ok', 'breached', 'unknown', 'off'] | None = None, measure: str | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedMeasurement:
        """What the newest run measured, by pillar, measure and subject. Needs `monitoring.read`."""
        return cast('t.ListedMeasurement', self._transport.call('GET', '/api/monitoring/measures', {}, {'pillar': pillar, 'state': state, 'measure': measure, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def timeline(self, measure: str | int, *, subject: str | None = None, points: int | None = None) -> t.MeasureTimeLine:
        """The newest values of one measure, oldest first. Needs `monitoring.read`."""
        return cast('t.MeasureTimeLine', self._transport.call('GET', '/api/monitoring/measures/{measure}/timeline', {'measure': measure}, {'subject': subject, 'points': points}, {}, None, 'json'))

    def thresholds(self) -> t.Thresholds:
        """The threshold of every measure. Needs `monitoring.read`."""
        return cast('t.Thresholds', self._transport.call('GET', '/api/monitoring/thresholds', {}, {}, {}, None, 'json'))

    def threshold(self, measure: str | int) -> t.Threshold:
        """The threshold of one measure. Needs `monitoring.read`."""
        return cast('t.Threshold', self._transport.call('GET', '/api/monitoring/thresholds/{measure}', {'measure': measure}, {}, {}, None, 'json'))

    def change(self, measure: str | int, body: t.ThresholdChange, *, if_match: str | None = None) -> t.Threshold:
        """Change the threshold of a measure; it counts from the next run of the monitor on. Needs `monitoring.write`."""
        return cast('t.Threshold', self._transport.call('PUT', '/api/monitoring/thresholds/{measure}', {'measure': measure}, {}, {'If-Match': if_match}, body, 'json'))

    def reset(self, measure: str | int, *, if_match: str | None = None) -> t.Threshold:
        """Go back to the default threshold of a measure; gives that. Needs `monitoring.write`."""
        return cast('t.Threshold', self._transport.call('DELETE', '/api/monitoring/thresholds/{measure}', {'measure': measure}, {}, {'If-Match': if_match}, None, 'json'))

    def alerts(self, *, state: Literal['open', 'resolved'] | None = None, pillar: Literal['data_quality', 'model_health', 'business_impact'] | None = None, severity: Literal['info', 'warning', 'critical'] | None = None, measure: str | None = None, subject: str | None = None, sort: Literal['opened_at', '-opened_at', 'last_seen', '-last_seen'] | None = None, limit: int | None = None, offset: int | None = None) -> t.ListedAlert:
        """Alerts, newest first; those that were resolved are kept. Needs `monitoring.read`."""
        return cast('t.ListedAlert', self._transport.call('GET', '/api/monitoring/alerts', {}, {'state': state, 'pillar': pillar, 'severity': severity, 'measure': measure, 'subject': subject, 'sort': sort, 'limit': limit, 'offset': offset}, {}, None, 'json'))

    def show_alert(self, alert_id: str | int) -> t.AlertInFull:
        """One alert: evidence, what to do, and what happened to it. Needs `monitoring.read`."""
        return cast('t.AlertInFull', self._transport.call('GET', '/api/monitoring/alerts/{alert_id}', {'alert_id': alert_id}, {}, {}, None, 'json'))

    def mute(self, alert_id: str | int, body: t.Mute, *, if_match: str | None = None) -> t.Alert:
        """Bother nobody with an open alert before a time; it stays open. Needs `monitoring.write`."""
        return cast('t.Alert', self._transport.call('POST', '/api/monitoring/alerts/{alert_id}/mute', {'alert_id': alert_id}, {}, {'If-Match': if_match}, body, 'json'))

    def unmute(self, alert_id: str | int, *, if_match: str | None = None) -> t.Alert:
        """Let a muted alert count again. Needs `monitoring.write`."""
        return cast('t.Alert', self._transport.call('POST', '/api/monitoring/alerts/{alert_id}/unmute', {'alert_id': alert_id}, {}, {'If-Match': if_match}, None, 'json'))

    def resolve(self, alert_id: str | int, body: t.Resolution, *, if_match: str | None = None) -> t.Alert:
        """End an alert by hand; a breach at a later time opens a new one. Needs `monitoring.write`."""
        return cast('t.Alert', self._transport.call('POST', '/api/monitoring/alerts/{alert_id}/resolve', {'alert_id': alert_id}, {}, {'If-Match': if_match}, body, 'json'))


class Health:
    """Operations of `health`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def live(self) -> t.Alive:
        """Whether the process answers."""
        return cast('t.Alive', self._transport.call('GET', '/api/health/live', {}, {}, {}, None, 'json'))

    def ready(self) -> t.Health:
        """Whether requests can be served; 503 where not."""
        return cast('t.Health', self._transport.call('GET', '/api/health/ready', {}, {}, {}, None, 'json'))

    def health(self) -> t.Health:
        """Every component: database, lake, keys, log-ins, predictions, limits."""
        return cast('t.Health', self._transport.call('GET', '/api/health', {}, {}, {}, None, 'json'))


class Passed:
    """Operations of `passed`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def explain(self, customer_id: str | int) -> dict[str, Any]:
        """Why a customer's probability of churn is what it is: exact contributions, reasons, actions."""
        return cast('dict[str, Any]', self._transport.call('GET', '/api/explain/{customer_id}', {'customer_id': customer_id}, {}, {}, None, 'json'))

    def older_explain(self, customer_id: str | int) -> dict[str, Any]:
        """As GET /api/explain/{customer_id}."""
        return cast('dict[str, Any]', self._transport.call('GET', '/explain/{customer_id}', {'customer_id': customer_id}, {}, {}, None, 'json'))

    def batch(self, body: t.UserIds) -> dict[str, Any]:
        """As POST /api/predict/churn with `customer_ids`."""
        return cast('dict[str, Any]', self._transport.call('POST', '/predict/batch', {}, {}, {}, body, 'json'))

    def one(self, user_id: str | int) -> dict[str, Any]:
        """Both predictions of a customer in one object."""
        return cast('dict[str, Any]', self._transport.call('GET', '/predict/{user_id}', {'user_id': user_id}, {}, {}, None, 'json'))

    def health(self) -> dict[str, Any]:
        """The health of a replica of `predict`; that of the platform is at /api/health."""
        return cast('dict[str, Any]', self._transport.call('GET', '/health', {}, {}, {}, None, 'json'))


class Predict:
    """Operations of `predict`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def churn(self, *, customer_id: str | None = None) -> t.ChurnPrediction:
        """Probability of churn of one customer."""
        return cast('t.ChurnPrediction', self._transport.call('GET', '/api/predict/churn', {}, {'customer_id': customer_id}, {}, None, 'json'))

    def churn_post(self, body: t.PredictRequest) -> t.ChurnPrediction | dict[str, Any]:
        """Probability of churn of one customer, of several, or of posted features or history."""
        return cast('t.ChurnPrediction | dict[str, Any]', self._transport.call('POST', '/api/predict/churn', {}, {}, {}, body, 'json'))

    def clv(self, *, customer_id: str | None = None) -> t.ClvPrediction:
        """Lifetime value with its interval of one customer."""
        return cast('t.ClvPrediction', self._transport.call('GET', '/api/predict/clv', {}, {'customer_id': customer_id}, {}, None, 'json'))

    def clv_post(self, body: t.PredictRequest) -> t.ClvPrediction | dict[str, Any]:
        """Lifetime value with its interval of one customer, of several, or of posted features or history."""
        return cast('t.ClvPrediction | dict[str, Any]', self._transport.call('POST', '/api/predict/clv', {}, {}, {}, body, 'json'))

    def explain(self, customer_id: str | int) -> t.Explanation:
        """Why a customer's probability of churn is what it is: exact contributions, reasons, actions."""
        return cast('t.Explanation', self._transport.call('GET', '/api/predict/explain/{customer_id}', {'customer_id': customer_id}, {}, {}, None, 'json'))

    def history(self, customer_id: str | int, *, days: int | None = None, limit: int | None = None) -> dict[str, Any]:
        """Recorded predictions of a customer, newest first; only a sample is recorded."""
        return cast('dict[str, Any]', self._transport.call('GET', '/api/predict/history/{customer_id}', {'customer_id': customer_id}, {'days': days, 'limit': limit}, {}, None, 'json'))

    def health(self) -> dict[str, Any]:
        """Every component; 503 where the replica cannot answer."""
        return cast('dict[str, Any]', self._transport.call('GET', '/api/predict/health', {}, {}, {}, None, 'json'))

    def metrics(self) -> str:
        """Metrics of this replica in Prometheus text."""
        return cast('str', self._transport.call('GET', '/api/predict/metrics', {}, {}, {}, None, 'text'))

    def openapi(self) -> dict[str, Any]:
        """This document."""
        return cast('dict[str, Any]', self._transport.call('GET', '/api/predict/openapi.json', {}, {}, {}, None, 'json'))

    def docs(self) -> str:
        """This document as a page."""
        return cast('str', self._transport.call('GET', '/api/predict/docs', {}, {}, {}, None, 'text'))


class Operations:
    """Every group of operations, by name."""

    def __init__(self, transport: Transport) -> None:
        self.auth = Auth(transport)
        self.users = Users(transport)
        self.keys = Keys(transport)
        self.audit = Audit(transport)
        self.models = Models(transport)
        self.rollouts = Rollouts(transport)
        self.scores = Scores(transport)
        self.customers = Customers(transport)
        self.datasets = Datasets(transport)
        self.sources = Sources(transport)
        self.runs = Runs(transport)
        self.jobs = Jobs(transport)
        self.pipelines = Pipelines(transport)
        self.experiments = Experiments(transport)
        self.online = Online(transport)
        self.dashboard = Dashboard(transport)
        self.monitoring = Monitoring(transport)
        self.health = Health(transport)
        self.passed = Passed(transport)
        self.predict = Predict(transport)
