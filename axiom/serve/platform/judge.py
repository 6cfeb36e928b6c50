"""Judge roll-outs in the background of the platform: declared evidence promotes and rolls back by itself."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from axiom.errors import AxiomError
from axiom.pipelines.rollout import watch_rollouts
from axiom.pipelines.workspace import opened
from axiom.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.pipelines.rollout import Judgement
    from axiom.settings import Settings

_log = get_logger(__name__)


class Judge:
    """A thread that judges every so often. Several may run: a decision is taken once, by whoever comes first.

    Args:
        settings: of the workspace.
        every: seconds between two rounds, > 0.
        on_round: told of every round.
    """

    def __init__(
        self, settings: Settings, every: float, on_round: Callable[[list[Judgement]], None] | None = None
    ) -> None:
        self._settings, self._every, self._on_round = settings, every, on_round or _tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="axiom-judge", daemon=True)

    def start(self) -> Self:
        """Begin; the first round comes after `every` seconds."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop after the round that is under way."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                with opened(self._settings) as ws:
                    watch_rollouts(ws, None, every=self._every, stop=self._stop, on_round=self._on_round)
            except AxiomError as error:
                _log.warning("roll_outs_not_judged", error=str(error))


def _tell(judgements: list[Judgement]) -> None:
    for one in judgements:
        if one.action != "none":
            _log.info("roll_out_judged", model=one.model, champion=one.champion, action=one.action)
