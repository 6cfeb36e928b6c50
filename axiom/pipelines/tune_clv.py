"""Stage: search over CLV candidates and their hyper-parameters, then train and register the best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from axiom.engine import open_engine
from axiom.errors import MisuseError
from axiom.pipelines.tracking import tracked
from axiom.pipelines.train import build_for, clv_origins, train_clv, write_report
from axiom.telemetry import progress
from axiom.training.clv.options import ClvOptions

if TYPE_CHECKING:
    from axiom.pipelines.train import Trained, TrainRequest
    from axiom.pipelines.workspace import Workspace
    from axiom.training.clv.tuning import TuneReport

BASELINE = "bg_nbd"


@dataclass(frozen=True, eq=False)
class TunedClv:
    """The search, and the model trained with what it found beside the baseline.

    Attributes:
        search: every trial, best first.
        trained: the registered champion of the best trial's candidate and BG/NBD.
        report_path: folder of the search's report below the lake's root.
    """

    search: TuneReport
    trained: Trained
    report_path: str


def tune_clv(
    ws: Workspace,
    request: TrainRequest,
    *,
    trials: int = 30,
    resume: bool = False,
    options: ClvOptions | None = None,
) -> TunedClv:
    """Search on Ray Tune; then backtest the best beside BG/NBD, and register the champion of the two.

    The search overfits its origins a little; the backtest that names the champion says by how much it is ahead.

    Raises:
        MisuseError: Ray is not the engine.
        ConflictError: these data were searched already and `resume` is not set.
        NotFoundError: there is nothing to resume.
        BadInputError: no trial could be judged.
    """
    from axiom.training.clv.on_ray import tune_clv as search

    if ws.settings.engine != "ray":
        raise MisuseError("the search runs on Ray Tune", hint="unset AXIOM_ENGINE, or set it to ray")
    options = options or ClvOptions(seed=ws.settings.seed)
    built, _ = build_for(ws, request)
    origins = clv_origins(ws, built, request.horizon)
    params = {"horizon": request.horizon, "features": built.features_id, "trials": trials}
    key = f"{request.name or 'clv'}-{request.horizon}d-{built.features_id}"
    with (
        tracked(ws.db, "tune clv", key, params, total=trials) as attempt,
        open_engine(ws.settings),
        progress("tune clv", total=trials) as bar,
    ):

        def on_done() -> None:
            attempt.advance()
            bar.advance()

        found = search(
            origins,
            timedelta(days=request.horizon),
            str(ws.settings.home / "tune"),
            options,
            trials=trials,
            resume=resume,
            on_done=on_done,
        )
        attempt.result["best"] = found.best.candidate
    best = found.best.candidate
    chosen = replace(
        options,
        candidates=tuple(dict.fromkeys((BASELINE, best))),
        params={best: dict(found.best.params)} if found.best.params else {},
    )
    trained = train_clv(ws, request, options=chosen)
    folder = write_report(ws, f"tune/{trained.version.ref}", {"report.md": found.to_markdown().encode()})
    return TunedClv(found, trained, folder)
