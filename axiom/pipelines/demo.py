"""The demo: one company through every stage, to live scores."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axiom.errors import BadInputError, MisuseError
from axiom.lake.views import query
from axiom.pipelines.ingest import ingest_source
from axiom.pipelines.score import score
from axiom.pipelines.train import TrainRequest, train_churn, train_clv
from axiom.sources.request import FileSource, IngestRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from axiom.pipelines.workspace import Workspace
    from axiom.settings import Settings

HORIZON = 90
# More heterogeneous and faster buyers than CDNOW's, with logins that fade before they leave: something to be learnt.
SHOP: Mapping[str, Any] = {"r": 1.0, "alpha": 5.0, "a": 1.0, "b": 3.0, "events_per_week": 1.0, "decline_days": 20.0}
FILES: Mapping[str, Mapping[str, Any]] = {
    "online-retail": {
        "mapping": {"customer_id": "CustomerID", "txn_ts": "InvoiceDate", "amount": "Quantity*UnitPrice"},
        "where": "CustomerID is not null",
    },
    "cdnow": {
        "mapping": {"customer_id": "column1", "txn_ts": "column2", "amount": "column4"},
        "reader": {"delimiter": "whitespace", "header": False},
    },
}


@dataclass(frozen=True)
class DemoReport:
    """What the demo did.

    Attributes:
        dataset: its name.
        rows: entity -> rows accepted.
        models: registered versions.
        verdict: of the churn model.
        score_set: id of the scores.
        customers: how many were scored.
        live: answers of the running service to a few customers.
        seconds: stage -> wall time.
    """

    dataset: str
    rows: dict[str, int]
    models: tuple[str, ...]
    verdict: str
    score_set: str
    customers: int
    live: tuple[dict[str, Any], ...]
    seconds: dict[str, float] = field(compare=False)


def run_demo(
    ws: Workspace,
    *,
    dataset: str = "synthetic",
    path: Path | None = None,
    customers: int = 4000,
    ask: Callable[[Sequence[str]], Sequence[dict[str, Any]]],
    say: Callable[[str], None] = lambda _line: None,
) -> DemoReport:
    """Ingest a data set, train both models, score everybody, and ask the running service for a few customers.

    Args:
        ws: the workspace.
        dataset: `synthetic`, `online-retail` or `cdnow`.
        path: the file of a real data set.
        customers: size of the synthetic company.
        ask: starts the service and asks it for some customers.
        say: told what happens, line by line.

    Raises:
        MisuseError: an unknown data set, or a real one without its path.
        BadInputError: there is no such file.
    """
    seconds: dict[str, float] = {}
    clock = _Clock(seconds, say)
    with clock("ingest"):
        rows = {
            entity: ingest_source(ws, request, source_name=f"demo-{dataset}.{entity}").accepted
            for entity, request in _requests(ws, dataset, path, customers).items()
        }
        for entity, accepted in rows.items():
            say(f"  {entity}: {accepted:,} rows")
    with clock("train churn"):
        churn = train_churn(ws, TrainRequest(HORIZON))
        verdict = churn.result.report.verdict
        say(f"  {churn.version.ref}: {verdict}")
    with clock("train clv"):
        clv = train_clv(ws, TrainRequest(HORIZON))
        say(f"  {clv.version.ref}: {clv.version.card.model_type}")
    with clock("score"):
        scored = score(ws)
        say(f"  {scored.rows:,} customers as of {scored.as_of:%Y-%m-%d}")
    with clock("serve"):
        top = query(ws.lake, "select customer_id from scores order by expected_loss desc nulls last limit 3")
        live = tuple(ask(top["customer_id"].to_pylist()))
        for answer in live:
            p_churn = answer["churn"]["p_churn"]
            say(f"  {answer['churn']['customer_id']}: p_churn {p_churn:.3f}, {_money(answer['clv'])}")
    return DemoReport(
        dataset=dataset,
        rows=rows,
        models=(churn.version.ref, clv.version.ref),
        verdict=verdict,
        score_set=scored.score_set,
        customers=scored.rows,
        live=live,
        seconds=seconds,
    )


class _Clock:
    """Announces each stage and keeps how long it took."""

    def __init__(self, seconds: dict[str, float], say: Callable[[str], None]) -> None:
        self._seconds, self._say = seconds, say

    def __call__(self, stage: str) -> _Clock:
        self._stage = stage
        return self

    def __enter__(self) -> None:
        self._say(f"== {self._stage}")
        self._started = time.perf_counter()

    def __exit__(self, *_error: object) -> None:
        self._seconds[self._stage] = round(time.perf_counter() - self._started, 2)


def _requests(ws: Workspace, dataset: str, path: Path | None, customers: int) -> dict[str, IngestRequest]:
    if dataset == "synthetic":
        return _synthetic(ws.settings, customers)
    if dataset not in FILES:
        raise MisuseError(f"unknown data set {dataset!r}", hint=f"synthetic, {', '.join(FILES)}")
    if path is None:
        raise MisuseError(f"--dataset {dataset} needs its file", hint="give it with --path FILE")
    if not path.exists():
        raise BadInputError(f"no file {path}", hint="download the data set first, or leave --dataset out")
    facts = FILES[dataset]
    reader = FileSource((str(path),), **facts.get("reader", {}))
    request = IngestRequest("transactions", reader, mapping=facts["mapping"], where=facts.get("where", ""))
    return {"transactions": request}


def _synthetic(settings: Settings, customers: int) -> dict[str, IngestRequest]:
    """Write the company as files, as a user's own would lie there."""
    from axiom.sources.synthetic import iter_chunks, write

    folder = settings.home / "demo"
    company = iter_chunks("shop", seed=settings.seed, customers=customers, **SHOP)
    paths = write(company, folder)
    tables = {path.stem: path for path in paths if path.parent == folder}
    return {entity: IngestRequest(entity, FileSource((str(path),))) for entity, path in sorted(tables.items())}


def _money(answer: Mapping[str, Any]) -> str:
    if answer["interval"] is None:
        return "no CLV yet"
    return f"CLV {answer['clv']:,.2f} [{answer['interval']['p05']:,.2f}, {answer['interval']['p95']:,.2f}]"
