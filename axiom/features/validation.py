"""Checks of feature definitions: a definition that exists can be computed."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

from axiom.contracts import ENTITIES
from axiom.errors import MisuseError
from axiom.features.kinds import DERIVED_COLUMNS, KINDS, VALUE_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.features.definitions import Cohort, Feature, Filter

OPERATORS = ("in", "not_in", "lt", "le", "gt", "ge")

NAME = re.compile(r"[a-z][a-z0-9_]*")
_MAX_DAYS = 36_500
_TWO_WEEKS = 14
_MAX_STAGES = 20


def check_feature(feature: Feature) -> None:
    """Refuse a definition whose fields contradict its kind.

    Raises:
        MisuseError: the message starts with the name of the field.
    """
    kind = KINDS.get(feature.kind)
    if kind is None:
        raise MisuseError(f"kind: {feature.kind!r} is no kind of feature", hint=f"one of {', '.join(KINDS)}")
    _check_keys(feature)
    _check_entity(feature)
    if feature.method not in (kind.methods or ("",)):
        raise MisuseError(f"method: {feature.method!r} is unknown for {feature.kind}", hint=_one_of(kind.methods))
    _check_windows(feature)
    _check_where(feature.where)
    if not 0 <= feature.lag <= _MAX_DAYS:
        raise MisuseError(f"lag: {feature.lag} is not a number of days between 0 and {_MAX_DAYS}")
    _check_trend(feature)
    _check_activation(feature)
    for output in feature.outputs:
        if not NAME.fullmatch(output.name):
            raise MisuseError(
                f"name: {output.name!r} is not made of a-z, 0-9 and _, starting with a letter",
                hint="give the feature a plain `name`",
            )


def _check_keys(feature: Feature) -> None:
    kind = KINDS[feature.kind]
    given = [field.name for field in fields(feature) if getattr(feature, field.name) not in ("", 0, ())]
    for key in given:
        if key not in kind.keys:
            raise MisuseError(f"{key}: {feature.kind} does not take it", hint=f"it takes {', '.join(kind.keys)}")
    for key in (*kind.required, *(("windows",) if kind.windowed else ())):
        if key not in given:
            raise MisuseError(f"{key}: {feature.kind} needs it", hint=kind.meaning)


def _check_entity(feature: Feature) -> None:
    if "entity" in KINDS[feature.kind].keys and feature.entity not in ("transactions", "events"):
        raise MisuseError(f"entity: {feature.entity!r} has no rows in time", hint="transactions or events")
    if feature.kind in VALUE_KINDS and feature.column in (*DERIVED_COLUMNS, *_reserved(feature.entity)):
        raise MisuseError(f"column: {feature.column!r} is not a number", hint="name a column of numbers")


def _reserved(entity: str) -> tuple[str, ...]:
    return ("customer_id", "known_at", ENTITIES[entity].time_column, ENTITIES[entity].key_column)


def _check_windows(feature: Feature) -> None:
    words = ("all", "lifecycle") if KINDS[feature.kind].windowed == "whole" else ()
    for window in feature.windows:
        if window in words or (isinstance(window, int) and 0 < window <= _MAX_DAYS):
            continue
        allowed = " or ".join(("a number of days", *(f"`{word}`" for word in words)))
        raise MisuseError(f"windows: {window!r} is not {allowed}", hint="for example windows: [7, 30, 90]")
    if len(set(feature.windows)) != len(feature.windows):
        raise MisuseError(f"windows: {list(feature.windows)} names a window twice")
    if feature.lag and "all" in feature.windows:
        raise MisuseError("lag: the window `all` cannot be shifted back", hint="use windows in days")


def _check_where(where: Sequence[Filter]) -> None:
    for condition in where:
        key = f"where.{condition.column}"
        if condition.operator not in OPERATORS:
            raise MisuseError(f"{key}: unknown comparison {condition.operator!r}", hint=_one_of(OPERATORS))
        if not condition.values:
            raise MisuseError(f"{key}: no value given", hint="a value, a list of values, or {lt: 0}")
        if condition.operator not in ("in", "not_in") and (
            len(condition.values) != 1 or isinstance(condition.values[0], str)
        ):
            raise MisuseError(f"{key}: {condition.operator} compares with one number, not {list(condition.values)}")
        if len({isinstance(value, str) for value in condition.values}) > 1:
            raise MisuseError(f"{key}: {list(condition.values)} mixes texts and numbers")


def _check_trend(feature: Feature) -> None:
    if feature.kind != "trend":
        return
    if feature.of not in ("count", "sum", "value"):
        raise MisuseError(f"of: {feature.of!r} is unknown for trend", hint="one of count, sum, value")
    if (feature.of != "count") != bool(feature.column):
        raise MisuseError(f"column: a trend of {feature.of} {'has none' if feature.column else 'needs one'}")
    if feature.of == "value" and feature.method != "slope":
        raise MisuseError(f"of: value goes with method: slope, not {feature.method}")
    if feature.method == "slope" and feature.of != "value":
        for window in feature.windows:
            if not isinstance(window, int) or window % 7 or window < _TWO_WEEKS:
                raise MisuseError(f"windows: {window!r} is not two or more whole weeks, as the slope of totals needs")


def _check_activation(feature: Feature) -> None:
    if feature.kind != "activation":
        return
    if (feature.method != "days_to_first") != bool(feature.within):
        verb = "has no" if feature.within else "needs"
        raise MisuseError(f"within: activation with method {feature.method} {verb} number of days")
    if not 0 <= feature.within <= _MAX_DAYS:
        raise MisuseError(f"within: {feature.within} is not a number of days between 1 and {_MAX_DAYS}")
    types = [condition for condition in feature.where if condition.column == "event_type"]
    if feature.method == "share" and (len(feature.where) != 1 or not types or types[0].operator != "in"):
        raise MisuseError("where: activation with method share needs a list of event types and nothing else")


def check_lifecycle(lifecycle: Sequence[Cohort]) -> None:
    """Refuse stages that do not follow each other.

    Raises:
        MisuseError: the message says which bound or stage.
    """
    bounds = [cohort.until for cohort in lifecycle]
    if not bounds or bounds[-1] is not None or None in bounds[:-1]:
        raise MisuseError("lifecycle: every stage but the last needs `until`, the last has none")
    if len(lifecycle) > _MAX_STAGES:
        raise MisuseError(f"lifecycle: {len(lifecycle)} stages are more than {_MAX_STAGES}")
    days = [bound for bound in bounds if bound is not None]
    if days != sorted(set(days)) or any(day <= 0 for day in days):
        raise MisuseError(f"lifecycle: until {days} must grow from stage to stage")
    if len({cohort.name for cohort in lifecycle}) != len(lifecycle):
        raise MisuseError("lifecycle: two stages have the same name")
    for cohort in lifecycle:
        if not 0 < cohort.window <= _MAX_DAYS or not 0 < cohort.horizon <= _MAX_DAYS:
            raise MisuseError(f"lifecycle.{cohort.name}: window and horizon are days between 1 and {_MAX_DAYS}")


def _one_of(values: Sequence[str]) -> str:
    return f"one of {', '.join(values)}" if values else "it takes none"
