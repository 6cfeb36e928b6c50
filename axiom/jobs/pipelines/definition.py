"""What a pipeline is: steps, what they need, how often they are tried, and when it runs. Checked as a whole."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Literal

import yaml

from axiom.errors import MisuseError
from axiom.jobs.kinds import kind_of
from axiom.jobs.pipelines.cron import check_cron

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_GATES = ("none", "blocks", "ends")
_MISSED = ("skip", "latest", "all")


@dataclass(frozen=True)
class Schedule:
    """When a pipeline runs by itself.

    Attributes:
        cron: five fields: minute, hour, day of month, month, day of week.
        timezone: of these fields, an IANA name.
        missed: which ticks are made up for that nobody was there for: none (`skip`), the `latest` one, or `all`.
        grace: a tick that is noticed at most so many seconds late was not missed.
    """

    cron: str
    timezone: str = "UTC"
    missed: Literal["skip", "latest", "all"] = "latest"
    grace: float = 300.0

    def __post_init__(self) -> None:
        if self.missed not in _MISSED:
            raise MisuseError(f"missed: {self.missed!r} is no policy", hint=f"use {', '.join(_MISSED)}")
        if self.grace < 0:
            raise MisuseError(f"grace: {self.grace:g} seconds is negative")
        check_cron(self.cron, self.timezone)


@dataclass(frozen=True)
class Step:
    """One step of a pipeline: one job.

    Attributes:
        name: unique within the pipeline.
        job: kind of job.
        params: what the job is asked for. The logical time is added where the kind knows a time and none is given.
        inputs: parameter -> `step.field`: what an earlier step answered.
        needs: steps that have to succeed first.
        retries: how often it is tried again after a failure that may pass.
        backoff: seconds before the first retry; each further one waits twice as long, at most an hour.
        limit: seconds that one attempt may take; None: as long as it likes.
        gate: what a refusal (a quality gate, a comparison) means: `none`: failure; `blocks`: what follows is skipped
            and the run is blocked; `ends`: what follows is skipped and the run ends well.
    """

    name: str
    job: str
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    retries: int = 0
    backoff: float = 30.0
    limit: float | None = None
    gate: Literal["none", "blocks", "ends"] = "none"

    def __post_init__(self) -> None:
        where = f"step {self.name!r}"
        if not _NAME.fullmatch(self.name):
            raise MisuseError(f"{self.name!r} cannot name a step", hint="use letters, digits, '_' and '-'")
        if self.gate not in _GATES:
            raise MisuseError(f"{where}: gate {self.gate!r} is unknown", hint=f"use {', '.join(_GATES)}")
        for name, fits in (
            ("retries", 0 <= self.retries <= 100),
            ("backoff", self.backoff >= 0),
            ("limit", self.limit is None or self.limit > 0),
        ):
            if not fits:
                raise MisuseError(f"{where}: {name} {getattr(self, name)} is out of range")
        if both := sorted(set(self.params) & set(self.inputs)):
            raise MisuseError(f"{where}: {both[0]} is given and an input as well")
        kind_of(self.job).check(self.params, later=set(self.inputs))


@dataclass(frozen=True)
class Pipeline:
    """Steps that need each other.

    Attributes:
        name: unique.
        about: what it is for, in a sentence.
        steps: in an order in which they can be done.
        schedule: when it runs by itself; None: never.
    """

    name: str
    steps: tuple[Step, ...]
    about: str = ""
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise MisuseError(f"{self.name!r} cannot name a pipeline", hint="use letters, digits, '_' and '-'")
        if not self.steps:
            raise MisuseError(f"pipeline {self.name!r} has no steps")
        names = [step.name for step in self.steps]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise MisuseError(f"pipeline {self.name!r} has two steps {twice[0]!r}", hint="names are unique")
        for step in self.steps:
            if strangers := [need for need in step.needs if need not in names]:
                raise MisuseError(
                    f"step {step.name!r} needs {strangers[0]!r}, which is no step of pipeline {self.name!r}",
                    hint=f"its steps: {', '.join(names)}",
                )
        try:
            order = list(TopologicalSorter({step.name: step.needs for step in self.steps}).static_order())
        except CycleError as error:
            raise MisuseError(
                f"the steps of pipeline {self.name!r} need each other in a circle: {' -> '.join(error.args[1])}"
            ) from None
        self._check_inputs()
        object.__setattr__(self, "steps", tuple(sorted(self.steps, key=lambda step: order.index(step.name))))

    def step(self, name: str) -> Step:
        """The step of that name.

        Raises:
            MisuseError: there is none.
        """
        for step in self.steps:
            if step.name == name:
                return step
        known = ", ".join(step.name for step in self.steps)
        raise MisuseError(f"pipeline {self.name!r} has no step {name!r}", hint=f"its steps: {known}")

    def before(self, name: str) -> set[str]:
        """Every step that has to be done before a step, directly or not."""
        needs = set(self.step(name).needs)
        return needs.union(*(self.before(need) for need in needs))

    def after(self, name: str) -> set[str]:
        """Every step that needs a step, directly or not."""
        wanted = self.step(name).name
        return {step.name for step in self.steps if wanted in self.before(step.name)}

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it; `pipeline_of` reads it again."""
        facts = asdict(self)
        return {**facts, "steps": [{**step, "needs": list(step["needs"])} for step in facts["steps"]]}

    def _check_inputs(self) -> None:
        for step in self.steps:
            for parameter, reference in step.inputs.items():
                source, _, key = reference.partition(".")
                if not key or source not in self.before(step.name):
                    raise MisuseError(
                        f"step {step.name!r}: input {parameter} is {reference!r}, not STEP.FIELD of a step it needs",
                        hint=f"it needs {', '.join(sorted(self.before(step.name))) or 'none'}",
                    )


