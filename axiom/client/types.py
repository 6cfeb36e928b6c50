"""What goes over the wire, as plain JSON values; times are ISO 8601 text."""

# Generated from the OpenAPI document by `python -m axiom.serve.platform.client_text`; do not edit.

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

class Activity(TypedDict):
    """What the lake holds of a customer in one entity."""

    rows: int
    first_at: str | None
    last_at: str | None
    total_amount: float | None
    by_type: dict[str, int]

class Alert(TypedDict):
    """A measure beyond its limit."""

    alert_id: str
    measure: str
    subject: str
    pillar: Literal['data_quality', 'model_health', 'business_impact']
    state: Literal['open', 'resolved']
    severity: Literal['info', 'warning', 'critical']
    owner: str
    action: str
    value: float
    limit: float
    evidence: dict[str, Any]
    seen: int
    first_seen: str
    last_seen: str
    opened_at: str
    muted_until: str | None
    muted_by: str | None
    resolved_at: str | None
    resolved_by: str | None
    reason: str | None
    revision: int

class AlertInFull(TypedDict):
    """An alert with what happened to it."""

    alert_id: str
    measure: str
    subject: str
    pillar: Literal['data_quality', 'model_health', 'business_impact']
    state: Literal['open', 'resolved']
    severity: Literal['info', 'warning', 'critical']
    owner: str
    action: str
    value: float
    limit: float
    evidence: dict[str, Any]
    seen: int
    first_seen: str
    last_seen: str
    opened_at: str
    muted_until: str | None
    muted_by: str | None
    resolved_at: str | None
    resolved_by: str | None
    reason: str | None
    revision: int
    history: list[Happening]

class Alive(TypedDict):
    """The process answers."""

    status: NotRequired[Literal['ok']]

class Appended(TypedDict):
    """What became of a batch."""

    added: int
    already: int

class ArtefactFile(TypedDict):
    """One file of an artefact."""

    name: str
    size: int
    sha256: str

class ArtefactFiles(TypedDict):
    """The files of an artefact."""

    items: list[ArtefactFile]

class Assignment(TypedDict):
    """The variant that a customer sees, always the same."""

    experiment: str
    customer_id: str
    variant: str
    status: Literal['draft', 'running', 'stopped']

class Attempt(TypedDict):
    """An attempt that ended."""

    attempt: int
    status: Literal['queued', 'running', 'succeeded', 'failed', 'cancelled']
    error: str | None
    queued_at: str
    started_at: str | None
    finished_at: str

class AuditEntry(TypedDict):
    """One line of the trail."""

    id: int
    at: str
    actor: str
    action: str
    object: str
    detail: dict[str, Any]
    prev_hash: str
    hash: str

class AuditState(TypedDict):
    """The trail as it was verified."""

    entries: int
    head: str

class BackFill(TypedDict):
    """A range of logical times, both ends included."""

    first: str
    last: str
    every_hours: NotRequired[float | None]

class BackFilled(TypedDict):
    """The runs of a back-fill, earliest first."""

    items: list[PipelineRun]

class BacktestParams(TypedDict):
    """Judge CLV candidates at rolling origins."""

    horizon: NotRequired[int]
    until: NotRequired[str | None]
    every: NotRequired[int]
    back: NotRequired[int | None]
    models: NotRequired[list[str]]
    gate: NotRequired[bool]

class Batch(TypedDict):
    """One ingest. Once it succeeded, rows_in = accepted + duplicates + dropped + refused."""

    batch_id: str
    source: str
    entity: str
    rows_in: int
    accepted: int
    duplicates: int
    dropped: int
    refused: int
    status: Literal['running', 'succeeded', 'failed']
    started_at: str
    finished_at: str | None
    detail: dict[str, Any]

class Bin(TypedDict):
    """A bar of a histogram."""

    low: float
    high: float
    customers: int

class BuildParams(TypedDict):
    """Build features and labels."""

    as_of: NotRequired[str | None]
    every: NotRequired[int]
    back: NotRequired[int]
    horizons: NotRequired[list[int] | None]
    cancel: NotRequired[list[str]]
    labels: NotRequired[bool]
    audit: NotRequired[bool]

