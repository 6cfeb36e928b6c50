"""What each kind of job can be asked for. Unknown and malformed parameters are refused before anything is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from axiom.settings import mask_url


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _holds_password(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_password(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_password(item) for item in value)
    return isinstance(value, str) and mask_url(value) != value


Moment = Annotated[datetime, AfterValidator(_utc)]
Days = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Reference = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*@[A-Za-z0-9]+$")]


class Params(BaseModel):
    """Parameters of a job: plain values, never a secret, for everybody who may see the job sees them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_secrets(cls, values: Any) -> Any:
        if _holds_password(values):
            msg = "a password has no place in the parameters of a job"
            raise ValueError(msg)
        return values

    def body(self) -> dict[str, Any]:
        """As the database keeps them: JSON values that differ from the defaults."""
        found: dict[str, Any] = self.model_dump(mode="json", exclude_defaults=True)
        return found


class IngestParams(Params):
    """Read registered sources again: what is new comes in, what is there stays once."""

    source: Name | None = Field(None, description="Name of a registered source. Default: all of them.")
    full: bool = Field(default=False, description="Read everything although there is a watermark.")


class QualityParams(Params):
    """Judge the data in the lake."""

    as_of: Moment | None = Field(None, description="Freshness is measured from here. Default: the last row.")


class BuildParams(Params):
    """Build features and labels."""

    as_of: Moment | None = Field(None, description="Latest cut-off. Default: the last day of the data.")
    every: Days = Field(30, description="Days between cut-offs.")
    back: int = Field(0, ge=0, description="How many earlier cut-offs.")
    horizons: tuple[Days, ...] | None = Field(None, description="Days ahead that labels look.")
    cancel: tuple[str, ...] = Field(("cancel",), description="Event types that end a contract.")
    labels: bool = Field(default=True, description="Whether labels are built as well.")
    audit: bool = Field(default=True, description="Refuse features that feel the future.")


class _Cutoffs(Params):
    horizon: Days = Field(90, description="Days ahead.")
    until: Moment | None = Field(
        None, description="Nothing after this time is learnt from. Default: the end of the data."
    )
    every: Days = Field(30, description="Days between cut-offs.")
    back: int | None = Field(None, ge=0, description="How many earlier cut-offs. Default: as many as are needed.")


class CutoffsParams(_Cutoffs):
    """Build the cut-offs that a training of this horizon reads."""


class TrainParams(_Cutoffs):
    """Train, judge and register a model."""

    name: Name | None = Field(None, description="Name it is registered under. Default: churn or clv.")
    models: tuple[str, ...] = Field((), description="Models to compare. Default: those of the command.")
    gate: bool = Field(default=True, description="Refuse data that do not pass the quality gate.")


class TuneParams(TrainParams):
    """Search models and hyper-parameters, then train, judge and register the best."""

    trials: int = Field(30, ge=1, description="How many settings to try, the defaults included.")
    resume: bool = Field(default=False, description="Go on with the search that was interrupted.")


class TuneChurnParams(TuneParams):
    """Search churn models and hyper-parameters, then train, judge and register the best."""

    fold_horizon: Days | None = Field(
        None, description="Compare trials so many days ahead, where the data are too short for folds."
    )


class BacktestParams(_Cutoffs):
    """Judge CLV candidates at rolling origins."""

    models: tuple[str, ...] = Field((), description="Candidates. Default: those of the command.")
    gate: bool = Field(default=True, description="Refuse data that do not pass the quality gate.")


class EvaluateParams(Params):
    """Judge registered versions on labelled rows that are new to all of them."""

    models: Annotated[tuple[Reference, ...], Field(min_length=1)] = Field(
        description="Versions, such as churn@3 or churn@champion; the first is what the others are compared with."
    )
    as_of: tuple[Moment, ...] = Field((), description="Cut-offs. Default: the latest labelled one.")


class CompareParams(Params):
    """Refuse a candidate that the declared rule does not find good enough beside the champion."""

    candidate: Reference = Field(description="The version that is judged.")
    against: Name = Field("champion", description="Number or stage of the version it is judged against.")
    rule: Literal["better", "no_worse"] = Field(
        "no_worse",
        description="`better`: the rows show the candidate to be better; `no_worse`: they do not show it to be worse.",
    )


class ShadowParams(Params):
    """Let a version answer beside the champion, unseen."""

    candidate: Reference = Field(description="The version.")
    rule: str = Field("outcome; min 500", description="What decides about it, as `axiom rollout shadow --rule`.")


class ScoreParams(Params):
    """Score every customer."""

    as_of: Moment | None = Field(None, description="The cut-off. Default: the last day of the data.")
    churn: Name | None = Field("churn", description="Name of the churn model; null leaves it out.")
    clv: Name | None = Field("clv", description="Name of the CLV model; null leaves it out.")
    version: Name = Field("auto", description="A number, a stage, latest, or auto: the champion, else the latest.")
    gate: bool = Field(default=True, description="Refuse data that do not pass the quality gate.")
    publish: bool = Field(default=True, description="Replace the `scores` table and fill the online store as well.")


class PublishParams(Params):
    """Make a score set the current one: the `scores` table, and its features in the online store."""

    score_set: Name | None = Field(None, description="Id of a score set. Default: the newest one.")
    online: bool = Field(default=True, description="Fill the online store as well.")


class FeaturesParams(Params):
    """Put the features of one cut-off into the online store."""

    dataset: Name | None = Field(None, description="Id of a features dataset. Default: that of the newest score set.")
    as_of: Moment | None = Field(None, description="Cut-off. Default: that of the score set, or the last one.")


class ExportParams(Params):
    """Write a score set as one file below `exports/` in the lake."""

    score_set: Name | None = Field(None, description="Id of a score set. Default: the newest one.")
    format: Literal["csv", "parquet"] = Field("csv", description="csv or parquet.")


class MonitorParams(Params):
    """Measure data and models, and bring the alerts in line with what was found."""

    as_of: Moment | None = Field(None, description="The moment that the readings speak about. Default: now.")
    churn: Name | None = Field("churn", description="Name of the churn model; null leaves it out.")
    clv: Name | None = Field("clv", description="Name of the CLV model; null leaves it out.")


class JudgeParams(Params):
    """Judge every canary and shadow that has a rule, and do what the rule says."""

    name: Name | None = Field(None, description="Name of a model. Default: all.")