def read_pipeline(text: str, *, source: str) -> Pipeline:
    """A pipeline from a YAML document.

    Args:
        text: the document.
        source: where it comes from, for messages.

    Raises:
        MisuseError: it is no YAML, or no pipeline; the message says where and why.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MisuseError(f"{source} is no YAML: {str(error).splitlines()[0]}") from None
    try:
        return pipeline_of(document)
    except MisuseError as error:
        raise MisuseError(f"{source}: {error.message}", hint=error.hint) from None


def pipeline_of(document: Any) -> Pipeline:
    """A pipeline from plain values, as YAML or JSON has them.

    Raises:
        MisuseError: a field is unknown, missing or malformed.
    """
    facts = _fields(document, "a pipeline", Pipeline, required=("name", "steps"))
    steps = facts["steps"]
    if not isinstance(steps, list):
        raise MisuseError("steps is not a list", hint="like: steps: [{name: score, job: score}]")
    schedule = facts.get("schedule")
    return Pipeline(
        name=str(facts["name"]),
        about=str(facts.get("about") or ""),
        steps=tuple(_step(step) for step in steps),
        schedule=None if schedule is None else _schedule(schedule),
    )


def seconds(value: Any, field_name: str) -> float:
    """A length of time: a number of seconds, or text such as `90s`, `30m`, `2h`, `1d`.

    Raises:
        MisuseError: it is none.
    """
    found = _SPAN.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if found is None:
        raise MisuseError(f"{field_name}: {value!r} is no length of time", hint="write it like 90s, 30m, 2h or 1d")
    return float(found[1]) * _UNITS[found[2]]


def _step(document: Any) -> Step:
    facts = dict(_fields(document, "a step", Step, required=("name", "job")))
    where = f"step {facts['name']!r}"
    for name in ("params", "inputs"):
        if not isinstance(facts.setdefault(name, {}), dict):
            raise MisuseError(f"{where}: {name} is not a mapping")
    needs = facts.get("needs") or []
    if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
        raise MisuseError(f"{where}: needs is not a list of steps", hint="like: needs: [build, quality]")
    if isinstance(facts.get("retries", 0), bool) or not isinstance(facts.get("retries", 0), int):
        raise MisuseError(f"{where}: retries {facts['retries']!r} is no whole number")
    facts["needs"] = tuple(needs)
    for name in ("backoff", "limit"):
        if facts.get(name) is not None:
            facts[name] = seconds(facts[name], f"{where}: {name}")
    facts["inputs"] = {str(name): str(reference) for name, reference in facts["inputs"].items()}
    return Step(**{**facts, "name": str(facts["name"]), "job": str(facts["job"])})


def _schedule(document: Any) -> Schedule:
    facts = dict(_fields(document, "a schedule", Schedule, required=("cron",)))
    if "grace" in facts:
        facts["grace"] = seconds(facts["grace"], "schedule: grace")
    return Schedule(**facts)


def _fields(document: Any, what: str, kind: type, *, required: Sequence[str]) -> Mapping[str, Any]:
    known = list(kind.__dataclass_fields__)  # type: ignore[attr-defined]
    if not isinstance(document, dict):
        raise MisuseError(f"{what} is {document!r}, not a mapping", hint=f"fields: {', '.join(known)}")
    if unknown := [str(name) for name in document if name not in known]:
        raise MisuseError(f"{what} has no field {unknown[0]!r}", hint=f"fields: {', '.join(known)}")
    if missing := [name for name in required if document.get(name) in (None, "")]:
        raise MisuseError(f"{what} lacks {missing[0]!r}", hint=f"fields: {', '.join(known)}")
    return document
