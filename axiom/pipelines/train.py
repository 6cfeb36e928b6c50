"""Stages: train a churn model, train a CLV model, backtest CLV models."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from axiom import __version__
from axiom.engine import open_engine
from axiom.features.definitions import FeatureSet
from axiom.pipelines.build import HORIZONS, BuildRequest, build, data_range, midnight
from axiom.pipelines.gate import pass_gate
from axiom.pipelines.purchases import all_purchase_days
from axiom.pipelines.tracking import tracked
from axiom.registry.cards import ModelCard
from axiom.telemetry import progress
from axiom.training.clv.options import ClvOptions
from axiom.training.options import ChurnOptions
from axiom.training.splits import plan_cutoffs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from axiom.engine import Engine
    from axiom.lake import Dataset
    from axiom.pipelines.build import BuildReport
    from axiom.pipelines.tracking import Attempt
    from axiom.pipelines.workspace import Workspace
    from axiom.registry.registry import ModelVersion
    from axiom.telemetry import Progress
    from axiom.training.churn_report import ChurnResult
    from axiom.training.clv import ClvBacktest, ClvResult, Origin, Snapshot
    from axiom.training.definition import ChurnDefinition

Running: TypeAlias = "tuple[Attempt, Engine, Callable[[int], None], Callable[[], None]]"
FEATURES_FILE = "feature_set.json"
TRAINED_ON_FILE = "trained_on.json"


@dataclass(frozen=True)
class TrainRequest:
    """What any training is asked for.

    Attributes:
        horizon: days ahead.
        name: name the model is registered under; None: `churn` or `clv`.
        as_of: the latest labelled cut-off, the holdout; None: the latest whose label window is over.
        every: days between cut-offs.
        back: how many earlier cut-offs; None: as many as the time slices need.
        feature_set: YAML file of the features.
        gate: whether the data have to pass the quality gate first.
        actor: who asks, for the audit trail of the registry.
    """

    horizon: int = 90
    name: str | None = None
    as_of: datetime | None = None
    every: int = 30
    back: int | None = None
    feature_set: Path | None = None
    gate: bool = True
    actor: str = "axiom"


@dataclass(frozen=True, eq=False)
class Trained:
    """A registered model and where its report lies.

    Attributes:
        version: the registered version.
        result: everything the training found out.
        report_path: folder of the report below the lake's root.
        warnings: what a person should know, in full sentences.
    """

    version: ModelVersion
    result: Any
    report_path: str
    warnings: tuple[str, ...] = field(default=())


def train_churn(
    ws: Workspace,
    request: TrainRequest,
    *,
    options: ChurnOptions | None = None,
    definition: ChurnDefinition | None = None,
) -> Trained:
    """Train, calibrate, judge and register a churn model; builds the features and labels it needs.

    Raises:
        BadInputError: the data are too short for the horizon, or nobody is at risk, or a single class is there.
    """
    from axiom.training.churn import train_churn as fit
    from axiom.training.plots import plot_report
    from axiom.training.report import to_json, to_markdown
    from axiom.training.tables import load_churn_rows

    options = options or ChurnOptions(seed=ws.settings.seed)
    built, notes = build_for(ws, request)
    features, labels = ws.lake.dataset("features", built.features_id), ws.lake.dataset("labels", built.labels_id)
    rows = load_churn_rows(features, labels, request.horizon, definition)
    with _running(ws, "train churn", request, built) as (attempt, engine, on_plan, on_done):
        result: ChurnResult = fit(
            rows.table,
            timedelta(days=request.horizon),
            options,
            engine=engine,
            feature_set=built.version,
            on_plan=on_plan,
            on_done=on_done,
        )
        files = {**result.files, **_feature_set_file(features), **_trained_on_file(rows.definition, built)}
        version = _register(ws, request, request.name or "churn", result.card, built, files)
        attempt.result["model"] = version.ref
    warnings = (*notes, *rows.notes, *(f"{count:,} rows left out: {why}" for why, count in rows.left_out.items()))
    texts = {"report.json": to_json(result.report).encode(), "report.md": to_markdown(result.report).encode()}
    folder = write_report(ws, f"train/{version.ref}", texts, plot_report(result))
    return Trained(version, result, folder, (*warnings, *result.report.warnings))


@dataclass(frozen=True, eq=False)
class Judged:
    """A churn comparison on a table without times; nothing is registered. The report lies below the lake's root."""

    result: ChurnResult
    report_path: str