class Cancellation(TypedDict):
    """Why a run is to stop."""

    reason: str

class ChurnPrediction(TypedDict):
    """ChurnPrediction"""

    p_churn: float
    p_churn_raw: float
    interval: dict[str, Any] | None
    threshold: float
    contact: bool
    customer_id: str | None
    horizon_days: float
    model: str
    role: Literal['champion', 'canary']
    as_of: str
    cached: bool

class Cleared(TypedDict):
    """What was removed."""

    place: str
    customers: int

class ClvPrediction(TypedDict):
    """ClvPrediction"""

    clv: float | None
    interval: dict[str, Any] | None
    expected_purchases: float | None
    p_alive: float | None
    note: NotRequired[str]
    customer_id: str | None
    horizon_days: float
    model: str
    role: Literal['champion', 'canary']
    as_of: str
    cached: bool

class CompareParams(TypedDict):
    """Refuse a candidate that the declared rule does not find good enough beside the champion."""

    candidate: str
    against: NotRequired[str]
    rule: NotRequired[Literal['better', 'no_worse']]

class Component(TypedDict):
    """One thing that this service needs."""

    status: Literal['ok', 'degraded', 'unavailable']
    problem: NotRequired[str | None]

class Connectivity(TypedDict):
    """Whether a source can be read."""

    reachable: bool
    columns: int
    problem: str | None
    hint: str | None

class Counts(TypedDict):
    """What was observed of the customers who saw one variant and no other."""

    variant: str
    customers: int
    converted: int
    outcomes: int
    value: float

class Customer(TypedDict):
    """A customer: attributes as they were known last, activity, current score."""

    customer_id: str
    attributes: dict[str, Any]
    transactions: Activity
    events: Activity
    score: Score | None

class CustomerInBrief(TypedDict):
    """A customer in a list."""

    customer_id: str
    p_churn: float | None
    clv_mean: float | None
    expected_loss: float | None
    as_of: str

class CutoffsParams(TypedDict):
    """Build the cut-offs that a training of this horizon reads."""

    horizon: NotRequired[int]
    until: NotRequired[str | None]
    every: NotRequired[int]
    back: NotRequired[int | None]

class Dataset(TypedDict):
    """An immutable dataset."""

    kind: Literal['features', 'labels', 'scores']
    id: str
    rows: int
    size: int
    files: int
    columns: int
    created_at: str
    properties: dict[str, Any]

class DatasetInFull(TypedDict):
    """An immutable dataset with its columns and what it was made from."""

    kind: Literal['features', 'labels', 'scores']
    id: str
    rows: int
    size: int
    files: int
    columns: int
    created_at: str
    properties: dict[str, Any]
    inputs: list[str]
    columns_and_types: dict[str, str]
    code_version: str
    paths: list[str]

class Difference(TypedDict):
    """A number that is not the same online as offline."""

    customer_id: str
    feature: str
    offline: float | None
    online: float | None

class Distribution(TypedDict):
    """How a score is spread over the customers of the newest score set."""

    measure: str
    score_set_id: str
    as_of: str
    customers: int
    missing: int
    mean: float | None
    quantiles: dict[str, float]
    bins: list[Bin]

class Drift(TypedDict):
    """How the columns of a source changed, batch by batch, newest first; batches without a change are left out."""

    items: list[dict[str, Any]]

class Ended(TypedDict):
    """How many sessions ended."""

    ended: int

class EvaluateParams(TypedDict):
    """Judge registered versions on labelled rows that are new to all of them."""

    models: list[str]
    as_of: NotRequired[list[str]]

class Experiment(TypedDict):
    """An experiment."""

    name: str
    hypothesis: str
    metric: Literal['conversion', 'revenue']
    variants: list[Variant]
    status: Literal['draft', 'running', 'stopped']
    revision: int
    created_at: str
    created_by: str
    updated_at: str
    started_at: str | None
    stopped_at: str | None

class ExperimentChange(TypedDict):
    """What to change of a draft; what is left out stays."""

    hypothesis: NotRequired[str | None]
    metric: NotRequired[Literal['conversion', 'revenue'] | None]
    variants: NotRequired[list[Side] | None]

