"""Writes the generated half of `axiom.client` from the OpenAPI document: `python -m axiom.serve.platform.client_text`.

A test compares what is written with what would be.
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_STREAM = "text/event-stream"
_NOTE = "# Generated from the OpenAPI document by `python -m axiom.serve.platform.client_text`; do not edit.\n"


def types_text(document: Mapping[str, Any]) -> str:
    """One TypedDict a schema."""
    parts = [f'"""What goes over the wire, as plain JSON values; times are ISO 8601 text."""\n\n{_NOTE}']
    parts.append("from __future__ import annotations\n\nfrom typing import Any, Literal, NotRequired, TypedDict\n")
    for name, schema in sorted(document["components"]["schemas"].items()):
        parts.append(_typed_dict(_class(name), schema))
    return "\n".join(parts)


def operations_text(document: Mapping[str, Any]) -> str:
    """One class a group, one method an operation."""
    groups: dict[str, list[str]] = {}
    for path, method, operation in _operations(document):
        group, _, name = operation["operationId"].partition(".")
        groups.setdefault(group, []).append(_method(name, path, method, operation))
    parts = [f'"""Every operation of the service as a typed method."""\n\n{_NOTE}']
    parts.append(
        "from __future__ import annotations\n\nimport builtins\nfrom typing import TYPE_CHECKING, Any, Literal, cast\n"
    )
    parts.append(
        "if TYPE_CHECKING:\n    from axiom.client import types as t\n    from axiom.client.transport import Transport\n"
    )
    for group, methods in groups.items():
        head = f'class {_class(group)}:\n    """Operations of `{group}`."""\n\n'
        head += "    def __init__(self, transport: Transport) -> None:\n        self._transport = transport\n"
        parts.append(f"\n{head}\n{chr(10).join(methods)}")
    made = "\n".join(f"        self.{group} = {_class(group)}(transport)" for group in groups)
    doc = '"""Every group of operations, by name."""'
    parts.append(f"\nclass Operations:\n    {doc}\n\n    def __init__(self, transport: Transport) -> None:\n{made}\n")
    return "\n".join(parts)


def not_wrapped(document: Mapping[str, Any]) -> set[str]:
    """Operations that answer with a stream of events: `Client.follow` is for them."""
    return {one["operationId"] for _, _, one in _operations(document, streams=True) if _is_stream(one)}


def main() -> None:
    """Write both files."""
    document = current_document()
    folder = Path(__file__).parents[2] / "client"
    (folder / "types.py").write_text(types_text(document), encoding="utf-8")
    (folder / "operations.py").write_text(operations_text(document), encoding="utf-8")


def current_document() -> Mapping[str, Any]:
    """The document of an application over nothing."""
    from fastapi import FastAPI

    from axiom.serve.platform.document import document, operation_id
    from axiom.serve.platform.http import ROUTERS

    app = FastAPI(generate_unique_id_function=operation_id)
    for router in ROUTERS:
        app.include_router(router)
    return document(app)


def _operations(document: Mapping[str, Any], *, streams: bool = False) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if streams or not _is_stream(operation):
                yield path, method, operation


def _is_stream(operation: Mapping[str, Any]) -> bool:
    return _STREAM in operation["responses"].get("200", {}).get("content", {})


def _class(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def _typed_dict(name: str, schema: Mapping[str, Any]) -> str:
    if "properties" not in schema or "allOf" in schema:
        return f"{name} = dict[str, Any]\n"
    required = set(schema.get("required", ()))
    told = " ".join(str(schema.get("description", name)).split()).replace("\\", "\\\\")
    lines = [f"class {name}(TypedDict):", f'    """{told}"""', ""]
    for field, found in schema["properties"].items():
        kind = _type(found)
        lines.append(f"    {field}: {kind if field in required else f'NotRequired[{kind}]'}")
    return "\n".join(lines) + "\n"


def _type(schema: Mapping[str, Any], prefix: str = "") -> str:
    if "$ref" in schema:
        return prefix + _class(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " | ".join(dict.fromkeys(_type(one, prefix) for one in schema[union]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_type({**schema, "type": one}, prefix) for one in kind)
    if kind == "array":
        # Inside the classes of operations `list` is a method.
        rows = "builtins.list" if prefix else "list"
        return f"{rows}[{_type(schema['items'], prefix) if 'items' in schema else 'Any'}]"
    if kind == "object":
        more = schema.get("additionalProperties")
        return f"dict[str, {_type(more, prefix)}]" if isinstance(more, dict) and more else "dict[str, Any]"
    return _PLAIN.get(str(kind), "Any")


def _method(name: str, path: str, method: str, operation: Mapping[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    in_path = [one["name"] for one in parameters if one["in"] == "path"]
    others = [one for one in parameters if one["in"] != "path"]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    signature = ["self", *(f"{_variable(one)}: str | int" for one in in_path)]
    if content:
        signature.append(f"body: {_type(content['schema'], 't.')}")
    if others:
        signature += ["*", *(f"{_variable(one['name'])}: {_optional(one)} = None" for one in others)]
    answer, form = _answer(operation)
    told = " ".join(str(operation.get("description") or operation.get("summary")).split()).replace("\\", "\\\\")
    call = [repr(method.upper()), repr(path), _given(in_path), _mapped(others, "query"), _mapped(others, "header")]
    call += ["body" if content else "None", repr(form)]
    result = f"self._transport.call({', '.join(call)})"
    body = f"        {result}" if answer == "None" else f"        return cast({answer!r}, {result})"
    return f'    def {_variable(name)}({", ".join(signature)}) -> {answer}:\n        """{told}"""\n{body}\n'


def _optional(parameter: Mapping[str, Any]) -> str:
    kind = _type(parameter["schema"], "t.")
    return kind if "None" in kind.split(" | ") else f"{kind} | None"


def _answer(operation: Mapping[str, Any]) -> tuple[str, str]:
    """Type of the answer, and how it is read: `json`, `bytes`, `text` or `nothing`."""
    code = next(code for code in ("200", "201", "202", "204") if code in operation["responses"])
    content: Mapping[str, Any] = operation["responses"][code].get("content", {})
    if "application/json" in content:
        return _type(content["application/json"]["schema"], "t."), "json"
    if any(kind in content for kind in ("application/zip", "application/octet-stream")):
        return "bytes", "bytes"
    return ("str", "text") if content else ("None", "nothing")


def _given(names: list[str]) -> str:
    return "{" + ", ".join(f"{name!r}: {_variable(name)}" for name in names) + "}"


def _mapped(parameters: list[dict[str, Any]], place: str) -> str:
    names = [one["name"] for one in parameters if one["in"] == place]
    return _given(names)


def _variable(name: str) -> str:
    plain = re.sub(r"[^a-z0-9_]", "_", name.lower())
    return f"{plain}_" if keyword.iskeyword(plain) else plain


if __name__ == "__main__":
    main()
