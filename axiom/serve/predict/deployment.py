"""The `predict` deployment: what one replica loads, and how Ray Serve builds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ray import serve

from axiom.errors import NotFoundError
from axiom.settings import load_settings

if TYPE_CHECKING:
    from ray.serve import Application
    from starlette.applications import Starlette

    from axiom.scoring.scorer import Scorer
    from axiom.serve.predict.rows import FeatureRows
    from axiom.settings import Settings


class Predict:
    """One replica: the models and feature rows of the newest score set, answering from memory."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._loaded = newest(load_settings(**settings))

    def __serve_build_asgi_app__(self) -> Starlette:
        from axiom.serve.predict.http import create_app

        return create_app(*self._loaded)


def newest(settings: Settings) -> tuple[Scorer, FeatureRows]:
    """The scorer and the feature rows that the newest score set was made with.

    Raises:
        NotFoundError: nothing was scored yet.
    """
    from axiom.pipelines.score import plan_of
    from axiom.pipelines.workspace import opened
    from axiom.scoring.loading import scorer_from
    from axiom.serve.predict.rows import plan_rows

    with opened(settings) as ws:
        sets = ws.lake.datasets("scores")
        if not sets:
            raise NotFoundError("there are no scores to serve", hint="run `axiom score` first")
        plan = plan_of(ws, sets[-1])
        scorer = scorer_from(plan.churn, plan.clv)
        return scorer, plan_rows(plan, scorer.columns)


def application(args: dict[str, Any]) -> Application:
    """Builder named in `serve_config.yaml`; `args` are overrides of the settings, for example `home`."""
    return serve.deployment(serve.ingress()(Predict)).bind(args)