class ExperimentInDetail(TypedDict):
    """An experiment, and what was observed until now."""

    name: str
    hypothesis: str
    metric: Literal['conversion', 'revenue']
    variants: list[Variant]
    status: Literal['draft', 'running', 'stopped']
    revision: int
    created_at: str
    created_by: str
    updated_at: str
    started_at: str | None
    stopped_at: str | None
    counts: list[Counts]
    mixed: int

Explanation = dict[str, Any]

class ExportParams(TypedDict):
    """Write a score set as one file below `exports/` in the lake."""

    score_set: NotRequired[str | None]
    format: NotRequired[Literal['csv', 'parquet']]

class FeatureSet(TypedDict):
    """A version of a feature set: the hash of its definitions. Several live side by side."""

    name: str
    version: str
    datasets: int
    rows: int
    columns: int
    newest_dataset: str
    first_built_at: str
    last_built_at: str

class FeatureSetInFull(TypedDict):
    """A version of a feature set with its definitions, its columns and the audit of its newest dataset."""

    name: str
    version: str
    datasets: int
    rows: int
    columns: int
    newest_dataset: str
    first_built_at: str
    last_built_at: str
    definitions: dict[str, Any]
    columns_and_types: dict[str, str]
    audit: list[Any]

class FeaturesParams(TypedDict):
    """Put the features of one cut-off into the online store."""

    dataset: NotRequired[str | None]
    as_of: NotRequired[str | None]

class Files(TypedDict):
    """Files that together hold one table."""

    paths: list[str]
    format: NotRequired[Literal['auto', 'csv', 'parquet']]
    encoding: NotRequired[str]
    delimiter: NotRequired[str]
    header: NotRequired[bool | None]

class Happening(TypedDict):
    """A change of an alert."""

    at: str
    actor: str
    what: str
    reason: str

class Health(TypedDict):
    """The worst of the components that everything needs decides: the others only degrade."""

    status: Literal['ok', 'degraded', 'unavailable']
    components: dict[str, Component]

class IngestParams(TypedDict):
    """Read registered sources again: what is new comes in, what is there stays once."""

    source: NotRequired[str | None]
    full: NotRequired[bool]

class Job(TypedDict):
    """One job; its facts are those of the latest attempt."""

    job_id: str
    kind: str
    key: str
    params: dict[str, Any]
    status: Literal['queued', 'running', 'succeeded', 'failed', 'cancelled']
    attempt: int
    progress: float
    stage: str | None
    result: dict[str, Any] | None
    error: str | None
    error_type: str | None
    created_at: str
    created_by: str
    queued_at: str
    started_at: str | None
    heartbeat_at: str
    finished_at: str | None

class JobCancellation(TypedDict):
    """Why a job is to stop."""

    reason: str

class JobInFull(TypedDict):
    """A job with the attempts that ended."""

    job_id: str
    kind: str
    key: str
    params: dict[str, Any]
    status: Literal['queued', 'running', 'succeeded', 'failed', 'cancelled']
    attempt: int
    progress: float
    stage: str | None
    result: dict[str, Any] | None
    error: str | None
    error_type: str | None
    created_at: str
    created_by: str
    queued_at: str
    started_at: str | None
    heartbeat_at: str
    finished_at: str | None
    attempts: list[Attempt]

class JudgeParams(TypedDict):
    """Judge every canary and shadow that has a rule, and do what the rule says."""

    name: NotRequired[str | None]

class Key(TypedDict):
    """An API key. Its text is never shown again."""

    key_id: str
    name: str
    state: Literal['good', 'expired', 'revoked']
    scopes: list[str]
    rate: float | None
    burst: float | None
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    previous_until: str | None

class KeyWithText(TypedDict):
    """A key that was just made or rotated."""

    key_id: str
    name: str
    state: Literal['good', 'expired', 'revoked']
    scopes: list[str]
    rate: float | None
    burst: float | None
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    previous_until: str | None
    key: str | None

class Kind(TypedDict):
    """A kind of job."""

    name: str
    about: str
    parameters: dict[str, Any]

