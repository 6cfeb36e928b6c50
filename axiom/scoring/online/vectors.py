"""What the numbers of a stored vector mean: names, categories, and the version of the feature set."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from axiom.errors import CorruptError
from axiom.training.catalogue.layout import Layout


@dataclass(frozen=True)
class VectorLayout:
    """Order of the features and codes of their categories, for one version of a feature set.

    A vector is p float64 numbers in the order of `layout.names`: NaN where the feature is missing, the place in
    `layout.levels` where it is a category.

    Attributes:
        layout: names in vector order, and the levels of the text features.
        feature_set: version of the feature set.
    """

    layout: Layout
    feature_set: str

    @property
    def width(self) -> int:
        """Length p of a vector."""
        return len(self.layout.names)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that differ whenever a vector would have to be read differently."""
        return hashlib.sha256(self._facts().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """The layout as JSON text, with its fingerprint."""
        return json.dumps({**json.loads(self._facts()), "fingerprint": self.fingerprint})

    @classmethod
    def from_json(cls, text: str) -> VectorLayout:
        """Read a layout back.

        Raises:
            CorruptError: the text is not a layout, or its fingerprint is that of another one.
        """
        try:
            body = json.loads(text)
            levels = {str(name): tuple(map(str, values)) for name, values in body["levels"].items()}
            found = cls(Layout(tuple(map(str, body["names"])), levels), str(body["feature_set"]))
            told = body["fingerprint"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptError(f"the layout of the online vectors is not readable ({error})", hint=REPUBLISH) from error
        if told != found.fingerprint:
            raise CorruptError(
                f"the layout of the online vectors has fingerprint {found.fingerprint}, not {told} as it says itself",
                hint=REPUBLISH,
            )
        return found

    def _facts(self) -> str:
        levels = {name: list(self.layout.levels[name]) for name in sorted(self.layout.levels)}
        return json.dumps({"feature_set": self.feature_set, "names": list(self.layout.names), "levels": levels})


REPUBLISH = "publish again: `axiom online clear`, then `axiom online sync`"
