"""Verbs of jobs: axiom jobs submit, list, show, logs, cancel, retry, reap, kinds."""

from __future__ import annotations

import getpass
import json as jsonlib
import sys
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, emit, settings, table
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axiom.db.jobs import Job
    from axiom.jobs.service import JobService

jobs = typer.Typer(no_args_is_help=True, help="Stages as jobs that run elsewhere: submit, watch, cancel, try again.")

Backend = Annotated[
    str | None,
    typer.Option(help="local, ray or kube. Default: ray where RAY_ADDRESS is set, else local.", show_default=False),
]
JobId = Annotated[str, typer.Argument(help="Id of the job.", metavar="JOB")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(jobs, name="jobs")


@contextmanager
def service(backend: str | None = None) -> Iterator[JobService]:
    """The jobs of the database of this process."""
    from axiom.db import Database
    from axiom.jobs.service import JobService

    loaded = settings()
    with Database.open(loaded) as db:
        yield JobService(db, loaded, backend)


@jobs.command("submit", epilog="Example: axiom jobs submit score --param as_of=2011-12-09 --key score-2011-12-09")
def submit(
    kind: Annotated[str, typer.Argument(help="Kind of job: see `axiom jobs kinds`.")],
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="A parameter, as YAML. Repeatable.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the same key and job give the job that is there.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it has ended. Exit code 1 if it did not succeed.")
    ] = False,
    backend: Backend = None,
    json: JsonFlag = False,
) -> None:
    """Have a job done elsewhere; it goes on when this command ends."""
    params = _params(param or [])
    with service(backend) as found:
        job = found.submit(kind, params, key=key, actor=getpass.getuser())
        if wait:
            job = found.wait(job.job_id)
    hint = [] if job.ended else [f"  follow it: axiom jobs logs -f {job.job_id}"]
    emit(job, as_json=json, lines=[*_lines(job), *hint])
    if wait and job.status != "succeeded":
        raise typer.Exit(1)


@jobs.command("list", epilog="Example: axiom jobs list --status running")
def list_jobs(
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    status: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed or cancelled.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    json: JsonFlag = False,
) -> None:
    """Jobs, newest first."""
    with service() as found, found.db.reading() as tx:
        known = tx.jobs.list(kind=kind, status=status, limit=limit)  # type: ignore[arg-type]  # an unknown one finds none
    rows = [
        {
            "job": job.job_id,
            "status": job.status,
            "attempt": job.attempt,
            "stage": job.stage,
            "progress": f"{job.progress:.0%}",
            "submitted": f"{job.created_at:%Y-%m-%d %H:%M:%S}",
            "by": job.created_by,
            "error": (job.error or "")[:60] or None,
        }
        for job in known
    ]
    emit({"jobs": known}, as_json=json, lines=table(rows))


@jobs.command("show", epilog="Example: axiom jobs show score-0f3b2c5d8e7a9b10")
def show(job_id: JobId, json: JsonFlag = False) -> None:
    """One job and its attempts, after a look at its driver."""
    with service() as found:
        job = found.refresh(job_id)
        with found.db.reading() as tx:
            attempts = tx.jobs.attempts(job_id)
    rows = [
        {
            "attempt": one.attempt,
            "status": one.status,
            "host": one.host,
            "seconds": (one.finished_at - (one.started_at or one.queued_at)).total_seconds(),
            "error": one.error,
        }
        for one in attempts
    ]
    emit({"job": job, "attempts": attempts}, as_json=json, lines=[*_lines(job), "", *table(rows)])


@jobs.command("logs", epilog="Example: axiom jobs logs -f score-0f3b2c5d8e7a9b10")
def logs(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows, until the job ends.")] = False,
    offset: Annotated[int, typer.Option(min=0, help="Begin at this byte, as an earlier answer said.")] = 0,
    attempt: Annotated[int | None, typer.Option(min=1, help="Of this attempt. Default: the latest one.")] = None,
    json: JsonFlag = False,
) -> None:
    """What a job wrote. With --follow and --json: one JSON object a piece."""
    with service() as found:
        if not follow:
            piece = found.log(job_id, offset, attempt=attempt)
            text, end = piece.text, piece
            while piece.text and not piece.ended:
                piece = found.log(job_id, piece.offset, attempt=attempt)
                text, end = text + piece.text, piece
            emit({"text": text, "offset": end.offset, "ended": end.ended}, as_json=json, lines=text.splitlines())
            return
        for piece in found.follow(job_id, offset):
            if json:
                emit(piece, as_json=True)
            else:
                sys.stdout.write(piece.text)
            sys.stdout.flush()


@jobs.command("cancel", epilog="Example: axiom jobs cancel train-churn-0f3b2c5d8e7a9b10 --reason 'wrong data'")
def cancel(
    job_id: JobId,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "cancelled",
    json: JsonFlag = False,
) -> None:
    """Stop a job. What it had finished stays; half-done work is invisible."""
    with service() as found:
        job = found.cancel(job_id, reason=reason)
    emit(job, as_json=json, lines=_lines(job))


@jobs.command("retry", epilog="Example: axiom jobs retry score-0f3b2c5d8e7a9b10")
def retry(job_id: JobId, backend: Backend = None, json: JsonFlag = False) -> None:
    """Another attempt of a job that failed or was cancelled."""
    with service(backend) as found:
        job = found.retry(job_id)
    emit(job, as_json=json, lines=_lines(job))


@jobs.command("reap", epilog="Example: axiom jobs reap")
def reap(json: JsonFlag = False) -> None:
    """Mark jobs as failed whose driver is gone; `axiom schedule` does it all the time."""
    with service() as found:
        lost = found.reap()
    rows = [{"job": job.job_id, "why": job.error} for job in lost]
    emit({"lost": lost}, as_json=json, lines=table(rows) if rows else ["every driver is alive"])


@jobs.command("kinds", epilog="Example: axiom jobs kinds score")
def kinds(
    kind: Annotated[str | None, typer.Argument(help="Of this kind only, with its parameters.")] = None,
    json: JsonFlag = False,
) -> None:
    """What can be submitted, and with which parameters."""
    from axiom.jobs.kinds import KINDS, kind_of

    if kind is None:
        rows = [{"kind": one.name, "what": one.about, "here and now": one.verb or None} for one in KINDS.values()]
        emit({"kinds": rows}, as_json=json, lines=table(rows))
        return
    chosen = kind_of(kind)
    fields = [
        {
            "parameter": name,
            "default": "required" if field.is_required() else jsonlib.dumps(field.default, default=str),
            "what": field.description,
        }
        for name, field in chosen.params.model_fields.items()
    ]
    schema = chosen.params.model_json_schema()
    emit({"kind": kind, "schema": schema}, as_json=json, lines=[f"{kind}: {chosen.about}", "", *table(fields)])


def _params(pairs: list[str]) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise MisuseError("--param is not NAME=VALUE", hint="like --param as_of=2011-12-09")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise MisuseError(f"--param {name}: the value is no YAML", hint="quote it") from None
        # A date is read by the job's own type, which knows what it wants.
        found[name.strip()] = text if isinstance(value, date) else value
    return found


def _lines(job: Job) -> list[str]:
    stage = f", {job.stage} {job.progress:.0%}" if job.stage and not job.ended else ""
    lines = [f"{job.job_id}: {job.status}, attempt {job.attempt}, {job.backend}{stage}"]
    if job.error:
        lines.append(f"  {job.error}")
    if job.result is not None:
        lines.extend(f"  {name}: {value}" for name, value in job.result.items() if value not in (None, [], {}))
    return lines
