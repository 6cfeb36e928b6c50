"""Structural schemas of custom resources: defaults applied, then strict; what the API server does with both.

The language is the one of https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions
(structural schemas): `anyOf` occurs for int-or-string only. CEL rules are in `axiom.kube.rules`.
"""

from __future__ import annotations

import copy
import difflib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Schema = Mapping[str, Any]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_INT32 = 2**31
_EMBEDDED = ("apiVersion", "kind", "metadata")


class Problem(NamedTuple):
    """One thing that is wrong: where it stands, what it is, and the way out."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


def with_defaults(value: Any, schema: Schema) -> Any:
    """The value with the defaults of its schema where nothing is said; a null that may not stand there says nothing."""
    if isinstance(value, dict):
        properties: Mapping[str, Any] = schema.get("properties", {})
        told = {
            key: inner
            for key, inner in value.items()
            if inner is not None or key not in properties or properties[key].get("nullable")
        }
        for key, inner in properties.items():
            if "default" in inner and key not in told:
                told[key] = copy.deepcopy(inner["default"])
        rest = schema.get("additionalProperties")
        others = rest if isinstance(rest, dict) else {}
        return {key: with_defaults(inner, properties.get(key, others)) for key, inner in told.items()}
    if isinstance(value, list):
        return [with_defaults(inner, schema.get("items", {})) for inner in value]
    return value


def problems(value: Any, schema: Schema, where: str = "", *, root: bool = True) -> Iterator[Problem]:
    """Everything about a value that its schema does not allow; fields that it does not know are refused.

    Args:
        value: defaults are applied already.
        schema: structural.
        where: path of the value, for messages.
        root: whether the value is a whole object, whose `metadata` is judged elsewhere.
    """
    if value is None:
        if not schema.get("nullable") and schema.get("type"):
            yield Problem(where, "is null")
        return
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            yield Problem(where, f"is {value!r}, neither a whole number nor a text")
        elif isinstance(value, str):
            yield from _text(value, schema, where)
        return
    kind = schema.get("type")
    if kind and not _is(value, kind):
        yield Problem(where, f"is {_short(value)}, not {kind}", _quote_hint(value, kind))
        return
    if "enum" in schema and value not in schema["enum"]:
        yield Problem(where, f"is {value!r}", f"one of {', '.join(map(str, schema['enum']))}")
    if isinstance(value, dict):
        yield from _object(value, schema, where, root=root)
    elif isinstance(value, list):
        yield from _list(value, schema, where)
    elif isinstance(value, str):
        yield from _text(value, schema, where)
    else:
        yield from _number(value, schema, where)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, float) and value.is_integer())


def _object(value: Mapping[str, Any], schema: Schema, where: str, *, root: bool) -> Iterator[Problem]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    for name in schema.get("required", ()):
        if name not in value:
            yield Problem(_at(where, name), "is missing")
    for name, inner in value.items():
        path = _at(where, name)
        if root and name in _EMBEDDED:
            continue
        if name in properties:
            yield from problems(inner, properties[name], path, root=False)
        elif isinstance(rest, dict):
            yield from problems(inner, rest, path, root=False)
        elif not rest and not schema.get("x-kubernetes-preserve-unknown-fields") and _closed(schema):
            close = difflib.get_close_matches(str(name), list(properties), n=1)
            yield Problem(path, "there is no such field", f"did you mean {close[0]}?" if close else "")


def _closed(schema: Schema) -> bool:
    # The API server prunes whatever a plain `type: object` does not describe: a field that has no effect is refused.
    return "properties" in schema or schema.get("type") == "object"


def _list(value: list[Any], schema: Schema, where: str) -> Iterator[Problem]:
    if len(value) < schema.get("minItems", 0):
        yield Problem(where, f"has {len(value)} items", f"at least {schema['minItems']}")
    keys = schema.get("x-kubernetes-list-map-keys", ())
    seen: list[Any] = []
    for position, inner in enumerate(value):
        named = inner.get("name", position) if isinstance(inner, dict) else position
        path = f"{where}[{named}]"
        yield from problems(inner, schema.get("items", {}), path, root=False)
        identity = tuple(inner.get(key) for key in keys) if keys and isinstance(inner, dict) else (inner,)
        if (keys or schema.get("x-kubernetes-list-type") == "set") and identity in seen:
            yield Problem(path, "stands twice")
        seen.append(identity)


def _text(value: str, schema: Schema, where: str) -> Iterator[Problem]:
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield Problem(where, f"{value!r} is malformed", f"pattern {schema['pattern']}")
    if len(value) < schema.get("minLength", 0):
        yield Problem(where, "is empty" if not value else f"{value!r} is too short")
    if len(value) > schema.get("maxLength", len(value)):
        yield Problem(where, f"has {len(value)} characters", f"at most {schema['maxLength']}")


def _number(value: float, schema: Schema, where: str) -> Iterator[Problem]:
    if value < schema.get("minimum", value):
        yield Problem(where, f"is {value}", f"at least {schema['minimum']}")
    if value > schema.get("maximum", value):
        yield Problem(where, f"is {value}", f"at most {schema['maximum']}")
    if schema.get("format") == "int32" and not -_INT32 <= value < _INT32:
        yield Problem(where, f"{value} does not fit 32 bits")


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else str(name)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _quote_hint(value: Any, kind: str) -> str:
    return "put it in quotes" if kind == "string" and isinstance(value, int | float) else ""
