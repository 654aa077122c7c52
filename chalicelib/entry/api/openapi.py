"""The description of the HTTP API (OpenAPI 3.1), built from the table of routes and the types of the operations."""

import re
from functools import cache
from inspect import cleandoc
from typing import Any

import msgspec

from chalicelib.entry import routes
from chalicelib.entry.api import operations
from chalicelib.entry.api.operations import Nothing, Operation
from chalicelib.entry.api.problems import Problem
from chalicelib.entry.routes import Route

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_PROBLEMS = {
    "401": "Nobody known is calling.",
    "403": "Whoever calls may not.",
    "404": "There is no such thing.",
    "409": "It cannot be done now.",
    "422": "Something in the call is wrong; `field` names it.",
    "503": "Something that this needs cannot be reached. Nothing was stored.",
}
#: The ways in of other systems, which are no operations: they are signed, and documented in docs/api.md.
_SIGNED = {
    "signed.case": "Take a case that was resolved, reopened or withdrawn.",
    "signed.purchase": "Take a purchase.",
    "signed.failure": "Take a remark or public comment that never was a case.",
    "signed.act": "Take an act of staff on a recovery.",
    "signed.document": "Show the active document of a kind and its versions.",
    "signed.put_document": "Store a new version of a document.",
    "signed.activate_document": "Make a stored version of a document the active one.",
}


@cache
def document(base_url: str) -> str:
    """Return the whole description as JSON."""
    described = {
        "openapi": "3.1.0",
        "info": {"title": "Aftercare", "version": "1", "summary": "Everything that the console does, for programs."},
        "servers": [{"url": base_url}],
        "tags": [{"name": name} for name in sorted({_tag(route) for route in _operations()} | {"messages"})],
        "paths": _paths(),
        "components": {
            "schemas": _schemas()[1],
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, with a role."},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-aftercare"},
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "webhook-signature",
                    "description": "Standard Webhooks: with webhook-id and webhook-timestamp.",
                },
            },
        },
    }
    return msgspec.json.encode(described).decode()


def _operations() -> list[Route]:
    return [route for route in routes.ROUTES if route.kind == "operation"]


@cache
def _schemas() -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """Return the schema of every type, and those that are referred to by name."""
    found = [operations.find(route.handler) for route in _operations()]
    types = list({one for each in found for one in (each.takes, each.gives)} | {Problem})
    shown, components = msgspec.json.schema_components(types, ref_template=_REF)
    return dict(zip(types, shown, strict=True)), components


def _paths() -> dict[str, dict[str, Any]]:
    paths: dict[str, dict[str, Any]] = {}
    for route in routes.ROUTES:
        if route.kind == "operation":
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(operations.find(route.handler))
        elif route.who == "signed":
            paths.setdefault(route.path, {})[route.method.lower()] = _message(route)
    return paths


def _tag(route: Route) -> str:
    return route.handler.partition(".")[0]


def _operation(found: Operation) -> dict[str, Any]:
    summary, _, more = found.summary.partition("\n\n")
    told = {
        "operationId": found.route.handler,
        "tags": [_tag(found.route)],
        "summary": " ".join(summary.split()),
        "description": "\n\n".join(filter(None, (cleandoc(more), f"Takes the role {found.route.who} or more."))),
        "security": [{"key": []}, {"session": []}],
        "parameters": _parameters(found),
        "responses": _responses(found),
    }
    body = _body(found)
    return told | ({"requestBody": body} if body else {})


def _fields(found: Operation) -> dict[str, tuple[dict[str, Any], bool]]:
    """Return the schema of each field of the input, and whether it must be given."""
    # Types of one name get longer names from msgspec: the reference says which.
    schema = _schemas()[1][_schemas()[0][found.takes]["$ref"].rpartition("/")[2]]
    required = set(schema.get("required", []))
    return {name: (one, name in required) for name, one in schema.get("properties", {}).items()}


def _parameters(found: Operation) -> list[dict[str, Any]]:
    in_path = set(_PARAMETER.findall(found.route.path))
    shown = []
    for name, (schema, required) in _fields(found).items():
        where = "path" if name in in_path else "query" if _in_query(found) else ""
        if where:
            shown.append({"name": name, "in": where, "required": where == "path" or required, "schema": schema})
    if not found.reads:
        shown.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The same call with the same key gets the same reply for a day, and is done once.",
                "schema": {"type": "string", "maxLength": 255},
            }
        )
    return shown


def _in_query(found: Operation) -> bool:
    return found.reads or found.route.method == "DELETE"


def _body(found: Operation) -> dict[str, Any] | None:
    """Return the body of a call: the input without what stands in the path."""
    in_path = set(_PARAMETER.findall(found.route.path))
    fields = {name: one for name, one in _fields(found).items() if name not in in_path}
    if _in_query(found) or not fields:
        return None
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: one for name, (one, _) in fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, (_, needed) in fields.items() if needed]
    if required:
        schema["required"] = required
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def _responses(found: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "It was done." if not found.reads else "What was asked for."}
    if found.gives is str:
        good["content"] = {found.marks.media: {"schema": {"type": "string"}}}
    elif found.gives is not Nothing:
        good["content"] = {"application/json": {"schema": _schemas()[0][found.gives]}}
    too_large = {} if found.reads else {"413": "The body is larger than a call may have."}
    return {str(found.marks.status): good, **_problems(too_large)}


def _problems(more: dict[str, str] | None = None) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _schemas()[0][Problem]}}
    return {status: {"description": why, "content": content} for status, why in {**_PROBLEMS, **(more or {})}.items()}


def _message(route: Route) -> dict[str, Any]:
    """Describe a signed way in; docs/api.md has the fields of each message."""
    described: dict[str, Any] = {
        "operationId": route.handler,
        "tags": ["messages"],
        "summary": _SIGNED[route.handler],
        "security": [{"signature": []}],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PARAMETER.findall(route.path)
        ],
        "responses": {"200": {"description": "Stored."}, **_problems()},
    }
    if route.method != "GET":
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    return described
