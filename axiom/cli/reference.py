"""The reference of commands and settings, written from the code: `make docs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# Reference

Written by `make docs` from the code; a test fails when it is out of date.

Every verb takes `--help`; every verb that ends takes `--json`: one JSON object on stdout, logs on stderr. Exit codes:
0 done, 1 it failed (the data, a service, a gate), 2 the call was wrong. An error is one line and a hint.
"""


def reference() -> str:
    """The whole page as Markdown."""
    return "\n".join([_HEAD, "## Settings", "", *_settings(), "", "## Commands", "", *_commands()]).rstrip() + "\n"


def _settings() -> Iterator[str]:
    from axiom.settings import Settings

    yield "| variable | default | meaning |"
    yield "|---|---|---|"
    for doc in Settings.describe():
        yield f"| `{doc.env}` | {f'`{doc.default}`' if doc.default else ''} | {_cell(doc.description)} |"


def _commands() -> Iterator[str]:
    import typer

    from axiom.cli.app import app

    for path, command in leaves(typer.main.get_command(app)):
        yield f"### axiom {path}"
        yield ""
        yield (command.help or "").strip()
        yield ""
        yield from _parameters(command)
        if command.epilog:
            yield f"`{command.epilog.removeprefix('Example: ')}`"
            yield ""


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every verb that does something, with its full name."""
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if getattr(child, "commands", None):
            yield from leaves(child, (*path, name))
        else:
            yield " ".join((*path, name)), child


def _parameters(command: Any) -> Iterator[str]:
    shown = [p for p in command.params if p.name != "json" and not getattr(p, "hidden", False)]
    if not shown:
        return
    yield "| parameter | default | meaning |"
    yield "|---|---|---|"
    for parameter in shown:
        names = ", ".join((*parameter.opts, *parameter.secondary_opts))
        name = names if parameter.param_type_name == "option" else str(parameter.name).upper()
        default = parameter.default
        told = "" if default in (None, "", False, ()) or callable(default) else f"`{default}`"
        yield f"| `{name}` | {told} | {_cell(getattr(parameter, 'help', None) or '')} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(reference())
