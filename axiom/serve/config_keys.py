"""Keys that nobody reads: found in a nested mapping by the fields of the pydantic models behind it.

Ray's schemas accept unknown keys in silence (so that newer files work on older clusters): a typo is a setting that is
not made.
"""

from __future__ import annotations

import difflib
import types
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Overrides = Mapping[tuple[type[BaseModel], str], type[BaseModel]]


class Problem(NamedTuple):
    """One thing that is wrong: where it stands, what it is, and the way out."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


def unknown_keys(raw: object, model: type[BaseModel], where: str = "", *, overrides: Overrides) -> Iterator[Problem]:
    """Every key of `raw`, at any depth, that no field of `model` is named after.

    Args:
        raw: as it was read; what has the wrong shape is left to the validation of values.
        model: what the mapping becomes.
        where: path of the mapping, for the message.
        overrides: (model, field) -> the model of a field that is declared as a bare dictionary.
    """
    if not isinstance(raw, dict):
        return
    for key, value in raw.items():
        path = f"{where}.{key}" if where else str(key)
        field = model.model_fields.get(key)
        if field is None:
            yield Problem(path, "there is no such key", _nearest(str(key), list(model.model_fields)))
            continue
        inner = overrides.get((model, key)) or _model_in(field.annotation)
        if inner is None:
            continue
        if isinstance(value, list):
            for position, item in enumerate(value):
                named = item.get("name", position) if isinstance(item, dict) else position
                yield from unknown_keys(item, inner, f"{path}[{named}]", overrides=overrides)
        else:
            yield from unknown_keys(value, inner, path, overrides=overrides)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `Model`, `list[Model]`, `Model | None`, `dict | Model | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Union, types.UnionType, list, Annotated}:
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None


def _nearest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}?" if close else f"the keys are {', '.join(sorted(known))}"
