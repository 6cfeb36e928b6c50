"""What every verb shares: one JSON object or text for people on stdout, errors as one line and a hint on stderr."""

from __future__ import annotations

import json
import math
import sys
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.errors import AxiomError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from axiom.db import Database
    from axiom.pipelines.workspace import Workspace
    from axiom.settings import Settings

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; logs stay on stderr.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", help="ISO date or time, UTC. Default: the last day of the data."),
]


def settings() -> Settings:
    """The settings of this process, with logging set up by them."""
    from axiom.settings import load_settings
    from axiom.telemetry import configure_logging

    loaded = load_settings()
    configure_logging(loaded)
    return loaded


@contextmanager
def workspace() -> Iterator[Workspace]:
    """The opened workspace of this process."""
    from axiom.pipelines.workspace import opened

    with opened(settings()) as ws:
        yield ws


@contextmanager
def database() -> Iterator[Database]:
    """The database of this process, for verbs that need no lake."""
    from axiom.db import Database

    with Database.open(settings()) as opened:
        yield opened


def parse_time(text: str, option: str) -> datetime:
    """An ISO date or time as UTC; MisuseError names the option."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise MisuseError(f"{option} {text!r} is not a date", hint="write it like 2011-09-10") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_days(text: str, option: str) -> int:
    """A number of days, written `30` or `30d` or `2w`; MisuseError names the option."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in "dw" and text else (text, "d")
    if not number.isascii() or not number.isdigit() or int(number) < 1:
        raise MisuseError(f"{option} {text!r} is not a number of days", hint="write it like 30d or 4w")
    return int(number) * (7 if unit == "w" else 1)


def emit(payload: Any, *, as_json: bool, lines: Sequence[str] | None = None) -> None:
    """Print the answer of a verb: the payload as one JSON object, or `lines` for people."""
    if as_json or lines is None:
        sys.stdout.write(json.dumps(plain(payload), ensure_ascii=False, default=str) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in lines))


def plain(value: Any) -> Any:
    """Dataclasses, times and numpy values as JSON knows them; NaN and infinities become null."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> list[str]:
    """Rows as aligned text: numbers to the right, everything else to the left.

    Args:
        rows: one mapping a row.
        columns: which keys, in which order; default: those of the first row.
    """
    if not rows:
        return ["(nothing)"]
    names = list(columns or rows[0])
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    numeric = [all(isinstance(row.get(name), int | float | None) for row in rows) for name in names]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(names)]

    def fit(line: Sequence[str]) -> str:
        pairs = zip(line, widths, numeric, strict=True)
        return "  ".join(text.rjust(w) if right else text.ljust(w) for text, w, right in pairs).rstrip()

    return [fit(names), fit(["-" * width for width in widths]), *(fit(line) for line in cells)]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    # A customer id may hold anything, line breaks and terminal codes included; a table keeps its shape.
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def explain(error: AxiomError) -> None:
    """Say on stderr what went wrong and the way out; with --json also as one object on stdout."""
    sys.stderr.write(f"axiom: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"hint: {error.hint}\n")
    if "--json" in sys.argv:
        body = {"type": error.problem_type, "message": error.message, "hint": error.hint}
        emit({"error": body}, as_json=True)


def explain_bug(error: Exception) -> None:
    """Say on stderr that Axiom itself failed; the trace is shown when AXIOM_LOG_LEVEL is DEBUG."""
    import os
    import traceback

    from axiom.settings import mask_url

    if os.environ.get("AXIOM_LOG_LEVEL", "").upper() == "DEBUG":
        traceback.print_exception(error)
    line = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    sys.stderr.write(f"axiom: internal error: {mask_url(line)}\n")
    sys.stderr.write("hint: this is a bug of Axiom; AXIOM_LOG_LEVEL=DEBUG shows where it happened\n")
    if "--json" in sys.argv:
        emit({"error": {"type": "internal", "message": mask_url(line), "hint": ""}}, as_json=True)
