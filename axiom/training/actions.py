"""Drivers of risk and what to do about them: an editable YAML."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

from axiom.errors import BadInputError, NotFoundError


@dataclass(frozen=True)
class Driver:
    """A group of features with one meaning.

    Attributes:
        driver: what is going on, in plain words.
        features: patterns of feature names, `*` matches anything.
        action: what to do about it.
    """

    driver: str
    features: tuple[str, ...]
    action: str


@dataclass(frozen=True)
class ActionMap:
    """Drivers in order; the first that matches a feature wins."""

    drivers: tuple[Driver, ...]

    def of(self, feature: str) -> Driver | None:
        """The driver of a feature, or None."""
        name = feature.lower()
        return next(
            (one for one in self.drivers if any(fnmatchcase(name, pattern.lower()) for pattern in one.features)), None
        )


def load_actions(path: str | Path | None = None) -> ActionMap:
    """Read the map; without a path the one that Axiom ships.

    Raises:
        NotFoundError: no such file.
        BadInputError: it is no YAML, or a driver lacks a key or has an unknown one; the place is named.
    """
    import yaml

    if path is not None and not Path(path).exists():
        raise NotFoundError(f"there is no file {str(path)!r}")
    source = files("axiom.training").joinpath("actions.yaml") if path is None else Path(path)
    try:
        body = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInputError(f"{source} is no YAML: {error}") from error
    if not isinstance(body, dict) or set(body) != {"drivers"} or not isinstance(body["drivers"], list):
        raise BadInputError(f"{source} must hold one list called `drivers`")
    return ActionMap(tuple(_driver(place + 1, item, str(source)) for place, item in enumerate(body["drivers"])))


def _driver(place: int, item: Any, source: str) -> Driver:
    if not isinstance(item, dict) or set(item) != {"driver", "features", "action"}:
        raise BadInputError(f"{source}, driver {place}: it must have exactly the keys driver, features and action")
    patterns = item["features"]
    if not isinstance(patterns, list) or not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise BadInputError(f"{source}, driver {place} ({item['driver']}): `features` must be a list of patterns")
    return Driver(str(item["driver"]), tuple(patterns), str(item["action"]))
