"""Registered models in MLflow: one run a version, with parameters, metrics and artefacts. An optional extra."""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axiom.errors import UnavailableError
from axiom.settings import mask_url
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from axiom.registry.cards import Metric, ModelCard
    from axiom.registry.registry import ModelVersion
    from axiom.settings import Settings

_AT_ONCE = 500  # metrics in one call; MLflow takes a thousand
_LONGEST = 500  # characters of a parameter that every MLflow store takes
_log = get_logger(__name__)


@dataclass(frozen=True)
class MlflowRecorder:
    """Logs every registered version to an MLflow tracking store.

    Attributes:
        uri: of the tracking store.
        artefacts: folder for artefacts where the store is a bare database, which has no place of its own for them.
    """

    uri: str
    artefacts: Path

    def check(self) -> None:
        """Refuse to begin a training whose model could not be logged.

        Raises:
            UnavailableError: the extra is not installed.
        """
        if find_spec("mlflow") is None:
            raise UnavailableError(
                "AXIOM_MLFLOW_TRACKING_URI is set, but MLflow is not installed",
                hint="pip install 'axiom[mlflow]', or unset AXIOM_MLFLOW_TRACKING_URI",
            )

    def record(self, version: ModelVersion, files: Mapping[str, bytes]) -> None:
        """Log a version as one finished run. A store that does not answer is told as a warning, nothing more."""
        try:
            self.check()
            run_id = self._log_run(version, files)
        except Exception as error:  # noqa: BLE001  (the model is registered: what fails here must not say otherwise)
            _log.warning("mlflow_not_logged", model=version.ref, store=mask_url(self.uri), error=mask_url(str(error)))
        else:
            _log.info("mlflow_logged", model=version.ref, store=mask_url(self.uri), run=run_id)

    def _log_run(self, version: ModelVersion, files: Mapping[str, bytes]) -> str:
        entities = import_module("mlflow.entities")
        client = self._client()
        tags = {
            "mlflow.runName": version.ref,
            "mlflow.note.content": version.card.notes,
            "axiom.model": version.ref,
            "axiom.kind": version.kind,
            "axiom.artefact_sha256": version.artefact_sha256,
        }
        run = client.create_run(self._experiment(client, version.name), tags=tags)
        run_id = str(run.info.run_id)
        now = int(time.time() * 1000)
        params = [entities.Param(name, text[:_LONGEST]) for name, text in params_of(version.card).items()]
        client.log_batch(run_id, params=params)
        metrics = [entities.Metric(name, value, now, 0) for name, value in metrics_of(version.card).items()]
        for start in range(0, len(metrics), _AT_ONCE):
            client.log_batch(run_id, metrics=metrics[start : start + _AT_ONCE])
        with tempfile.TemporaryDirectory() as folder:
            _write(Path(folder), {"card.json": version.card.to_json().encode(), **_below("model", files)})
            client.log_artifacts(run_id, folder)
        client.set_terminated(run_id)
        return run_id

    def _client(self) -> Any:
        tracking = import_module("mlflow.tracking")
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table it creates
        return tracking.MlflowClient(tracking_uri=self.uri)

    def _experiment(self, client: Any, name: str) -> str:
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        own_place = self.uri.partition(":")[0].partition("+")[0] not in _DATABASES
        location = None if own_place else (self.artefacts / name).as_uri()
        return str(client.create_experiment(name, artifact_location=location))


_DATABASES = frozenset({"sqlite", "postgresql", "mysql", "mssql"})


def recorder_of(settings: Settings) -> MlflowRecorder | None:
    """The recorder that the settings name; None where no tracking store is set."""
    uri = settings.mlflow_tracking_uri
    return None if uri is None else MlflowRecorder(uri, settings.home / "mlflow")


def params_of(card: ModelCard) -> dict[str, str]:
    """What a run was asked for and made from: everything on the card that is no measured value."""
    window = card.training_window
    return {
        "kind": card.kind,
        "model_type": card.model_type,
        "feature_set": card.feature_set.name,
        "feature_set_version": card.feature_set.version,
        "horizon_days": str(window.horizon_days),
        "train_as_ofs": _days(window.train_as_ofs),
        "calibration_as_ofs": _days(window.calibration_as_ofs),
        "holdout_as_ofs": _days(window.holdout_as_ofs),
        "calibration_method": str(card.calibration.get("method", "")),
        "data_hash": card.data_hash,
        "code_version": card.code_version,
        "python": card.environment.python,
        **{f"package.{name}": version for name, version in card.environment.packages.items()},
        **{f"rows.{part.replace(' ', '_')}": str(rows) for part, rows in card.rows.items()},
    }


def metrics_of(card: ModelCard) -> dict[str, float]:
    """The card's metrics with their limits, `auc`, `auc.low`, `auc.high`, and those of the baselines as `baseline.…`.

    What is undefined is left out.
    """
    found = dict(_numbers(card.metrics))
    for baseline, metrics in card.baselines.items():
        found |= {f"baseline.{baseline}.{name}": value for name, value in _numbers(metrics)}
    return found


def _numbers(metrics: Mapping[str, Metric]) -> Iterator[tuple[str, float]]:
    for name, metric in metrics.items():
        for part, value in (("", metric.value), (".low", metric.low), (".high", metric.high)):
            if value is not None:
                yield f"{name}{part}", value


def _days(times: Sequence[datetime]) -> str:
    return ", ".join(f"{time:%Y-%m-%d}" for time in times)


def _below(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