class Kinds(TypedDict):
    """Every kind of job."""

    items: list[Kind]

class Latencies(TypedDict):
    """Every step of a pipeline."""

    items: list[StepLatency]

class Lineage(TypedDict):
    """What was made from what."""

    root: str
    batches: list[str]
    nodes: list[dict[str, Any]]
    edges: list[dict[str, str]]

class ListedAlert(TypedDict):
    """ListedAlert"""

    items: list[Alert]
    total: int
    limit: int
    offset: int

class ListedAuditEntry(TypedDict):
    """ListedAuditEntry"""

    items: list[AuditEntry]
    total: int
    limit: int
    offset: int

class ListedBatch(TypedDict):
    """ListedBatch"""

    items: list[Batch]
    total: int
    limit: int
    offset: int

class ListedCustomerInBrief(TypedDict):
    """ListedCustomerInBrief"""

    items: list[CustomerInBrief]
    total: int
    limit: int
    offset: int

class ListedDataset(TypedDict):
    """ListedDataset"""

    items: list[Dataset]
    total: int
    limit: int
    offset: int

class ListedExperiment(TypedDict):
    """ListedExperiment"""

    items: list[Experiment]
    total: int
    limit: int
    offset: int

class ListedFeatureSet(TypedDict):
    """ListedFeatureSet"""

    items: list[FeatureSet]
    total: int
    limit: int
    offset: int

class ListedJob(TypedDict):
    """ListedJob"""

    items: list[Job]
    total: int
    limit: int
    offset: int

class ListedKey(TypedDict):
    """ListedKey"""

    items: list[Key]
    total: int
    limit: int
    offset: int

class ListedMeasurement(TypedDict):
    """ListedMeasurement"""

    items: list[Measurement]
    total: int
    limit: int
    offset: int

class ListedModelEvent(TypedDict):
    """ListedModelEvent"""

    items: list[ModelEvent]
    total: int
    limit: int
    offset: int

class ListedModelLine(TypedDict):
    """ListedModelLine"""

    items: list[ModelLine]
    total: int
    limit: int
    offset: int

class ListedPipelineRun(TypedDict):
    """ListedPipelineRun"""

    items: list[PipelineRun]
    total: int
    limit: int
    offset: int

class ListedPrediction(TypedDict):
    """ListedPrediction"""

    items: list[Prediction]
    total: int
    limit: int
    offset: int

class ListedRun(TypedDict):
    """ListedRun"""

    items: list[Run]
    total: int
    limit: int
    offset: int

class ListedScoreSet(TypedDict):
    """ListedScoreSet"""

    items: list[ScoreSet]
    total: int
    limit: int
    offset: int

class ListedScore(TypedDict):
    """ListedScore"""

    items: list[Score]
    total: int
    limit: int
    offset: int

class ListedSource(TypedDict):
    """ListedSource"""

    items: list[Source]
    total: int
    limit: int
    offset: int

class ListedUser(TypedDict):
    """ListedUser"""

    items: list[User]
    total: int
    limit: int
    offset: int

class ListedVersionInBrief(TypedDict):
    """ListedVersionInBrief"""

    items: list[VersionInBrief]
    total: int
    limit: int
    offset: int

class LogPiece(TypedDict):
    """A piece of a log."""

    text: str
    offset: int
    ended: bool

class Login(TypedDict):
    """Who wants to log in."""

    name: str
    password: str

class MappedColumn(TypedDict):
    """Where a silver column comes from."""

    target: str
    expression: str
    reason: str

class Me(TypedDict):
    """Who is asking, and what they may do."""

    actor: str
    kind: Literal['user', 'key', 'anonymous']
    role: str
    permissions: list[str]

class MeasureTimeLine(TypedDict):
    """The newest values of a measure, oldest first."""

    measure: str
    points: list[Measurement]

class Measurement(TypedDict):
    """A measured value."""

    measure: str
    subject: str
    pillar: Literal['data_quality', 'model_health', 'business_impact']
    state: Literal['ok', 'breached', 'unknown', 'off']
    value: float | None
    limit: float
    reason: str | None
    evidence: dict[str, Any]
    at: str
    measured_at: str

