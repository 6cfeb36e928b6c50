"""What a source that is registered over HTTP may read.

At the command line whoever registers a source can read every file and variable of the machine anyway. Over HTTP the
same would give them away: samples are shown, and a URL made of a variable can be sent to somebody's own server. So
variables have a prefix of their own, and files lie below folders that were named for it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from axiom.errors import BadInputError
from axiom.settings import mask_url
from axiom.sources.request import FileSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.settings import Settings
    from axiom.sources.request import IngestRequest, SqlSource

VARIABLES = "SOURCE_"
"""How the variables begin that a source over HTTP may name."""
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WILD = re.compile(r"[*?\[]")


def check_reach(request: IngestRequest, settings: Settings) -> None:
    """Refuse a source that reaches for more than it may.

    Raises:
        BadInputError: a file outside of the folders, another variable, or a password in clear.
    """
    if isinstance(request.source, FileSource):
        for path in request.source.paths:
            if not path.startswith("s3://"):
                _check_path(path.removeprefix("file://"), settings.source_roots)
    else:
        _check_url(request.source, settings.source_roots)


def _check_path(path: str, roots: Sequence[Path]) -> None:
    # Links are followed before comparing; of a pattern, the part that is no pattern yet.
    parts = Path(path).expanduser().absolute().parts
    plain = next((n for n, part in enumerate(parts) if _WILD.search(part)), len(parts))
    if ".." in parts[plain:] or not any(
        Path(*parts[:plain]).resolve().is_relative_to(root.resolve()) for root in roots
    ):
        raise BadInputError(
            f"{path} does not lie below {', '.join(map(str, roots))}",
            hint="put it there, name its folder in AXIOM_SOURCE_FOLDERS, or register the source with `axiom ingest`",
        )


def _check_url(source: SqlSource, roots: Sequence[Path]) -> None:
    url = source.url
    if url.startswith("file:"):
        _check_path(url.removeprefix("file:"), roots)
        return
    named = [url.removeprefix("env:")] if url.startswith("env:") else _VARIABLE.findall(url)
    for name in named:
        if not name.startswith(VARIABLES):
            raise BadInputError(
                f"a source that is registered over HTTP cannot use the variable {name[:100]!r}",
                hint=f"call it {VARIABLES}…, or register the source with `axiom ingest`",
            )
    if url.startswith("env:"):
        return
    if mask_url(_VARIABLE.sub("", url)) != _VARIABLE.sub("", url):
        raise BadInputError("the URL holds a password", hint=f"put it into a variable: ${{{VARIABLES}PASSWORD}}")
    if url.lower().startswith("sqlite"):
        _check_path(url.partition("://")[2].removeprefix("/").partition("?")[0], roots)
