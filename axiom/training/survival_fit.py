"""Fit a Cox model to a survival table: covariates from features, strata, ridge by rule, honest standard errors."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from axiom.errors import BadInputError, MisuseError
from axiom.maths.survival import CoxPH, CoxTerm, ProportionalityTest
from axiom.training.catalogue.encoder import Encoder, learn_encoder
from axiom.training.survival_inference import clustered_covariance, tested_proportionality
from axiom.training.survival_model import Strata, SurvivalModel, stratum_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.training.survival_table import SurvivalTable

MIN_EVENTS = 10
MIN_ROWS = 20
RIDGE = 0.03
_EVENTS_PER_COLUMN = 10
_DEPENDENT = 1e-8  # share of a column's variance that the earlier columns leave, below which it counts as theirs
_MOST_STRATA = 50


@dataclass(frozen=True)
class SurvivalOptions:
    """How to fit, with defaults that are meant to be kept.

    Attributes:
        strata: features whose values get a baseline hazard of their own, and no hazard ratio.
        ridge: L2 penalty as `CoxPH` takes it; None: 0.03 with `scale`, where windows overlap and move together; else 0,
            and 0.03 only where the data need it (perfect separation, or fewer than 10 events for each covariate).
        scale: hazard ratios per standard deviation (heavy tails by asinh) instead of per unit.
        level: confidence level of every interval.
        draws: bootstrap resamples of the metrics that need them.
        seed: of everything random.
    """

    strata: tuple[str, ...] = ()
    ridge: float | None = None
    scale: bool = True
    level: float = 0.95
    draws: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.ridge is not None and not 0 <= self.ridge < np.inf:
            raise MisuseError(f"ridge {self.ridge:g} must be a number >= 0")
        if not 0 < self.level < 1 or self.draws < 100:
            raise MisuseError(f"level {self.level}, draws {self.draws}", hint="level in (0, 1), draws at least 100")


@dataclass(frozen=True, eq=False)
class CoxFit:
    """A fitted model and what the fit found out.

    Attributes:
        model: ready to predict.
        terms: one a covariate: hazard ratio with limits, Wald test.
        proportionality: Grambsch and Therneau's test; None where it is undefined.
        log_likelihood: partial, at the estimate; `log_likelihood_null`: at no effect.
        ridge: the penalty that was used.
        converged: whether the maximum was reached.
        warnings: in full sentences.
    """

    model: SurvivalModel
    terms: tuple[CoxTerm, ...]
    proportionality: ProportionalityTest | None
    log_likelihood: float
    log_likelihood_null: float
    ridge: float
    converged: bool
    warnings: tuple[str, ...] = field(default=())


def check_events(table: SurvivalTable, what: str = "the table", *, learnt_from: float = 1.0) -> None:
    """Refuse rows that say nothing about times to an event.

    Args:
        table: the rows.
        what: how messages call them.
        learnt_from: share of the rows that a single fit sees.

    Raises:
        BadInputError: no event, or too few rows or events.
    """
    rows, events = len(table), int(table.event.sum())
    if not events:
        raise BadInputError(
            f"nobody in {what} had the event: all {rows} rows are censored",
            hint="use a longer history, another definition of churn, or name the value that means the event",
        )
    least_rows, least_events = math.ceil(MIN_ROWS / learnt_from), math.ceil(MIN_EVENTS / learnt_from)
    if rows < least_rows or events < least_events:
        raise BadInputError(
            f"{what} has {rows} rows with {events} events; at least {least_rows} rows with {least_events} events are "
            "needed",
            hint="use more customers or a longer history",
        )


def fit_cox(
    table: SurvivalTable,
    options: SurvivalOptions,
    *,
    horizon: float,
    threshold: float = 0.5,
    feature_set: str = "",
) -> CoxFit:
    """Fit Cox's model with Efron ties.

    A column that is missing throughout, constant, or a combination of others is dropped with a warning that names it;
    of each category's levels the commonest is the reference. Where customers stand at several cut-offs, standard
    errors are grouped by customer (Lin & Wei 1989) and proportionality is tested on one row each.

    Args:
        table: training rows.
        options: strata, penalty, scaling.
        horizon: what `predict_proba` will be about.
        threshold: kept with the model.
        feature_set: version of the feature set.

    Raises:
        BadInputError: too few events, or no covariate left.
        MisuseError: an unknown stratum column.
    """
    check_events(table)
    learnt = learn_encoder(table.X, impute=True, scale=options.scale)
    encoder, M, Z = learnt.encoder, learnt.M, learnt.Z
    strata, codes, told = _strata(table, encoder, M, options.strata)
    columns, dropped = _covariates(encoder, Z[table.duration >= table.duration[table.event].min()], strata)
    if not len(columns):
        raise BadInputError("no covariate is left to fit", hint="use fewer strata or other features")
    names = tuple(encoder.names[j] for j in columns)
    Z = Z[:, columns]
    asked = RIDGE if options.ridge is None and options.scale else options.ridge
    cox, ridge, held = _fit(table, Z, codes, names, asked)
    customers = np.unique(table.customer_id.astype(str), return_inverse=True)[1]
    if customers.max(initial=0) + 1 < len(table):
        cox.covariance_ = clustered_covariance(cox, Z, table.duration, table.event, codes, customers)
        cox.standard_errors_ = np.sqrt(np.diag(cox.covariance_))
    tested, doubt = tested_proportionality(table, cox, Z, codes, ridge, customers, options.seed)
    model = _model(table, cox, encoder, columns, strata, horizon, threshold, feature_set)
    return CoxFit(
        model,
        cox.summary(options.level),
        tested,
        cox.log_likelihood_,
        cox.log_likelihood_null_,
        ridge,
        cox.converged_,
        (*learnt.warnings, *told, *dropped, *held, *doubt),
    )


def _strata(
    table: SurvivalTable, encoder: Encoder, M: FloatArray, wanted: tuple[str, ...]
) -> tuple[Strata, IntArray, list[str]]:
    """The strata, the stratum of each row, and what was merged."""
    layout = encoder.layout
    if not wanted:
        alone = Strata(np.zeros(0, dtype=np.int64), np.zeros((1, 0)), ("all",), 0)
        return alone, np.zeros(len(M), dtype=np.int64), []
    strangers = [name for name in wanted if name not in layout.names]
    if strangers:
        raise MisuseError(
            f"there is no feature {strangers[0]!r} to stratify by", hint=f"there are {', '.join(layout.names[:20])}"
        )
    place = np.array([layout.names.index(name) for name in wanted], dtype=np.int64)
    keys, codes = np.unique(stratum_values(M, place), axis=0, return_inverse=True)
    if len(keys) > _MOST_STRATA:
        raise BadInputError(
            f"{' and '.join(wanted)} make {len(keys)} strata; at most {_MOST_STRATA} are sensible",
            hint="stratify by something with few values",
        )
    events = np.bincount(codes, weights=table.event, minlength=len(keys))
    names = [", ".join(_value(layout.levels.get(n), n, v) for n, v in zip(wanted, key, strict=True)) for key in keys]
    biggest, thin = int(np.argmax(events)), np.flatnonzero(events < MIN_EVENTS)
    thin = thin[thin != biggest]
    notes = []
    if len(thin):
        notes.append(
            f"strata with fewer than {MIN_EVENTS} events share the baseline of {names[biggest]!r}: "
            f"{', '.join(names[k] for k in thin)}"
        )
    kept = np.setdiff1d(np.arange(len(keys)), thin)
    fallback = int(np.flatnonzero(kept == biggest)[0])
    strata = Strata(place, keys[kept], tuple(names[k] for k in kept), fallback)
    return strata, strata.of(M), notes


def _value(levels: tuple[str, ...] | None, name: str, value: float) -> str:
    if value == -1e300:
        return f"{name} is missing"
    return f"{name} = {levels[int(value)] if levels is not None else f'{value:g}'}"


def _covariates(encoder: Encoder, Z: FloatArray, strata: Strata) -> tuple[IntArray, list[str]]:
    """Encoded columns to fit: no strata, no reference levels, none that is a combination of others.

    Z holds the rows that were at risk of an event; what only tells the others apart has no hazard ratio.
    """
    reference = set()
    for slots in encoder.slots:
        levels = np.unique(slots[slots >= 0])
        reference.add(int(levels[np.argmax(Z[:, levels].sum(axis=0))]))
    able = [j for j in range(len(encoder.names)) if encoder.source[j] not in strata.place and j not in reference]
    still = [j for j in able if np.ptp(Z[:, j]) == 0]
    able = [j for j in able if j not in still]
    independent = np.array([able[k] for k in _independent(Z[:, able])], dtype=np.int64)
    lost = [encoder.names[j] for j in able if j not in set(independent.tolist())]
    notes = [
        f"left out, because {why}: {', '.join(names)}"
        for why, names in (
            ("they never vary among the rows at risk", [encoder.names[j] for j in still]),
            ("they follow from the others", lost),
        )
        if names
    ]
    return independent, notes


def _independent(Z: FloatArray) -> list[int]:
    """Columns that are no linear combination of earlier ones, by elimination on their correlations."""
    standard = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    left = standard.T @ standard / len(Z)
    kept = []
    for j in range(len(left)):
        if left[j, j] > _DEPENDENT:
            kept.append(j)
            left -= np.outer(left[:, j], left[j]) / left[j, j]
    return kept


def _fit(
    table: SurvivalTable, Z: FloatArray, codes: IntArray, names: tuple[str, ...], asked: float | None
) -> tuple[CoxPH, float, list[str]]:
    """The fit, its penalty, and why there is one."""
    events, why = int(table.event.sum()), ""
    if asked is None and events < _EVENTS_PER_COLUMN * len(names):
        why = f"{events} events for {len(names)} covariates are few"
    if not why:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", RuntimeWarning)
                cox = _cox(asked or 0.0, table, Z, codes, names)
            if asked is not None or not caught:
                return cox, asked or 0.0, [str(warning.message) for warning in caught]
            why = str(caught[0].message).removesuffix(": drop the column or set ridge")
        except ValueError as error:
            if asked is not None:
                raise BadInputError(str(error), hint="leave --ridge out, or make it positive") from error
            why = str(error)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        cox = _cox(RIDGE, table, Z, codes, names)
    return cox, RIDGE, [f"coefficients are held by a ridge of {RIDGE}: {why}", *(str(w.message) for w in caught)]


def _cox(ridge: float, table: SurvivalTable, Z: FloatArray, codes: IntArray, names: tuple[str, ...]) -> CoxPH:
    return CoxPH(ridge).fit(Z, table.duration, table.event, strata=codes, names=names)


def _model(
    table: SurvivalTable,
    cox: CoxPH,
    encoder: Encoder,
    columns: IntArray,
    strata: Strata,
    horizon: float,
    threshold: float,
    feature_set: str,
) -> SurvivalModel:
    curves = {int(label): curve for label, curve in zip(cox.strata_, cox.baselines_, strict=True)}
    reach = {int(label): time for label, time in zip(cox.strata_, cox.last_time_, strict=True)}
    ordered = [curves[s] for s in range(len(strata.names))]
    # From a cut-off everybody could have been followed to the end; from sign-up only as long as somebody was.
    last = [reach[s] if table.clock else float(table.duration.max()) for s in range(len(strata.names))]
    return SurvivalModel(
        encoder=encoder,
        columns=columns,
        names=cox.names_,
        mean=cox.mean_,
        coefficients=cox.coefficients_,
        covariance=cox.covariance_,
        strata=strata,
        times=np.concatenate([times for times, _ in ordered]),
        hazard=np.concatenate([hazard for _, hazard in ordered]),
        starts=_edges(len(times) for times, _ in ordered),
        last_time=np.array(last),
        outcome=table.outcome,
        clock=table.clock,
        unit=table.unit,
        threshold=threshold,
        horizon_days=horizon,
        feature_set=feature_set,
    )


def _edges(lengths: Iterable[int]) -> IntArray:
    return np.concatenate(([0], np.cumsum(list(lengths)))).astype(np.int64)