class ModelEvent(TypedDict):
    """Who moved a version, when and why."""

    id: int
    version: int
    at: str
    actor: str
    action: str
    from_stage: Literal['candidate', 'shadow', 'canary', 'champion', 'archived'] | None
    to_stage: Literal['candidate', 'shadow', 'canary', 'champion', 'archived']
    reason: str

class ModelLine(TypedDict):
    """A model name with its versions."""

    name: str
    kind: Literal['churn', 'clv']
    versions: int
    latest: int
    champion: int | None
    canary: int | None
    shadows: list[int]

class ModelVersion(TypedDict):
    """A version with everything that is needed to defend its numbers."""

    name: str
    version: int
    kind: Literal['churn', 'clv']
    stage: Literal['candidate', 'shadow', 'canary', 'champion', 'archived']
    artefact_sha256: str
    created_at: str
    metrics: dict[str, Any]
    calibration: dict[str, Any]
    card: dict[str, Any]

class MonitorParams(TypedDict):
    """Measure data and models, and bring the alerts in line with what was found."""

    as_of: NotRequired[str | None]
    churn: NotRequired[str | None]
    clv: NotRequired[str | None]

class MonitoringSummary(TypedDict):
    """The three pillars."""

    at: str | None
    measured_at: str | None
    pillars: list[PillarState]

class Mute(TypedDict):
    """Until when nobody is bothered, and why."""

    until: str
    reason: str

class NewExperiment(TypedDict):
    """A draft to be made. Its salt is drawn."""

    name: str
    hypothesis: str
    metric: Literal['conversion', 'revenue']
    variants: list[Side]

class NewKey(TypedDict):
    """A key to be made."""

    name: str
    scopes: NotRequired[list[str]]
    rate: NotRequired[float | None]
    burst: NotRequired[float | None]
    expires_at: NotRequired[str | None]

class NewObservations(TypedDict):
    """A batch. All of it is kept, or nothing."""

    observations: list[Observation]

class NewPassword(TypedDict):
    """Another password of one's own."""

    current: str
    new: str

class NewRun(TypedDict):
    """For which logical time."""

    logical_time: NotRequired[str | None]

class NewSource(TypedDict):
    """A source to be registered."""

    entity: Literal['transactions', 'events', 'customers']
    files: NotRequired[Files | None]
    sql: NotRequired[Sql | None]
    mapping: NotRequired[dict[str, str]]
    where: NotRequired[str]
    contract: NotRequired[Literal['evolve', 'freeze', 'discard_rows', 'discard_columns']]
    returns: NotRequired[Literal['net', 'drop', 'refuse']]
    duplicates: NotRequired[Literal['auto', 'keep', 'drop']]
    timezone: NotRequired[str]
    time_format: NotRequired[str]
    watermark: NotRequired[str]
    name: str

class NewTrial(TypedDict):
    """How a version is tried on live requests."""

    stage: Literal['canary', 'shadow']
    share: NotRequired[float]
    rule: NotRequired[str | None]
    reason: str

class NewUser(TypedDict):
    """A user to be made."""

    name: str
    role: Literal['analyst', 'data-engineer', 'ml-engineer', 'product-manager', 'administrator']
    password: str

class Observation(TypedDict):
    """One thing that was observed of one customer."""

    customer_id: str
    kind: Literal['exposure', 'outcome']
    at: str
    variant: NotRequired[str | None]
    value: NotRequired[float | None]

class OnlineReport(TypedDict):
    """What the store holds."""

    place: str
    generation: str
    features_id: str
    feature_set: str
    fingerprint: str
    as_of: str
    customers: int
    features: int
    published_at: str
    already: bool
    seconds: float

class OnlineStatus(TypedDict):
    """What the store holds, and whether that is what it should."""

    place: str
    held: OnlineReport | None
    newest_scores: str
    current: bool

class OthersEnded(TypedDict):
    """How many other sessions ended."""

    ended: int

