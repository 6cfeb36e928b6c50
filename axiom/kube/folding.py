"""Nested mappings laid over each other, and values put where ${name} stands."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VALUE = re.compile(r"\$\{([a-z0-9_]*)\}")
_KEYS = ("name", "groupName")


def folded(under: Any, over: Any) -> Any:
    """`over` laid over `under`; neither is changed.

    Mappings are merged key by key, and a null removes the key. Lists whose items all have a `name` (or `groupName`) are
    merged item by item. Everything else of `over` replaces what is below.
    """
    if isinstance(under, dict) and isinstance(over, dict):
        merged = {key: value for key, value in under.items() if not (key in over and over[key] is None)}
        for key, value in over.items():
            if value is not None:
                merged[key] = folded(under.get(key), value)
        return merged
    if isinstance(under, list) and isinstance(over, list):
        key = next((key for key in _KEYS if _all_have(key, under) and _all_have(key, over)), None)
        if key is not None and over:
            return _items(under, over, key)
    return _without_nulls(over)


def substituted(value: Any, values: Mapping[str, Any]) -> Any:
    """The same with every ${name} replaced. A text that is one placeholder becomes the value itself, number or not.

    Raises:
        MisuseError: there is no value of that name.
    """
    if isinstance(value, dict):
        return {substituted(key, values): substituted(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [substituted(inner, values) for inner in value]
    if not isinstance(value, str):
        return copy.deepcopy(value)
    if whole := _VALUE.fullmatch(value):
        return copy.deepcopy(_of(whole[1], values))
    return _VALUE.sub(lambda found: str(_of(found[1], values)), value)


def _of(name: str, values: Mapping[str, Any]) -> Any:
    if name not in values:
        raise MisuseError(f"${{{name}}} has no value", hint="add it to kube/values.yaml, or give it with --set")
    return values[name]


def _all_have(key: str, items: list[Any]) -> bool:
    return all(isinstance(item, dict) and isinstance(item.get(key), str) for item in items)


def _items(under: list[Any], over: list[Any], key: str) -> list[Any]:
    by_name = {item[key]: item for item in over}
    kept = [folded(item, by_name.pop(item[key])) if item[key] in by_name else item for item in under]
    return kept + [_without_nulls(item) for item in by_name.values()]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return copy.deepcopy(value)
