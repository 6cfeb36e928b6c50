"""Read a feature set from YAML. Every refusal names the file, the line, the key and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from axiom.errors import MisuseError
from axiom.features.definitions import DEFAULT_LIFECYCLE, Cohort, Feature, FeatureSet, Filter
from axiom.features.kinds import KINDS
from axiom.features.validation import OPERATORS
from axiom.features.yaml_text import Located, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.features.definitions import Operator, Window

_TOP = ("name", "extends", "lifecycle", "features")
_COHORT = ("name", "until", "window", "horizon")


def read_feature_set(text: str, *, source: str = "features.yaml", base: FeatureSet | None = None) -> FeatureSet:
    """Read a feature set.

    Args:
        text: the YAML document: `name`, `features`, and optionally `extends: default` and `lifecycle`.
        source: how messages call it.
        base: what `extends: default` stands for; its features come first.

    Raises:
        MisuseError: names the line, the key and what would be right.
    """
    document = parse(text, source)
    top = _mapping(document, source, "the document")
    _refuse_unknown(top, _TOP, source, "")
    name = top.get("name")
    if name is None or not isinstance(name.value, str) or not name.value.strip():
        raise MisuseError(f"{source}: name is missing", hint="for example name: retail")
    inherited = _inherited(top, source, base)
    definitions = top.get("features", Located([], 1))
    if not isinstance(definitions.value, list) or not (definitions.value or inherited):
        raise MisuseError(f"{source} line {definitions.line}: features is not a list of definitions")
    own = tuple(_feature(item, index, source) for index, item in enumerate(definitions.value))
    lifecycle = _lifecycle(top["lifecycle"], source) if "lifecycle" in top else None
    try:
        features = (*inherited, *own)
        return FeatureSet(
            name.value, features, lifecycle or (base.lifecycle if inherited and base else DEFAULT_LIFECYCLE)
        )
    except MisuseError as error:
        raise MisuseError(f"{source}: {error.message}", hint=error.hint) from error


def _inherited(top: Mapping[str, Located], source: str, base: FeatureSet | None) -> tuple[Feature, ...]:
    extends = top.get("extends")
    if extends is None:
        return ()
    if extends.value != "default":
        raise MisuseError(f"{source} line {extends.line}: extends: {extends.value!r}", hint="only `default` is known")
    if base is None:
        raise MisuseError(
            f"{source} line {extends.line}: extends: default needs a lake to derive the defaults from",
            hint="ingest data first",
        )
    return base.features


def _feature(item: Located, index: int, source: str) -> Feature:
    here = f"{source} line {item.line}, features[{index}]"
    body = _mapping(item, source, f"features[{index}]")
    kind = KINDS.get(str(body["kind"].value)) if "kind" in body else None
    if kind is None:
        given = repr(body["kind"].value) if "kind" in body else "missing"
        raise MisuseError(f"{here}: kind: {given}", hint=f"one of {', '.join(KINDS)}")
    _refuse_unknown(body, kind.keys, source, f"features[{index}] ({kind.name}).")
    values: dict[str, Any] = {"kind": kind.name}
    if kind.methods:
        values["method"] = kind.methods[0]
    if kind.name == "trend":
        values["of"] = "count"
    for key, value in body.items():
        try:
            values[key] = _READERS[key](value)
        except MisuseError as error:
            raise MisuseError(
                f"{source} line {value.line}, features[{index}] ({kind.name}): {key}: {error.message}", hint=error.hint
            ) from error
    try:
        return Feature(**values)
    except MisuseError as error:
        raise MisuseError(f"{here} ({kind.name}): {error.message}", hint=error.hint) from error


def _text(value: Located) -> str:
    if not isinstance(value.value, str) or not value.value:
        raise MisuseError(f"{value.plain!r} is not a text")
    return value.value


def _days(value: Located) -> int:
    days = value.value
    if isinstance(days, str) and days.endswith("d") and days[:-1].isascii() and days[:-1].isdigit():
        return int(days[:-1])
    if not isinstance(days, int) or isinstance(days, bool):
        raise MisuseError(f"{value.plain!r} is not a number of days", hint="for example 30 or 30d")
    return days


def _windows(value: Located) -> tuple[Window, ...]:
    items = value.value if isinstance(value.value, list) else [value]
    return tuple(cast("Window", i.value) if i.value in ("all", "lifecycle") else _days(i) for i in items)


def _where(value: Located) -> tuple[Filter, ...]:
    if not isinstance(value.value, dict):
        raise MisuseError(f"{value.plain!r} is not a mapping", hint="for example {event_type: login}")
    return tuple(condition for column, test in value.value.items() for condition in _conditions(column, test))


def _conditions(column: str, test: Located) -> list[Filter]:
    if not isinstance(test.value, dict):
        return [Filter(column, "in", _operands(column, test))]
    unknown = [operator for operator in test.value if operator not in OPERATORS]
    if unknown:
        raise MisuseError(f"{column}: unknown comparison {unknown[0]!r}", hint=f"one of {', '.join(OPERATORS)}")
    return [
        Filter(column, cast("Operator", operator), _operands(column, operand))
        for operator, operand in test.value.items()
    ]


def _operands(column: str, value: Located) -> tuple[str | float, ...]:
    items = value.value if isinstance(value.value, list) else [value]
    found: list[str | float] = []
    for item in items:
        if isinstance(item.value, bool) or not isinstance(item.value, (str, int, float)):
            raise MisuseError(
                f"{column}: {item.plain!r} is neither a text nor a number", hint="quote it to make it a text"
            )
        found.append(item.value if isinstance(item.value, str) else float(item.value))
    return tuple(found)


_READERS: dict[str, Any] = {
    **dict.fromkeys(("kind", "entity", "column", "method", "of", "query", "name"), _text),
    **dict.fromkeys(("lag", "within"), _days),
    "windows": _windows,
    "where": _where,
}


def _lifecycle(value: Located, source: str) -> tuple[Cohort, ...]:
    if not isinstance(value.value, list):
        raise MisuseError(f"{source} line {value.line}: lifecycle is not a list of stages")
    return tuple(_cohort(item, index, source) for index, item in enumerate(value.value))


def _cohort(item: Located, index: int, source: str) -> Cohort:
    body = _mapping(item, source, f"lifecycle[{index}]")
    _refuse_unknown(body, _COHORT, source, f"lifecycle[{index}].")
    for key in ("name", "window", "horizon"):
        if key not in body:
            raise MisuseError(f"{source} line {item.line}: lifecycle[{index}].{key} is missing")
    try:
        until = body.get("until")
        return Cohort(
            _text(body["name"]),
            None if until is None or until.value is None else _days(until),
            _days(body["window"]),
            _days(body["horizon"]),
        )
    except MisuseError as error:
        raise MisuseError(f"{source} line {item.line}: lifecycle[{index}]: {error.message}", hint=error.hint) from error


def _mapping(value: Located, source: str, what: str) -> dict[str, Located]:
    if not isinstance(value.value, dict):
        raise MisuseError(f"{source} line {value.line}: {what} is not a mapping of keys to values")
    return value.value


def _refuse_unknown(body: Mapping[str, Located], known: tuple[str, ...], source: str, prefix: str) -> None:
    for key, value in body.items():
        if key not in known:
            raise MisuseError(
                f"{source} line {value.line}: {prefix}{key} is unknown", hint=f"known here: {', '.join(known)}"
            )