class PillarState(TypedDict):
    """One pillar."""

    pillar: Literal['data_quality', 'model_health', 'business_impact']
    state: Literal['ok', 'breached', 'unknown']
    ok: int
    breached: int
    unknown: int
    off: int
    alerts: int
    muted: int

class Pipeline(TypedDict):
    """A pipeline as it is defined now."""

    name: str
    about: str
    schedule: dict[str, Any] | None
    steps: list[dict[str, Any]]

class PipelineRun(TypedDict):
    """One run of one pipeline for one logical time."""

    run_id: str
    pipeline: str
    logical_time: str
    cause: str
    status: Literal['running', 'succeeded', 'blocked', 'failed', 'cancelled']
    reason: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None

class PipelineRunInFull(TypedDict):
    """A run with its definition, steps and attempts."""

    run_id: str
    pipeline: str
    logical_time: str
    cause: str
    status: Literal['running', 'succeeded', 'blocked', 'failed', 'cancelled']
    reason: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    definition: dict[str, Any]
    steps: list[StepRun]
    attempts: list[StepAttempt]

class Pipelines(TypedDict):
    """Every pipeline."""

    items: list[Pipeline]

class Point(TypedDict):
    """A value at a time."""

    at: str
    value: float | None
    score_set_id: str

class PredictRequest(TypedDict):
    """Exactly one of customer_id, customer_ids, features and history."""

    customer_id: NotRequired[str]
    customer_ids: NotRequired[list[str]]
    features: NotRequired[dict[str, float | str | None]]
    history: NotRequired[dict[str, list[dict[str, Any]]]]
    as_of: NotRequired[str]

class Prediction(TypedDict):
    """A prediction that was recorded; only a sample is."""

    request_id: str | None
    at: str
    kind: Literal['churn', 'clv']
    source: str | None
    model: str | None
    role: str | None
    value: float | None
    raw: float | None
    p05: float | None
    p50: float | None
    p95: float | None
    as_of: str | None
    cached: bool | None
    latency_ms: float | None
    key_id: str | None

class Preview(TypedDict):
    """What an ingest would do."""

    source: str
    columns: list[SourceColumn]
    mapping: list[MappedColumn]
    notes: list[str]

class Problem(TypedDict):
    """RFC 9457. `hint` names the way out."""

    type: str
    title: str
    status: int
    detail: str
    hint: NotRequired[str]
    request_id: NotRequired[str]
    errors: NotRequired[list[dict[str, Any]]]

class PublishParams(TypedDict):
    """Make a score set the current one: the `scores` table, and its features in the online store."""

    score_set: NotRequired[str | None]
    online: NotRequired[bool]

class QualityParams(TypedDict):
    """Judge the data in the lake."""

    as_of: NotRequired[str | None]

class RefreshToken(TypedDict):
    """A refresh token, good for one use."""

    refresh_token: str

class Resolution(TypedDict):
    """Why an alert is over."""

    reason: str

class Resumption(TypedDict):
    """From where on a run is done again."""

    step: NotRequired[str | None]

class Revocation(TypedDict):
    """Why a key is revoked."""

    reason: str

class Role(TypedDict):
    """A role, and what it may do."""

    name: str
    permissions: list[str]

class Roles(TypedDict):
    """Every role, and what each permission means."""

    items: list[Role]
    permissions: dict[str, str]

class RollBack(TypedDict):
    """Why the champion before returns."""

    reason: str

class RollOut(TypedDict):
    """How a name is rolled out at this moment. The revision is its ETag."""

    name: str
    champion: int | None
    canary: int | None
    canary_share: float
    shadows: list[int]
    trials: list[Trial]
    revision: str

class Rotation(TypedDict):
    """How to rotate a key."""

    overlap_days: NotRequired[float]

class RuleChange(TypedDict):
    """Another rule, or null to let people decide."""

    rule: str | None
    reason: str

class Run(TypedDict):
    """One run of one stage; every attempt under the same key is the same run."""

    run_id: str
    stage: str
    key: str
    attempt: int
    params: dict[str, Any]
    status: Literal['running', 'succeeded', 'failed', 'cancelled']
    progress: float
    result: dict[str, Any] | None
    error: str | None
    started_at: str
    heartbeat_at: str
    finished_at: str | None

