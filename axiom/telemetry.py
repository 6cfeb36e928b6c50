"""Logs and progress, both on stderr: stdout belongs to the answer of a command."""

from __future__ import annotations

import logging
import re
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

import structlog
from pydantic import SecretStr

from axiom.settings import mask_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

    from axiom.settings import Settings

_SECRET_NAME = re.compile(
    r"password|passwd|pwd|secret|token|credential|authorization|cookie|(api|access|private)_?key", re.IGNORECASE
)
_MASK = "***"


def get_logger(name: str) -> FilteringBoundLogger:
    """Logger of one module (`get_logger(__name__)`): `log.info("bucket_built", bucket=3, rows=10)`.

    It hands its lines to the standard library, so a program that never configures logging stays quiet.
    """
    return cast(
        "FilteringBoundLogger",
        structlog.wrap_logger(
            logging.getLogger(name), processors=_event_chain(), wrapper_class=structlog.stdlib.BoundLogger
        ),
    )


def configure_logging(settings: Settings) -> None:
    """Send every log line of the process to stderr, for people or as JSON, with secrets masked.

    Axiom's own lines follow `settings.log_level`; libraries are heard from WARNING on. Calling it again
    replaces the earlier configuration.
    """
    handler = _StderrHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_line_facts(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                _renderer(settings.log_format),
            ],
        )
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _StderrHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[settings.log_level]))
    logging.getLogger("axiom").setLevel(settings.log_level)
    # Code that calls structlog directly would otherwise print unmasked lines to stdout.
    structlog.configure(
        processors=_event_chain(),
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Structlog processor: mask values under secret-looking names, and passwords inside URLs, at any depth."""
    return {name: _redacted(name, value) for name, value in event.items()}


def _redacted(name: object, value: Any) -> Any:
    if isinstance(value, SecretStr) or (_SECRET_NAME.search(str(name)) and value is not None):
        return _MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {key: _redacted(key, item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_redacted("", item) for item in value]
    return mask_url(str(value))


def _line_facts() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _event_chain() -> list[Processor]:
    return [
        structlog.stdlib.filter_by_level,
        *_line_facts(),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ]


def _renderer(log_format: str) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer()
    # The default traceback of structlog shows local variables, and those may hold a password.
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )


class _StderrHandler(logging.Handler):
    """Looks `sys.stderr` up at each line, so a live progress bar can take the stream over meanwhile."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001  # a log line must never stop the work; the standard hook reports it
            self.handleError(record)


class Progress(Protocol):
    """What a long task tells about its own advance."""

    def advance(self, steps: float = 1) -> None:
        """Count `steps` more units as done."""


class _Silent:
    def advance(self, steps: float = 1) -> None:
        """Count nothing."""


class _Lines:
    """Plain log lines, at most one every `every` seconds."""

    def __init__(self, label: str, total: float | None, clock: Callable[[], float], every: float) -> None:
        self._label, self._total, self._clock, self._every = label, total, clock, every
        self._log = get_logger("axiom.progress")
        self._done: float = 0
        self._started = self._last = clock()

    def advance(self, steps: float = 1) -> None:
        self._done += steps
        now = self._clock()
        if now - self._last >= self._every and self._done != self._total:
            self._last = now
            self._log.info(self._label, **self._facts())

    def end(self, outcome: str) -> None:
        self._log.info(self._label, **self._facts(), outcome=outcome)

    def _facts(self) -> dict[str, object]:
        elapsed = self._clock() - self._started
        facts: dict[str, object] = {"done": round(self._done, 2), "seconds": round(elapsed, 1)}
        if self._total:
            facts["total"] = self._total
            if 0 < self._done < self._total:
                facts["eta_seconds"] = round(elapsed * (self._total - self._done) / self._done, 1)
        return facts


@contextmanager
def progress(
    label: str,
    total: float | None = None,
    *,
    quiet: bool = False,
    console: Console | None = None,
    clock: Callable[[], float] = time.monotonic,
    every: float = 5.0,
) -> Iterator[Progress]:
    """Tell people how far a long task is: a bar with ETA on a terminal, otherwise lines of the log `axiom.progress`.

    Use it as `with progress("build", total=16) as bar: bar.advance()`.

    Args:
        label: what is being done, one word or two.
        total: units of work; None when nobody knows.
        quiet: show nothing at all.
        console: where to show it; default: stderr.
        clock: seconds that only grow.
        every: least seconds between two log lines.
    """
    if quiet:
        yield _Silent()
        return
    from rich.console import Console as RichConsole

    console = console or RichConsole(stderr=True)
    if console.is_terminal:
        with _rich_bar(label, total, console) as bar:
            yield bar
        return
    lines = _Lines(label, total, clock, every)
    try:
        yield lines
    except BaseException:
        lines.end("stopped")
        raise
    lines.end("finished")


@contextmanager
def _rich_bar(label: str, total: float | None, console: Console) -> Iterator[Progress]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=console) as display:
        task = display.add_task(label, total=total)

        class _Bar:
            def advance(self, steps: float = 1) -> None:
                display.advance(task, steps)

        yield _Bar()
