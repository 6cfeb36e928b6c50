"""What decides about a version that is rolled out: a declared rule, since when, and the shares so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from axiom.errors import CorruptError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXAMPLE = "write it like 'outcome; min 500; alpha 0.05'"


@dataclass(frozen=True)
class Rule:
    """Evidence that decides, declared before it is seen.

    Attributes:
        kind: `outcome`: loss on matured outcomes, against the champion's; `agreement`: how close its scores are to
            the champion's.
        min_sample: decide nothing before so many customers (`agreement`: customers scored by both).
        alpha: probability of a wrong decision, over all looks together.
        metric: of `outcome`: `brier`, or `log_loss` of probabilities kept within 0.01 and 0.99.
        margin: of `outcome`: so much more loss is accepted; 0 asks for a better model.
        max_difference: of `agreement`: largest accepted mean difference; of probabilities absolute, of values relative.
        min_rank: of `agreement`: smallest accepted rank correlation (Kendall's tau), -1 to 1.
        when_passed: `promote` to champion, or `keep` watching.
        when_failed: `archive`, or `keep` watching.
        max_days: after so many days without a verdict the version becomes a candidate again.

    Raises:
        MisuseError: A value is out of range; the message names it.
    """

    kind: Literal["outcome", "agreement"]
    min_sample: int = 500
    alpha: float = 0.05
    metric: Literal["brier", "log_loss"] = "brier"
    margin: float = 0.0
    max_difference: float = 0.02
    min_rank: float = 0.8
    when_passed: Literal["promote", "keep"] = "promote"
    when_failed: Literal["archive", "keep"] = "archive"
    max_days: int = 180

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise MisuseError(
                    f"{name} of a rule is {getattr(self, name)!r}", hint=f"use {' or '.join(allowed)}; {_EXAMPLE}"
                )
        for name, fits, wanted in (
            ("min_sample", self.min_sample >= 2, "at least 2"),
            ("alpha", 0.0 < self.alpha < 0.5, "between 0 and 0.5"),
            ("margin", 0.0 <= self.margin < 1.0, "at least 0 and below 1"),
            ("max_difference", 0.0 < self.max_difference < 1.0, "between 0 and 1"),
            ("min_rank", -1.0 <= self.min_rank < 1.0, "at least -1 and below 1"),
            ("max_days", self.max_days >= 1, "at least 1"),
        ):
            if not fits:
                raise MisuseError(f"{name} of a rule is {getattr(self, name)}; it must be {wanted}")

    def __str__(self) -> str:
        """As `parse_rule` reads it."""
        words = _WORDS[self.kind].items()
        return "; ".join([self.kind, *(f"{word} {_shortest(getattr(self, name))}" for word, name in words)])


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "kind": ("outcome", "agreement"),
    "metric": ("brier", "log_loss"),
    "when_passed": ("promote", "keep"),
    "when_failed": ("archive", "keep"),
}
_COMMON = {"min": "min_sample", "alpha": "alpha", "pass": "when_passed", "fail": "when_failed", "days": "max_days"}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "outcome": {"metric": "metric", "margin": "margin", **_COMMON},
    "agreement": {"difference": "max_difference", "rank": "min_rank", **_COMMON},
}


@dataclass(frozen=True)
class Trial:
    """A canary or shadow under watch.

    Attributes:
        since: when it entered its stage, UTC; what happened before is no evidence.
        rule: what decides; None: people do.
        steps: (when, share) of a canary, oldest first; empty for a shadow.
    """

    since: datetime
    rule: Rule | None = None
    steps: tuple[tuple[datetime, float], ...] = ()

    @property
    def floor(self) -> float:
        """The least of s and 1 − s at the first share s that splits customers at all; 0 where none did yet.

        It bounds how much one customer can weigh in the evidence, and has to be settled before any is seen: answers
        given at a share nearer to 0 or 1 do not count.
        """
        return next((min(share, 1 - share) for _, share in self.steps if 0 < share < 1), 0.0)

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return {
            "since": self.since.isoformat(),
            "rule": None if self.rule is None else asdict(self.rule),
            "steps": [[at.isoformat(), share] for at, share in self.steps],
        }

    @staticmethod
    def from_dict(stored: Mapping[str, Any]) -> Trial:
        """Read what `to_dict` wrote.

        Raises:
            CorruptError: It is something else.
        """
        try:
            return Trial(
                since=datetime.fromisoformat(stored["since"]),
                rule=None if stored["rule"] is None else Rule(**stored["rule"]),
                steps=tuple((datetime.fromisoformat(at), float(share)) for at, share in stored["steps"]),
            )
        except (KeyError, TypeError, ValueError, MisuseError) as error:
            raise CorruptError(f"a stored trial cannot be read: {error}", hint="start the roll-out again") from error


def parse_rule(text: str) -> Rule:
    """A rule from one line: the kind, then words with values, separated by semicolons.

    Raises:
        MisuseError: A word is unknown, twice, or its value is none.
    """
    kind, *parts = [part.strip() for part in text.split(";") if part.strip()] or [""]
    words = _WORDS.get(kind)
    if words is None:
        raise MisuseError(f"{kind!r} is no kind of rule", hint=f"outcome or agreement; {_EXAMPLE}")
    given: dict[str, Any] = {}
    for part in parts:
        word, _, value = part.partition(" ")
        if word not in words or not value.strip():
            raise MisuseError(f"{part!r} says nothing in a rule", hint=f"known words: {', '.join(words)}; {_EXAMPLE}")
        if words[word] in given:
            raise MisuseError(f"{word!r} stands twice in the rule {text!r}")
        given[words[word]] = value.strip()
    return rule_from({"kind": kind, **given})


def rule_from(values: Mapping[str, Any]) -> Rule:
    """A rule from field names and values, as a YAML document has them.

    Raises:
        MisuseError: A field is unknown, missing or of the wrong type.
    """
    known = Rule.__dataclass_fields__
    if unknown := [str(name) for name in values if name not in known]:
        raise MisuseError(f"{', '.join(unknown)} says nothing in a rule", hint=f"known: {', '.join(known)}")
    if "kind" not in values:
        raise MisuseError("a rule needs a kind", hint="outcome or agreement")
    return Rule(**{name: _value(name, value) for name, value in values.items()})


def _value(name: str, value: Any) -> Any:
    wanted = type(getattr(Rule, name, ""))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise MisuseError(f"{name} of a rule is {value!r}", hint=_EXAMPLE)
    try:
        return {int: int, float: float, str: str}[wanted](str(value))
    except ValueError:
        told = f"{name} of a rule is {value!r}, which is no {'whole ' if wanted is int else ''}number"
        raise MisuseError(told, hint=_EXAMPLE) from None


def _shortest(value: str | float) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)
