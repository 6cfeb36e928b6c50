"""Stage: score the whole base into an immutable dataset and the `scores` table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from axiom.engine import open_engine
from axiom.errors import BadInputError, NotFoundError
from axiom.lake import Dataset
from axiom.pipelines.build import BuildRequest, build
from axiom.pipelines.gate import pass_gate
from axiom.pipelines.online import try_to_publish
from axiom.pipelines.tracking import tracked
from axiom.pipelines.train import feature_set_in
from axiom.scoring.batch import ScorePlan, score_bucket
from axiom.scoring.loading import model_files
from axiom.telemetry import progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from axiom.features.definitions import FeatureSet
    from axiom.lake import Manifest
    from axiom.pipelines.online import OnlineReport
    from axiom.pipelines.workspace import Workspace
    from axiom.scoring.loading import ModelFiles

BATCH_ROWS = 100_000


@dataclass(frozen=True)
class ScoreReport:
    """What a scoring run made.

    Attributes:
        score_set: id of the dataset of scores.
        as_of: what the scores speak about.
        rows: customers scored.
        models: `churn` and `clv` -> `name@version` or None.
        features: id of the features dataset they were made from.
        path: folder of the Parquet files, below the lake's root.
        already: whether this very score set was there before.
        totals: sums and means over the base, for a first look.
        warnings: of the quality gate, and why the online store was not filled.
        online: what the online store holds now; None where it was not asked for, or could not be reached.
    """

    score_set: str
    as_of: datetime
    rows: int
    models: dict[str, str | None]
    features: str
    path: str
    already: bool
    totals: dict[str, float | None]
    warnings: tuple[str, ...] = ()
    online: OnlineReport | None = None


def score(
    ws: Workspace,
    *,
    as_of: datetime | None = None,
    churn: str | None = "churn",
    clv: str | None = "clv",
    which: str = "auto",
    gate: bool = True,
    publish: bool = True,
    online: bool | None = None,
) -> ScoreReport:
    """Score every customer at one cut-off. Running it again adds nothing; a killed run goes on where it stopped.

    Args:
        ws: the workspace.
        as_of: the cut-off; default: the last day of the data.
        churn: name of the churn model, or None to leave it out.
        clv: name of the CLV model, or None to leave it out.
        which: version of both: a number, a stage, `latest`, or `auto`: the champion, else the latest.
        gate: whether the data have to pass the quality gate first.
        publish: whether the `scores` table of the database is replaced as well.
        online: whether the features go to the online store; None: as `publish`. A store that cannot be reached is a
            warning, for the scores are committed by then.

    Raises:
        NotFoundError: neither model is registered, or the version does not exist.
        BadInputError: the models were trained on different features, or nobody is a customer at the cut-off.
        QualityError: the data do not pass the quality gate.
    """
    models = {kind: _model(ws, name, which) for kind, name in (("churn", churn), ("clv", clv)) if name}
    if not any(models.values()):
        raise NotFoundError("no model is registered", hint="run `axiom train churn` and `axiom train clv` first")
    warnings = pass_gate(ws, as_of) if gate else ()
    built = build(ws, BuildRequest(as_of=as_of, labels=False, definitions=_definitions(models)))
    plan = ScorePlan(ws.lake, built.features_id, built.as_ofs[-1], models.get("churn"), models.get("clv"))
    existing = plan.writer.committed()
    manifest = existing or _run(ws, plan)
    if publish:
        publish_set(ws, plan, manifest)
    wanted = publish if online is None else online
    held, problems = try_to_publish(ws, plan.features_id, plan.as_of) if wanted else (None, ())
    return ScoreReport(
        score_set=plan.id,
        as_of=plan.as_of,
        rows=manifest.rows,
        models=plan.models,
        features=plan.features_id,
        path=plan.writer.folder,
        already=existing is not None,
        totals=_totals(ws, manifest),
        warnings=(*warnings, *problems),
        online=held,
    )


def plan_of(ws: Workspace, manifest: Manifest) -> ScorePlan:
    """The plan that a committed score set was made by."""
    facts = manifest.properties
    models: dict[str, ModelFiles | None] = {}
    for kind, reference in facts["models"].items():
        name, _, version = (reference or "").rpartition("@")
        models[kind] = model_files(ws.registry, name, version) if reference else None
    as_of = datetime.fromisoformat(facts["as_of"])
    return ScorePlan(ws.lake, facts["features"], as_of, models["churn"], models["clv"])


def _model(ws: Workspace, name: str, which: str) -> ModelFiles | None:
    if which != "auto":
        return model_files(ws.registry, name, which)
    for version in ("champion", "latest"):
        try:
            return model_files(ws.registry, name, version)
        except NotFoundError:
            continue
    return None


def _definitions(models: Mapping[str, ModelFiles | None]) -> FeatureSet | None:
    """The features that the models were trained on; None leaves the choice to the build.

    Raises:
        BadInputError: both models read features, of different versions.
    """
    found = {
        kind: feature_set_in(model.files) for kind, model in models.items() if model and _reads_features(kind, model)
    }
    versions = {kind: definitions.version for kind, definitions in found.items() if definitions}
    if len(set(versions.values())) > 1:
        told = ", ".join(f"{models[kind].version} reads {version}" for kind, version in versions.items())  # type: ignore[union-attr]
        raise BadInputError(
            f"the models were trained on different feature sets: {told}",
            hint="train both on the same features, or score them one at a time: --churn '' or --clv ''",
        )
    return next((definitions for definitions in found.values() if definitions), None)


def _reads_features(kind: str, model: ModelFiles) -> bool:
    """Whether it looks at more than the RFM summary, which every feature set holds."""
    from axiom.training.clv.model import ClvModel

    return kind == "churn" or bool(ClvModel.from_files(model.files).features)


def _run(ws: Workspace, plan: ScorePlan) -> Manifest:
    buckets = range(ws.lake.buckets)
    params: dict[str, Any] = {"as_of": plan.as_of.isoformat(), "models": plan.models, "features": plan.features_id}
    with (
        tracked(ws.db, "score", plan.id, params, total=len(buckets)) as attempt,
        open_engine(ws.settings) as engine,
        progress("score", total=len(buckets)) as bar,
    ):

        def on_done() -> None:
            attempt.advance()
            bar.advance()

        parts = engine.map_buckets(partial(score_bucket, plan), buckets, on_done=on_done)
        if not any(part.rows for part in parts):
            raise BadInputError(f"nobody is a customer as of {plan.as_of:%Y-%m-%d}", hint="use a later --as-of")
        manifest = plan.writer.commit(parts)
        attempt.result.update(score_set=plan.id, rows=manifest.rows)
    return manifest


def publish_set(ws: Workspace, plan: ScorePlan, manifest: Manifest) -> None:
    """Replace the `scores` table in one transaction; publishing what is published already changes nothing."""
    with ws.db.transaction() as tx:
        tx.scores.replace_scores(
            plan.id,
            _batches(Dataset(ws.lake.storage, manifest)),
            as_of=plan.as_of,
            dataset_path=plan.writer.folder,
            models=plan.models,
        )


def _batches(scores: Dataset) -> Iterator[pa.Table]:
    for file in scores.manifest.files:
        if file.rows:
            yield scores.read(bucket=file.bucket)


def _totals(ws: Workspace, manifest: Manifest) -> dict[str, float | None]:
    import pyarrow.compute as pc

    columns = ["p_churn", "p_alive", "expected_purchases", "clv_mean", "expected_loss"]
    table = Dataset(ws.lake.storage, manifest).read(columns)
    means = {f"mean_{name}": pc.mean(table[name]).as_py() for name in columns}
    return {**means, **{f"total_{name}": pc.sum(table[name]).as_py() for name in ("clv_mean", "expected_loss")}}
