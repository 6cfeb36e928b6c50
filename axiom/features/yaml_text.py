"""YAML with line numbers: each value remembers where it stands, so an error can say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from axiom.errors import MisuseError


@dataclass(frozen=True)
class Located:
    """A YAML value and the line it starts on (from 1): a scalar, a list, or a mapping of further located values."""

    value: Any
    line: int

    @property
    def plain(self) -> Any:
        """The value with all lines stripped."""
        if isinstance(self.value, dict):
            return {key: item.plain for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain for item in self.value]
        return self.value


def parse(text: str, source: str) -> Located:
    """Parse one YAML document.

    Args:
        text: the document.
        source: how messages call it, usually the file name.

    Raises:
        MisuseError: not YAML, empty, a key given twice, or anchors (which could blow up without bound).
    """
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise MisuseError(f"{source}: anchors and aliases are not supported", hint="write the value out")
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise MisuseError(f"{source} is empty", hint="it needs `name` and `features`")
        return _located(loader, node, source)
    except yaml.YAMLError as error:
        raise MisuseError(f"{source} is not YAML: {' '.join(str(error).split())}") from error


def _located(loader: yaml.SafeLoader, node: yaml.Node, source: str) -> Located:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Located] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in found:
                raise MisuseError(f"{source} line {key_node.start_mark.line + 1}: {key} is given twice")
            found[key] = _located(loader, value_node, source)
        return Located(found, line)
    if isinstance(node, yaml.SequenceNode):
        return Located([_located(loader, item, source) for item in node.value], line)
    return Located(loader.construct_object(node), line)
