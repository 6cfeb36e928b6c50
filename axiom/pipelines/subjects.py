"""Registered versions as subjects of an evaluation or an explanation, and labelled rows that are new to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from axiom.errors import BadInputError, MisuseError
from axiom.pipelines.build import HORIZONS, BuildRequest, build, data_range, midnight
from axiom.pipelines.train import feature_set_in, trained_on_in
from axiom.training.splits import day, in_days

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from axiom.features.definitions import FeatureSet
    from axiom.maths.arrays import FloatArray
    from axiom.pipelines.build import BuildReport
    from axiom.pipelines.workspace import Workspace
    from axiom.registry.registry import ModelVersion
    from axiom.training.churn_model import ChurnModel
    from axiom.training.definition import ChurnDefinition
    from axiom.training.survival_model import SurvivalModel
    from axiom.training.tables import ChurnRows

    AnyChurnModel: TypeAlias = ChurnModel | SurvivalModel


@dataclass(frozen=True, eq=False)
class Subject:
    """A registered version with its files.

    Attributes:
        version: from the registry.
        files: of its artefact, checked by checksum.
    """

    version: ModelVersion
    files: Mapping[str, bytes]

    @property
    def ref(self) -> str:
        """`name@version`."""
        return self.version.ref

    @property
    def horizon(self) -> int:
        """Days ahead that it speaks about."""
        return self.version.card.training_window.horizon_days

    @property
    def feature_set(self) -> FeatureSet | None:
        """What it reads; None where the artefact does not say."""
        return feature_set_in(self.files)

    def check_features(self, version: str) -> None:
        """Refuse features of another version than it was trained on.

        Raises:
            BadInputError: the versions differ.
        """
        trained_on = self.version.card.feature_set.version
        if version != trained_on:
            raise BadInputError(
                f"the features are of feature-set version {version!r}, {self.ref} was trained on {trained_on!r}",
                hint="its artefact does not hold its feature set: train the model again",
            )

    @property
    def learnt_until(self) -> datetime:
        """The end of everything it learnt from: customers up to here, outcomes included, are no news to it.

        A churn model learnt the outcomes in the label windows of its training and calibration cut-offs; a CLV model was
        fitted to the purchases up to its training cut-off.
        """
        window, horizon = self.version.card.training_window, timedelta(days=self.horizon)
        outcomes = [moment + horizon for moment in window.calibration_as_ofs]
        if self.version.kind == "churn":
            return max(outcomes + [moment + horizon for moment in window.train_as_ofs])
        return max([*outcomes, *window.train_as_ofs])


def load_subjects(ws: Workspace, models: Sequence[tuple[str, str]]) -> list[Subject]:
    """The named versions, with files that match their checksums.

    Raises:
        NotFoundError: no such version.
        CorruptError: an artefact does not match its checksum.
        MisuseError: nothing is named, a version twice, or versions that cannot be compared.
    """
    versions = [ws.registry.get(name, which) for name, which in models]
    refs = [version.ref for version in versions]
    if not refs:
        raise MisuseError("no model is named", hint="for example axiom evaluate churn@2 churn@1")
    twice = sorted({ref for ref in refs if refs.count(ref) > 1})
    if twice:
        raise MisuseError(f"{', '.join(twice)} is named twice")
    kinds = {version.ref: version.kind for version in versions}
    if len(set(kinds.values())) > 1:
        told = ", ".join(f"{ref} is a {kind} model" for ref, kind in kinds.items())
        raise MisuseError(f"models of two kinds cannot be compared: {told}", hint="evaluate them one kind at a time")
    subjects = [Subject(version, ws.registry.load_files(version)) for version in versions]
    horizons = {subject.ref: subject.horizon for subject in subjects}
    if len(set(horizons.values())) > 1:
        told = ", ".join(f"{ref} looks {horizon} days ahead" for ref, horizon in horizons.items())
        raise MisuseError(f"their labels differ: {told}", hint="compare versions of one horizon")
    return subjects


def latest_labelled(ws: Workspace, horizon: int) -> datetime:
    """The latest midnight whose label window is over."""
    return midnight(_data_end(ws) - timedelta(days=horizon))


def check_unseen(subjects: Sequence[Subject], as_ofs: Sequence[datetime]) -> None:
    """Refuse cut-offs whose outcomes a version has learnt from.

    Raises:
        BadInputError: one has; the message says which, and from when on rows are new to all of them.
    """
    for subject in subjects:
        for as_of in as_ofs:
            if as_of < subject.learnt_until:
                raise BadInputError(
                    f"{subject.ref} {_how(subject, as_of)}: a score on these rows would flatter it",
                    hint=_way_out(subjects),
                )


def check_labelled(ws: Workspace, horizon: int, as_ofs: Sequence[datetime]) -> None:
    """Refuse cut-offs whose outcomes are not known yet.

    Raises:
        BadInputError: the label window of one reaches past the data; the message says by how much.
    """
    end, window = _data_end(ws), timedelta(days=horizon)
    for as_of in as_ofs:
        if as_of + window > end:
            raise BadInputError(
                f"what happened after {day(as_of)} is not known yet: its label window of {in_days(window)} ends "
                f"{day(as_of + window)}, the data {end:%Y-%m-%d}",
                hint=f"use --as-of {day(latest_labelled(ws, horizon))} or earlier, or ingest later data",
            )


def _data_end(ws: Workspace) -> datetime:
    return data_range({entity: found for entity, found in ws.lake.snapshots().items() if found.rows})[1]


def _how(subject: Subject, as_of: datetime) -> str:
    window = subject.version.card.training_window
    if as_of in window.train_as_ofs and subject.version.kind == "churn":
        return f"was trained on the rows of {day(as_of)}"
    if as_of in window.calibration_as_ofs and subject.version.kind == "churn":
        return f"was calibrated on the rows of {day(as_of)}"
    if subject.version.kind == "churn":
        return (
            f"learnt from outcomes up to {day(subject.learnt_until)}, which reach into the label window of "
            f"{in_days(timedelta(days=subject.horizon))} after {day(as_of)}"
        )
    return f"was fitted to all purchases up to {day(subject.learnt_until)}, also those after {day(as_of)}"


def _way_out(subjects: Sequence[Subject]) -> str:
    earliest = max(subject.learnt_until for subject in subjects)
    needed = earliest + timedelta(days=subjects[0].horizon)
    told = f"use --as-of {day(earliest)} or later, with data up to {day(needed)}"
    if subjects[0].version.kind == "clv":
        told += "; until they are there, `axiom backtest clv` judges the same kind of model fitted earlier"
    return told


def churn_model(subject: Subject) -> AnyChurnModel:
    """The model inside a churn version: one of the catalogue, or a Cox model.

    Raises:
        CorruptError: the files are damaged or are no churn model.
    """
    from axiom.training.survival_model import load_churn_predictor

    return load_churn_predictor(subject.files)


def common_definition(subjects: Sequence[Subject]) -> ChurnDefinition | None:
    """What churn means to all of them; None where no artefact says.

    Raises:
        MisuseError: it means different things to them.
    """
    found = {subject.ref: origin.definition for subject in subjects if (origin := trained_on_in(subject.files))}
    different = {str(definition) for definition in found.values()}
    if len(different) > 1:
        told = "; ".join(f"to {ref} churn is {definition}" for ref, definition in found.items())
        raise MisuseError(f"their labels differ: {told}", hint="compare versions with one definition of churn")
    return next(iter(found.values()), None)


@dataclass(frozen=True, eq=False)
class Labelled:
    """The labelled rows of one cut-off as one churn version reads them.

    Attributes:
        rows: table, definition and what was left out.
        lead: days from the cut-off to the moment of churn, NaN for those who stayed, shape (n,).
        features_id: id of the features dataset.
    """

    rows: ChurnRows
    lead: FloatArray
    features_id: str


def labelled_rows(ws: Workspace, subject: Subject, as_of: datetime, definition: ChurnDefinition | None) -> Labelled:
    """Read the labelled rows with the features that a churn version was trained on; builds what is missing.

    Raises:
        BadInputError: the labels are not known yet, or the features are of another version than it was trained on.
    """
    import numpy as np

    from axiom.training.definition import LABEL_COLUMNS
    from axiom.training.evaluate_lead import days_to_churn
    from axiom.training.tables import load_churn_rows

    built = build_for_subject(ws, subject, as_of)
    subject.check_features(built.version)
    features, labels = ws.lake.dataset("features", built.features_id), ws.lake.dataset("labels", built.labels_id)
    rows = load_churn_rows(features, labels, subject.horizon, definition)
    targets = labels.read(LABEL_COLUMNS)
    kept = np.flatnonzero(rows.definition.known(targets, subject.horizon) & rows.definition.at_risk(targets))
    lead = days_to_churn(targets.take(kept), rows.definition, subject.horizon, rows.table.churned)
    return Labelled(rows, lead, built.features_id)


def build_for_subject(ws: Workspace, subject: Subject, as_of: datetime) -> BuildReport:
    """Features and labels of one cut-off by the feature set of a version; what exists is not built again."""
    horizons = tuple(sorted({*HORIZONS, subject.horizon}))
    return build(ws, BuildRequest(as_of=as_of, horizons=horizons, definitions=subject.feature_set))
