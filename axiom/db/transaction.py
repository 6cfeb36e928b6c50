"""Unit of work: every repository on one connection, committed or rolled back together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from axiom.db.alerts import Alerts
from axiom.db.audit import Audit
from axiom.db.batches import Batches
from axiom.db.events import Events
from axiom.db.experiments import Experiments
from axiom.db.jobs import Jobs
from axiom.db.keys import Keys
from axiom.db.measurements import Measurements
from axiom.db.models import Models
from axiom.db.observations import Observations
from axiom.db.pages import Pages
from axiom.db.pipeline_runs import PipelineRuns
from axiom.db.replies import Replies
from axiom.db.rollouts import Rollouts
from axiom.db.runs import Runs
from axiom.db.schedules import Schedules
from axiom.db.scores import Scores
from axiom.db.sessions import Sessions
from axiom.db.sources import Sources
from axiom.db.thresholds import Thresholds
from axiom.db.users import LoginAttempts, Users

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection


@dataclass(frozen=True)
class Transaction:
    """The repositories of one unit of work. Useless once its `with` block has ended."""

    connection: Connection
    clock: Callable[[], datetime]

    @cached_property
    def sources(self) -> Sources:
        """Registered data sources."""
        return Sources(self.connection, self.clock)

    @cached_property
    def batches(self) -> Batches:
        """Ingest batches."""
        return Batches(self.connection, self.clock)

    @cached_property
    def rollouts(self) -> Rollouts:
        """How versions are rolled out."""
        return Rollouts(self.connection, self.clock)

    @cached_property
    def runs(self) -> Runs:
        """Runs of stages."""
        return Runs(self.connection, self.clock)

    @cached_property
    def models(self) -> Models:
        """Model versions and their history."""
        return Models(self.connection, self.clock, self.audit)

    @cached_property
    def scores(self) -> Scores:
        """Current scores and the sets they came from."""
        return Scores(self.connection, self.clock)

    @cached_property
    def audit(self) -> Audit:
        """The audit trail."""
        return Audit(self.connection, self.clock)

    @cached_property
    def keys(self) -> Keys:
        """API keys."""
        return Keys(self.connection, self.clock, self.audit)

    @cached_property
    def users(self) -> Users:
        """Users and their roles."""
        return Users(self.connection, self.clock, self.audit)

    @cached_property
    def logins(self) -> LoginAttempts:
        """Attempts to log in."""
        return LoginAttempts(self.connection, self.clock, self.audit)

    @cached_property
    def sessions(self) -> Sessions:
        """Sessions of users."""
        return Sessions(self.connection, self.clock)

    @cached_property
    def events(self) -> Events:
        """Live events."""
        return Events(self.connection, self.clock)

    @cached_property
    def jobs(self) -> Jobs:
        """Jobs and their attempts."""
        return Jobs(self.connection, self.clock, self.events)

    @cached_property
    def pipeline_runs(self) -> PipelineRuns:
        """Runs of pipelines and their steps."""
        return PipelineRuns(self.connection, self.clock, self.events)

    @cached_property
    def schedules(self) -> Schedules:
        """What schedules decided."""
        return Schedules(self.connection, self.clock)

    @cached_property
    def experiments(self) -> Experiments:
        """Experiments."""
        return Experiments(self.connection, self.clock, self.audit)

    @cached_property
    def observations(self) -> Observations:
        """What was observed of the customers of experiments."""
        return Observations(self.connection, self.clock, self.audit)

    @cached_property
    def replies(self) -> Replies:
        """Answers to requests that may be sent again."""
        return Replies(self.connection, self.clock)

    @cached_property
    def thresholds(self) -> Thresholds:
        """Limits of monitoring that somebody changed."""
        return Thresholds(self.connection, self.clock, self.audit)

    @cached_property
    def measurements(self) -> Measurements:
        """What monitoring measured."""
        return Measurements(self.connection, self.clock)

    @cached_property
    def alerts(self) -> Alerts:
        """Alerts of monitoring."""
        return Alerts(self.connection, self.clock, self.audit, self.events)

    @cached_property
    def pages(self) -> Pages:
        """Parts of long lists."""
        return Pages(self.connection)