class RunCancellation(TypedDict):
    """Why a run is to stop."""

    reason: str

class Score(TypedDict):
    """The current score of a customer; a part that was not scored is null. Money is in the lake's currency."""

    customer_id: str
    as_of: str
    churn_model: str | None
    clv_model: str | None
    p_churn: float | None
    p_alive: float | None
    expected_purchases: float | None
    clv_mean: float | None
    clv_p05: float | None
    clv_p50: float | None
    clv_p95: float | None
    expected_loss: float | None
    scored_at: str
    score_set_id: str

class ScoreFigures(TypedDict):
    """A score set in numbers. Money is in the lake's currency."""

    score_set_id: str
    as_of: str
    customers: int
    churn_rate: float | None
    clv_total: float | None
    clv_mean: float | None
    clv_median: float | None
    expected_loss: float | None

class ScoreParams(TypedDict):
    """Score every customer."""

    as_of: NotRequired[str | None]
    churn: NotRequired[str | None]
    clv: NotRequired[str | None]
    version: NotRequired[str]
    gate: NotRequired[bool]
    publish: NotRequired[bool]

class ScoreSet(TypedDict):
    """A published batch of scores."""

    id: str
    as_of: str
    rows: int
    dataset_path: str
    models: dict[str, Any]
    published_at: str

class Session(TypedDict):
    """One log-in that lasts."""

    session_id: str
    client: str
    created_at: str
    expires_at: str

class Sessions(TypedDict):
    """The sessions of a user, newest first."""

    items: list[Session]

class ShadowParams(TypedDict):
    """Let a version answer beside the champion, unseen."""

    candidate: str
    rule: NotRequired[str]

class ShareChange(TypedDict):
    """Another share for the canary."""

    share: float
    reason: str

class Side(TypedDict):
    """A variant, and how many customers see it."""

    name: str
    weight: NotRequired[float]

class Source(TypedDict):
    """A registered source. Credentials are references, never what they stand for."""

    name: str
    kind: Literal['file', 'sql']
    entity: str
    config: dict[str, Any]
    policies: dict[str, Any]
    credential: str | None
    created_at: str
    updated_at: str

class SourceColumn(TypedDict):
    """A column of a source, as it looks."""

    name: str
    type: str
    nullable: bool
    key: bool
    pii: str
    sample: list[str]

class SourceDefinition(TypedDict):
    """Where to read, what the columns mean, what to do with odd rows. One of `files` and `sql`."""

    entity: Literal['transactions', 'events', 'customers']
    files: NotRequired[Files | None]
    sql: NotRequired[Sql | None]
    mapping: NotRequired[dict[str, str]]
    where: NotRequired[str]
    contract: NotRequired[Literal['evolve', 'freeze', 'discard_rows', 'discard_columns']]
    returns: NotRequired[Literal['net', 'drop', 'refuse']]
    duplicates: NotRequired[Literal['auto', 'keep', 'drop']]
    timezone: NotRequired[str]
    time_format: NotRequired[str]
    watermark: NotRequired[str]

class Sql(TypedDict):
    """A table or a query of a database."""

    url: str
    table: NotRequired[str]
    query: NotRequired[str]

class StageChange(TypedDict):
    """Where a version goes."""

    stage: Literal['candidate', 'shadow', 'canary', 'champion', 'archived']
    reason: str

class StepAttempt(TypedDict):
    """One attempt of a step: one job."""

    step: str
    attempt: int
    job_id: str
    status: str
    started_at: str
    finished_at: str | None
    error: str | None

class StepLatency(TypedDict):
    """How long a step takes, in seconds from first start to success."""

    step: str
    runs: int
    median: float
    longest: float

class StepRun(TypedDict):
    """Where a step stands."""

    step: str
    kind: str
    status: Literal['pending', 'running', 'succeeded', 'refused', 'failed', 'skipped', 'cancelled']
    attempt: int
    job_id: str | None
    not_before: str | None
    started_at: str | None
    finished_at: str | None
    result: dict[str, Any] | None
    reason: str | None