def judge_table(
    ws: Workspace, path: Path, target: str, *, positive: str | None = None, options: ChurnOptions | None = None
) -> Judged:
    """Compare churn models on a file of labelled rows that have no times.

    It registers nothing: a model that was never judged on a later time must not score customers.

    Raises:
        NotFoundError: no such file.
        BadInputError: the file cannot be read, or the target has not two values.
        MisuseError: no such column.
    """
    from axiom.training.plots import plot_report
    from axiom.training.report import to_json, to_markdown
    from axiom.training.static import read_static, train_static

    table, notes = read_static(path, target, positive=positive)
    params = {"table": path.name, "target": target}
    with _working(ws, "train churn", f"{path.name}-{target}", params) as (_attempt, engine, on_plan, on_done):
        result = train_static(
            table,
            options or ChurnOptions(seed=ws.settings.seed),
            engine=engine,
            notes=notes,
            on_plan=on_plan,
            on_done=on_done,
        )
    texts = {"report.json": to_json(result.report).encode(), "report.md": to_markdown(result.report).encode()}
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    return Judged(result, write_report(ws, f"train/{path.stem}-{stamp}", texts, plot_report(result)))


def train_clv(ws: Workspace, request: TrainRequest, *, options: ClvOptions | None = None) -> Trained:
    """Backtest the CLV candidates, keep the champion, fit it to the customers of today and register it.

    Raises:
        BadInputError: nobody buys twice, or the data are too short for the horizon.
    """
    from axiom.training.clv import train_clv as fit
    from axiom.training.clv.markdown import training_markdown
    from axiom.training.clv.plots import training_plots

    options = options or ClvOptions(seed=ws.settings.seed)
    built, notes = build_for(ws, request)
    columns = columns_read(options.candidates)
    origins = clv_origins(ws, built, request.horizon, columns)
    today = build(ws, replace(_build_request(request, built), as_of=None, back=0, labels=False))
    current = clv_snapshot(ws, today, columns)
    with _running(ws, "train clv", request, built) as (attempt, engine, on_plan, on_done):
        result: ClvResult = fit(
            origins,
            current,
            timedelta(days=request.horizon),
            options,
            engine=engine,
            purchases=all_purchase_days(ws.lake, engine),
            on_plan=on_plan,
            on_done=on_done,
        )
        definitions = _feature_set_file(ws.lake.dataset("features", built.features_id))
        files = {**result.files, **definitions, **_trained_on_file(None, built, today)}
        version = _register(ws, request, request.name or "clv", result.card, built, files)
        attempt.result["model"] = version.ref
    texts = {"report.json": _json(result.report), "report.md": training_markdown(result.report).encode()}
    folder = write_report(ws, f"train/{version.ref}", texts, training_plots(result.report))
    return Trained(version, result, folder, (*notes, *result.warnings))


@dataclass(frozen=True, eq=False)
class Backtested:
    """A backtest and where its report lies, below the lake's root."""

    backtest: ClvBacktest
    report_path: str
    warnings: tuple[str, ...]


def backtest_clv(ws: Workspace, request: TrainRequest, *, options: ClvOptions | None = None) -> Backtested:
    """Judge the CLV candidates at rolling origins; registers nothing."""
    from axiom.training.clv import backtest_clv as run
    from axiom.training.clv.markdown import backtest_markdown
    from axiom.training.clv.plots import backtest_plots
    from axiom.training.clv.report import backtest_report

    options = options or ClvOptions(seed=ws.settings.seed)
    built, notes = build_for(ws, request)
    origins = clv_origins(ws, built, request.horizon, columns_read(options.candidates))
    with _running(ws, "backtest clv", request, built) as (attempt, engine, on_plan, on_done):
        backtest = run(
            origins, timedelta(days=request.horizon), options=options, engine=engine, on_plan=on_plan, on_done=on_done
        )
        attempt.result["champion"] = backtest.champion
    report = backtest_report(backtest)
    texts = {"report.json": _json(report), "report.md": backtest_markdown(report).encode()}
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    folder = write_report(ws, f"backtest/clv-{request.horizon}d-{stamp}", texts, backtest_plots(report))
    return Backtested(backtest, folder, (*notes, *backtest.warnings))


def build_for(
    ws: Workspace, request: TrainRequest, *, also: tuple[int, ...] = ()
) -> tuple[BuildReport, tuple[str, ...]]:
    """Build the cut-offs that a training with this horizon needs; gives what a person should know of them.

    Args:
        ws: the workspace.
        request: horizon, cut-offs, features.
        also: further horizons that are labelled.

    Raises:
        QualityError: the data do not pass the quality gate.
        BadInputError: the data are too short for the horizon.
    """
    ws.registry.check_recorder()
    notes = pass_gate(ws) if request.gate else ()
    snapshots = {entity: found for entity, found in ws.lake.snapshots().items() if found.rows}
    start, end = data_range(snapshots)
    horizon = timedelta(days=request.horizon)
    plan = plan_cutoffs(
        start,
        end,
        horizon,
        every=timedelta(days=request.every),
        back=request.back,
        as_of=request.as_of or midnight(end - horizon),
    )
    wanted = BuildRequest(
        as_of=plan.cutoffs[-1],
        every=request.every,
        back=len(plan.cutoffs) - 1,
        horizons=tuple(sorted({*HORIZONS, request.horizon, *also})),
        feature_set=request.feature_set,
    )
    return build(ws, wanted), (*notes, *plan.warnings)


