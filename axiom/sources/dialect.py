"""How a text file is written: encoding, delimiter, header. Found out from its first lines, or said by the user."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axiom.errors import BadInputError, MisuseError

if TYPE_CHECKING:
    from axiom.sources.files import InputFile

_HEAD = 1 << 18
_DELIMITERS = ",;\t|"
_NUMBER_OR_DATE = re.compile(r"[-+]?[\d.,:/\-T ]*\d[\d.,:/\-T Z]*")


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes:
        encoding: Python codec name.
        delimiter: one character, or `whitespace` for any run of blanks.
        header_lines: lines before the first row: the names, and blank lines before them.
        names: of the columns, in order, each once.
    """

    encoding: str
    delimiter: str
    header_lines: int
    names: tuple[str, ...]


def detect(file: InputFile, *, encoding: str = "utf-8", delimiter: str = "", header: bool | None = None) -> Dialect:
    """Find out how a file is written, as far as it was not said.

    Raises:
        MisuseError: the encoding is not one that Python knows.
        BadInputError: the file does not decode, has no content, or names a column twice.
    """
    lines = _first_lines(file, encoding)
    blank = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    if blank == len(lines):
        raise BadInputError(f"{file.label} holds no row")
    lines = lines[blank:]
    if lines[0].lstrip().startswith(("{", "[")):
        raise BadInputError(f"{file.label} looks like JSON", hint="CSV and Parquet can be read")
    chosen = delimiter or _sniff([line for line in lines if line.strip()])
    first, height = _first_row(lines, chosen)
    has_header = not all(_NUMBER_OR_DATE.fullmatch(cell.strip()) for cell in first) if header is None else header
    names = [cell.strip() for cell in first] if has_header else [""] * len(first)
    names = [name or f"column{position}" for position, name in enumerate(names, start=1)]
    if twice := sorted(name for name, times in Counter(names).items() if times > 1):
        raise BadInputError(f"{file.label}: column {', '.join(twice)} is there twice", hint="rename one of them")
    return Dialect(encoding, chosen, blank + height if has_header else 0, tuple(names))


def check_encoding(file: InputFile, encoding: str) -> int:
    """Decode the whole file once; returns its number of line ends.

    Raises:
        BadInputError: it does not decode; the byte and the line are named.
    """
    decoder = _codec(encoding).incrementaldecoder(errors="strict")
    offset = lines = 0
    try:
        with file.open_plain() as stream:
            while block := stream.read(1 << 22):
                held = len(decoder.getstate()[0])
                try:
                    lines += decoder.decode(block).count("\n")
                except UnicodeError as error:
                    at = error.start if isinstance(error, UnicodeDecodeError) else 0
                    line = lines + (block[: max(at - held, 0)].count(b"\n")) + 1
                    raise _undecodable(file, encoding, offset - held + at, line) from None
                offset += len(block)
            try:
                decoder.decode(b"", final=True)
            except UnicodeError:
                raise _undecodable(file, encoding, offset, lines + 1) from None
    except (EOFError, OSError) as error:
        raise BadInputError(f"{file.label} is damaged: {error}", hint="fetch it again") from error
    return lines


def _first_row(lines: list[str], delimiter: str) -> tuple[list[str], int]:
    """The fields of the first row, and how many lines it goes over."""
    if delimiter == "whitespace":
        return lines[0].split(), 1
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter)
    return next(reader, []), reader.line_num


def _codec(encoding: str) -> codecs.CodecInfo:
    try:
        return codecs.lookup(encoding)
    except LookupError:
        raise MisuseError(f"unknown encoding {encoding!r}", hint="for example utf-8, cp1252, latin-1, utf-16") from None


def _undecodable(file: InputFile, encoding: str, offset: int, line: int) -> BadInputError:
    return BadInputError(
        f"{file.label} is not {encoding}: byte {offset}, line {line}",
        hint="name its encoding with --encoding, for example --encoding cp1252",
    )


def _first_lines(file: InputFile, encoding: str) -> list[str]:
    decoder = _codec(encoding).incrementaldecoder(errors="replace")  # check_encoding tells where it is wrong
    try:
        with file.open_plain() as stream:
            head = stream.read(_HEAD)
    except (EOFError, OSError) as error:
        raise BadInputError(f"{file.label} is damaged: {error}", hint="fetch it again") from error
    text = decoder.decode(head).removeprefix("\ufeff")
    if "\0" in text:
        raise BadInputError(f"{file.label} is not a text file", hint="CSV and Parquet can be read")
    complete = text if len(head) < _HEAD else text[: text.rfind("\n") + 1] or text
    # Not splitlines(): that also cuts at form feeds and other signs that belong to values.
    return [line.rstrip("\n") for line in io.StringIO(complete, newline=None)][:200]


def _sniff(lines: list[str]) -> str:
    """The delimiter that cuts most rows into the same number of fields; the more fields, the better."""
    scores = {delimiter: _score(csv.reader(lines, delimiter=delimiter)) for delimiter in _DELIMITERS}
    best = max(scores, key=lambda delimiter: scores[delimiter])
    if scores[best] > (0.0, 0):
        return best
    blanks = _score(line.split() for line in lines)
    return "whitespace" if blanks > (0.0, 0) else ","


def _score(rows: object) -> tuple[float, int]:
    try:
        widths = [len(row) for row in rows]  # type: ignore[attr-defined]
    except csv.Error:
        return 0.0, 0
    if not widths or widths[0] < 2:
        return 0.0, 0
    share = widths.count(widths[0]) / len(widths)
    return (round(share, 1), widths[0]) if share > 0.5 else (0.0, 0)