class Stop(TypedDict):
    """How a trial ends."""

    to: NotRequired[Literal['candidate', 'archived']]
    reason: str

class Stopping(TypedDict):
    """Why an experiment ends."""

    reason: str

class Summary(TypedDict):
    """The state of things."""

    currency: str
    scores: ScoreFigures | None
    before: ScoreFigures | None
    champions: dict[str, str]
    on_trial: list[str]
    sources: int
    batches: int
    last_ingest_at: str | None
    users: int
    runs_running: int
    runs_failed: int

class Threshold(TypedDict):
    """Where trouble begins."""

    measure: str
    pillar: Literal['data_quality', 'model_health', 'business_impact']
    title: str
    direction: Literal['above', 'below']
    limit: float
    severity: Literal['info', 'warning', 'critical']
    owner: str
    enabled: bool
    default: float
    revision: int
    updated_at: str | None
    updated_by: str | None

class ThresholdChange(TypedDict):
    """A threshold as it shall be."""

    limit: float
    severity: Literal['info', 'warning', 'critical']
    owner: str
    enabled: NotRequired[bool]

class Thresholds(TypedDict):
    """Every threshold."""

    items: list[Threshold]

class TimeLine(TypedDict):
    """A metric over score sets, oldest first."""

    metric: str
    points: list[Point]

class Tokens(TypedDict):
    """What a client gets for a password or a refresh token."""

    access_token: str
    refresh_token: str
    token_type: NotRequired[Literal['Bearer']]
    expires_in: float
    name: str
    role: str

class TrainParams(TypedDict):
    """Train, judge and register a model."""

    horizon: NotRequired[int]
    until: NotRequired[str | None]
    every: NotRequired[int]
    back: NotRequired[int | None]
    name: NotRequired[str | None]
    models: NotRequired[list[str]]
    gate: NotRequired[bool]

class Trial(TypedDict):
    """A canary or shadow under watch."""

    version: int
    stage: Literal['canary', 'shadow']
    since: str | None
    rule: str | None
    steps: list[list[Any]]

class TuneChurnParams(TypedDict):
    """Search churn models and hyper-parameters, then train, judge and register the best."""

    horizon: NotRequired[int]
    until: NotRequired[str | None]
    every: NotRequired[int]
    back: NotRequired[int | None]
    name: NotRequired[str | None]
    models: NotRequired[list[str]]
    gate: NotRequired[bool]
    trials: NotRequired[int]
    resume: NotRequired[bool]
    fold_horizon: NotRequired[int | None]

class TuneParams(TypedDict):
    """Search models and hyper-parameters, then train, judge and register the best."""

    horizon: NotRequired[int]
    until: NotRequired[str | None]
    every: NotRequired[int]
    back: NotRequired[int | None]
    name: NotRequired[str | None]
    models: NotRequired[list[str]]
    gate: NotRequired[bool]
    trials: NotRequired[int]
    resume: NotRequired[bool]

class User(TypedDict):
    """A user. The password is never shown."""

    user_id: str
    name: str
    role: str
    revision: int
    created_at: str
    updated_at: str
    disabled_at: str | None

class UserChange(TypedDict):
    """What to change; what is left out stays."""

    role: NotRequired[Literal['analyst', 'data-engineer', 'ml-engineer', 'product-manager', 'administrator'] | None]
    password: NotRequired[str | None]
    disabled: NotRequired[bool | None]

class UserIds(TypedDict):
    """Customers by their older name."""

    user_ids: list[str]

class Variant(TypedDict):
    """A side of an experiment."""

    name: str
    weight: float

class Verified(TypedDict):
    """Every customer of the features dataset against the store."""

    place: str
    generation: str
    features_id: str
    as_of: str
    equal: bool
    compared: int
    missing: int
    extra: int
    corrupt: int
    different: int
    max_difference: float | None
    examples: list[Difference]
    seconds: float

class VersionInBrief(TypedDict):
    """A version in a list."""

    name: str
    version: int
    kind: Literal['churn', 'clv']
    stage: Literal['candidate', 'shadow', 'canary', 'champion', 'archived']
    model_type: str
    metrics: dict[str, float | None]
    created_at: str
