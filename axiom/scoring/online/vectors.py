"""The layout of stored vectors: which feature is where, and what its categories are called."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from axiom.errors import CorruptError
from axiom.training.catalogue.layout import Layout


@dataclass(frozen=True)
class VectorLayout:
    """One customer's features as float64: missing = NaN, a category = its code in `layout.levels`.

    Attributes:
        layout: names in the order of the vector, and the levels of text columns.
        feature_set: version of the feature set.
    """

    layout: Layout
    feature_set: str

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits: SHA-256 over feature set, names and levels."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """As canonical JSON."""
        body = {"feature_set": self.feature_set, "names": self.layout.names, "levels": self.layout.levels}
        return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> VectorLayout:
        """The inverse of `to_json`.

        Raises:
            CorruptError: the text is no layout.
        """
        try:
            body: dict[str, Any] = json.loads(text)
            levels = {str(name): tuple(map(str, found)) for name, found in body["levels"].items()}
            return cls(Layout(tuple(map(str, body["names"])), levels), str(body["feature_set"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptError(f"the stored layout of vectors cannot be read: {error}") from error
