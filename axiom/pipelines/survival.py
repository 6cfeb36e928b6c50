"""Stage: Cox models, from the lake or from a static table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from axiom import __version__
from axiom.errors import MisuseError
from axiom.pipelines.tracking import tracked
from axiom.pipelines.train import FEATURES_FILE, TRAINED_ON_FILE, Trained, TrainedOn, build_for, write_report
from axiom.registry.cards import ModelCard
from axiom.telemetry import progress
from axiom.training.survival import SurvivalOptions
from axiom.training.survival import train_survival as fit_survival
from axiom.training.survival_plots import survival_plots
from axiom.training.survival_report import to_json, to_markdown
from axiom.training.survival_static import train_survival_static
from axiom.training.survival_table import load_survival_rows, read_survival_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from axiom.pipelines.build import BuildReport
    from axiom.pipelines.train import TrainRequest
    from axiom.pipelines.workspace import Workspace
    from axiom.training.definition import ChurnDefinition
    from axiom.training.survival_report import SurvivalResult


@dataclass(frozen=True)
class TableRequest:
    """A static table.

    Attributes:
        path: CSV or Parquet file.
        duration: its column of times.
        event: its column that says whether the event was seen.
        positive: value of `event` that means seen; None: guessed.
        drop: columns that are no covariates.
    """

    path: Path
    duration: str
    event: str
    positive: str | None = None
    drop: tuple[str, ...] = field(default=())


def train_survival(
    ws: Workspace,
    request: TrainRequest,
    *,
    options: SurvivalOptions | None = None,
    definition: ChurnDefinition | None = None,
) -> Trained:
    """Fit, judge and register a Cox model; builds the features and labels it needs. Its name: `survival`.

    Raises:
        BadInputError: the data are too short for the horizon, or too few events.
    """
    options = options or SurvivalOptions(seed=ws.settings.seed)
    built, notes = build_for(ws, request)
    features, labels = ws.lake.dataset("features", built.features_id), ws.lake.dataset("labels", built.labels_id)
    name = request.name or "survival"
    params = {"horizon": request.horizon, "features": built.features_id}
    with (
        tracked(ws.db, "train survival", f"{name}-{request.horizon}d-{built.features_id}", params) as attempt,
        progress("train survival", total=3) as bar,
    ):
        rows = load_survival_rows(features, labels, request.horizon, definition)
        bar.advance()
        result = fit_survival(rows, timedelta(days=request.horizon), options, feature_set=built.version)
        bar.advance()
        origin = TrainedOn((built.features_id,), (built.labels_id,), rows.churn.definition)
        files = {
            **result.model.to_files(),
            FEATURES_FILE: _json(features.manifest.properties["definitions"]),
            TRAINED_ON_FILE: _json(asdict(origin)),
        }
        version = ws.registry.register(_card(name, result, built), files)
        attempt.result["model"] = version.ref
        bar.advance()
    folder = write_report(ws, f"train/{version.ref}", _texts(result), survival_plots(result.report))
    warnings = (*_plan_notes(notes), *(f"{n:,} rows left out: {why}" for why, n in rows.churn.left_out.items()))
    return Trained(version, result, folder, (*warnings, *result.report.warnings))


def train_survival_table(
    request: TableRequest, out: Path, *, horizon: float | None = None, options: SurvivalOptions | None = None
) -> SurvivalResult:
    """Fit and judge a Cox model on a static table; writes the report, the pictures and the model's files into `out`.

    It is not registered: rows without times have no training window, and nothing to be scored from the lake.
    """
    table, notes = read_survival_table(
        request.path, request.duration, request.event, positive=request.positive, drop=request.drop
    )
    result = train_survival_static(table, horizon, options, notes=notes)
    model = {f"model/{name}": content for name, content in result.model.to_files().items()}
    write_files(out, {**_texts(result), **model}, survival_plots(result.report))
    return result


def write_files(out: Path, texts: Mapping[str, bytes], plots: Mapping[str, bytes]) -> None:
    """Write the files of a report into a local folder, plots as PNG.

    Raises:
        MisuseError: it cannot be written.
    """
    for name, content in {**texts, **{f"{plot}.png": png for plot, png in plots.items()}}.items():
        path = out / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise MisuseError(f"{path} cannot be written: {error.strerror}", hint="give another --out") from None


def _texts(result: SurvivalResult) -> dict[str, bytes]:
    return {"report.json": to_json(result.report).encode(), "report.md": to_markdown(result.report).encode()}


def _card(name: str, result: SurvivalResult, built: BuildReport) -> ModelCard:
    facts = {
        **result.card,
        "name": name,
        "feature_set": {"name": built.feature_set, "version": built.version},
        "created_at": datetime.now(UTC).isoformat(),
        "code_version": __version__,
    }
    return ModelCard.from_json(json.dumps(facts))


def _plan_notes(notes: tuple[str, ...]) -> tuple[str, ...]:
    """A Cox model is neither compared on folds nor calibrated: what leaves no room for those is no news."""
    return tuple(note for note in notes if "calibration slice" not in note and "fold inside" not in note)


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str).encode()
