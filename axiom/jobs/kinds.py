"""The table of job kinds: what can be submitted, with which parameters, and which stage does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from axiom.errors import MisuseError
from axiom.jobs import params as p
from axiom.jobs import stages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from axiom.pipelines.workspace import Workspace


@dataclass(frozen=True)
class JobKind:
    """One kind of job.

    Attributes:
        name: what it is submitted as.
        params: what it can be asked for.
        run: the stage: workspace, parameters and on whose behalf -> its answer as JSON values.
        time: the parameter that a pipeline's logical time goes to; "" where the kind knows no time.
        verb: the command that does the same here and now; "" where there is none.
    """

    name: str
    params: type[p.Params]
    run: Callable[[Workspace, Any, str], dict[str, Any]]
    time: str = ""
    verb: str = ""

    @property
    def about(self) -> str:
        """What it does, in a sentence."""
        return (self.params.__doc__ or "").strip()

    def read(self, values: Mapping[str, Any]) -> p.Params:
        """Typed parameters from plain values.

        Raises:
            MisuseError: one is unknown, missing, malformed, or holds a password.
        """
        try:
            return self.params.model_validate(dict(values))
        except ValidationError as error:
            # Neither the error's own text nor its chain: both repeat the values, and one may be a secret.
            problems = "; ".join(_problem(found) for found in error.errors(include_input=False, include_url=False))
        raise MisuseError(f"job {self.name}: {problems}", hint=f"axiom jobs kinds {self.name}")

    def check(self, values: Mapping[str, Any], *, later: set[str]) -> None:
        """Refuse parameters that `read` would refuse, whatever those of `later` turn out to be.

        Raises:
            MisuseError: as for `read`; also where `later` names no parameter.
        """
        if unknown := sorted(later - set(self.params.model_fields)):
            raise MisuseError(f"job {self.name}: {unknown[0]}: no such parameter", hint=f"axiom jobs kinds {self.name}")
        try:
            self.params.model_validate(dict(values))
        except ValidationError as error:
            found = error.errors(include_input=False, include_url=False)
        else:
            return
        wrong = [_problem(one) for one in found if one["type"] != "missing" or str(one["loc"][0]) not in later]
        if wrong:
            raise MisuseError(f"job {self.name}: {'; '.join(wrong)}", hint=f"axiom jobs kinds {self.name}")


KINDS: Mapping[str, JobKind] = {
    kind.name: kind
    for kind in (
        JobKind("ingest", p.IngestParams, stages.ingest, verb="ingest --source"),
        JobKind("quality", p.QualityParams, stages.quality, "as_of", "quality"),
        JobKind("build", p.BuildParams, stages.build, "as_of", "build"),
        JobKind("build-cutoffs", p.CutoffsParams, stages.build_cutoffs, "until"),
        JobKind("train-churn", p.TrainParams, stages.train_churn, "until", "train churn"),
        JobKind("train-clv", p.TrainParams, stages.train_clv, "until", "train clv"),
        JobKind("tune-churn", p.TuneChurnParams, stages.tune_churn, "until", "tune churn"),
        JobKind("tune-clv", p.TuneParams, stages.tune_clv, "until", "tune clv"),
        JobKind("backtest-clv", p.BacktestParams, stages.backtest_clv, "until", "backtest clv"),
        JobKind("evaluate", p.EvaluateParams, stages.evaluate, verb="evaluate"),
        JobKind("compare", p.CompareParams, stages.compare),
        JobKind("shadow", p.ShadowParams, stages.shadow, verb="rollout shadow"),
        JobKind("judge", p.JudgeParams, stages.judge, verb="rollout judge"),
        JobKind("score", p.ScoreParams, stages.score, "as_of", "score"),
        JobKind("publish", p.PublishParams, stages.publish),
        JobKind("publish-features", p.FeaturesParams, stages.publish_features, verb="online sync"),
        JobKind("export", p.ExportParams, stages.export),
        JobKind("monitor", p.MonitorParams, stages.monitor, "as_of", "monitor run"),
    )
}


def kind_of(name: str) -> JobKind:
    """The kind called `name`.

    Raises:
        MisuseError: there is none.
    """
    if name not in KINDS:
        raise MisuseError(f"{name!r} is no kind of job", hint=f"one of {', '.join(KINDS)}")
    return KINDS[name]


def _problem(found: Any) -> str:
    where = ".".join(str(part) for part in found["loc"])
    told = str(found["msg"]).removeprefix("Value error, ")
    return f"{where}: {told[:1].lower()}{told[1:]}" if where else told
