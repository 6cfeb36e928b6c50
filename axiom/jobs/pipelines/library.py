"""Where pipelines are kept: AXIOM_HOME/pipelines, and those that ship with Axiom below them."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

from axiom.errors import ConflictError, MisuseError, NotFoundError
from axiom.jobs.pipelines.definition import read_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.jobs.pipelines.definition import Pipeline
    from axiom.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def pipeline_names(settings: Settings) -> list[str]:
    """Every pipeline there is, by name."""
    return sorted({*_shipped(), *(path.stem for path in _folder(settings).glob("*.yaml"))})


def load_pipeline(settings: Settings, name: str) -> Pipeline:
    """The pipeline called `name`: the user's own, else the one that ships.

    Raises:
        NotFoundError: there is none.
        MisuseError: it cannot be read, or is called otherwise than its file.
    """
    text, source = _text(settings, name)
    found = read_pipeline(text, source=source)
    if found.name != name:
        raise MisuseError(
            f"{source} holds a pipeline called {found.name!r}", hint=f"call it {name}, or rename the file"
        )
    return found


def copy_pipeline(settings: Settings, name: str) -> Path:
    """Copy a shipped pipeline into AXIOM_HOME/pipelines, to be changed there; gives the file.

    Raises:
        NotFoundError: none of that name ships.
        ConflictError: there is a file already.
    """
    shipped = _shipped()
    if name not in shipped:
        raise NotFoundError(f"no pipeline {name!r} ships with Axiom", hint=f"there are {', '.join(shipped)}")
    target = _folder(settings) / f"{name}.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(shipped[name])
    except FileExistsError:
        raise ConflictError(f"{target} exists already", hint="change it, or remove it first") from None
    return target


def _text(settings: Settings, name: str) -> tuple[str, str]:
    shipped = _shipped()
    own = _folder(settings) / f"{name}.yaml"
    # The name becomes a path: what is no name is not looked for.
    if _NAME.fullmatch(name) and own.exists():
        try:
            return own.read_text(encoding="utf-8"), str(own)
        except (OSError, UnicodeDecodeError) as error:
            raise MisuseError(f"{own} cannot be read: {error}") from None
    if name not in shipped:
        raise NotFoundError(f"there is no pipeline {name!r}", hint=f"there are {', '.join(pipeline_names(settings))}")
    return shipped[name], f"{name}.yaml"


def _folder(settings: Settings) -> Path:
    return settings.home / "pipelines"


def _shipped() -> dict[str, str]:
    folder = resources.files("axiom.jobs.pipelines") / "shipped"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return {file.name.removesuffix(".yaml"): file.read_text(encoding="utf-8") for file in files}