def columns_read(candidates: Sequence[str]) -> list[str] | None:
    """Feature columns that CLV candidates read: the RFM summary, or None for all where one of them learns from more."""
    from axiom.training.clv.probabilistic import PURCHASE_MODELS
    from axiom.training.clv.rows import RFM_COLUMNS

    return ["customer_id", "as_of", *RFM_COLUMNS] if set(candidates) <= set(PURCHASE_MODELS) else None


def clv_origins(ws: Workspace, built: BuildReport, horizon: int, columns: list[str] | None = None) -> list[Origin]:
    """The labelled origins of a build, with all features or only some columns."""
    from axiom.training.clv import origins_from_tables

    features = ws.lake.dataset("features", built.features_id).read(columns)
    labels = ws.lake.dataset("labels", built.labels_id)
    targets = labels.read(["customer_id", "as_of", f"purchases_{horizon}d", f"spend_{horizon}d"])
    return origins_from_tables(features, targets, timedelta(days=horizon))


def clv_snapshot(ws: Workspace, built: BuildReport, columns: list[str] | None = None) -> Snapshot:
    """The customers of the latest cut-off of a build, with all features or only some columns."""
    from axiom.training.clv import snapshots_from_table

    return snapshots_from_table(ws.lake.dataset("features", built.features_id).read(columns))[-1]


def feature_set_in(files: Mapping[str, bytes]) -> FeatureSet | None:
    """The feature set that a registered model was trained on; None where its artefact does not say."""
    stored = files.get(FEATURES_FILE)
    return None if stored is None else FeatureSet.from_dict(json.loads(stored))


@dataclass(frozen=True)
class TrainedOn:
    """Where a registered model comes from; its artefact says so itself.

    Attributes:
        features: ids of the features datasets.
        labels: ids of the labels datasets.
        definition: what churn means in it; None for a CLV model.
    """

    features: tuple[str, ...]
    labels: tuple[str, ...]
    definition: ChurnDefinition | None = None


def trained_on_in(files: Mapping[str, bytes]) -> TrainedOn | None:
    """What a registered model was trained on; None where its artefact does not say."""
    from axiom.training.definition import ChurnDefinition

    stored = files.get(TRAINED_ON_FILE)
    if stored is None:
        return None
    body = json.loads(stored)
    definition = ChurnDefinition(**body["definition"]) if body["definition"] else None
    return TrainedOn(tuple(body["features"]), tuple(body["labels"]), definition)


def write_report(ws: Workspace, name: str, texts: Mapping[str, bytes], plots: Mapping[str, bytes] | None = None) -> str:
    """Write the files of a report, plots as PNG; gives their folder below the lake's root."""
    folder = f"reports/{name}"
    for file, content in {**texts, **{f"{plot}.png": png for plot, png in (plots or {}).items()}}.items():
        ws.lake.storage.write(f"{folder}/{file}", content)
    return folder


def _build_request(request: TrainRequest, built: BuildReport) -> BuildRequest:
    return BuildRequest(as_of=built.as_ofs[-1], feature_set=request.feature_set)


def _feature_set_file(features: Dataset) -> dict[str, bytes]:
    return {FEATURES_FILE: _json(features.manifest.properties["definitions"])}


def _trained_on_file(definition: ChurnDefinition | None, *builds: BuildReport) -> dict[str, bytes]:
    features, labels = (one.features_id for one in builds), (one.labels_id for one in builds if one.labels_id)
    return {TRAINED_ON_FILE: _json(asdict(TrainedOn(tuple(features), tuple(labels), definition)))}


def _register(
    ws: Workspace,
    request: TrainRequest,
    name: str,
    card: Mapping[str, Any],
    built: BuildReport,
    files: Mapping[str, bytes],
) -> ModelVersion:
    facts = {
        **card,
        "name": name,
        "feature_set": {"name": built.feature_set, "version": built.version},
        "created_at": datetime.now(UTC).isoformat(),
        "code_version": __version__,
    }
    return ws.registry.register(ModelCard.from_json(json.dumps(facts)), files, actor=request.actor)


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str).encode()


@contextmanager
def _running(ws: Workspace, stage: str, request: TrainRequest, built: BuildReport) -> Iterator[Running]:
    key = f"{request.name or stage.rsplit(maxsplit=1)[-1]}-{request.horizon}d-{built.features_id}"
    with _working(ws, stage, key, {"horizon": request.horizon, "features": built.features_id}) as running:
        yield running


@contextmanager
def _working(ws: Workspace, stage: str, key: str, params: dict[str, Any]) -> Iterator[Running]:
    """A tracked run with an engine, and a progress bar whose length is told once the fits are counted."""
    with (
        tracked(ws.db, stage, key, params) as attempt,
        open_engine(ws.settings) as engine,
        ExitStack() as stack,
    ):
        bars: list[Progress] = []

        def on_plan(fits: int) -> None:
            attempt.total = fits
            bars.append(stack.enter_context(progress(stage, total=fits)))

        def on_done() -> None:
            attempt.advance()
            for bar in bars:
                bar.advance()

        yield attempt, engine, on_plan, on_done
